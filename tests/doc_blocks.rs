//! Every code block of the documents is in a language whose blocks are held to something. Rust is compiled and run by the
//! doctests, `ts` by `clients/typescript/tests/readme.test.ts`, `js` in Chromium by `tests/clients/small_pages.mjs`, proxies by
//! `tests/proxies.rs`, lines of the log by `tests/observability.rs`; the rest is here.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use gustnado::{
    commands::{Commands, ErrorReply},
    settings::Settings,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use support::{Frame, connect};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

struct Block {
    file: String,
    language: String,
    text: String,
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of every document for people.
fn blocks() -> Vec<Block> {
    let folders = ["", "docs", "docs/guide", "benches", "examples", "clients/typescript", "tests/scenarios"];
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    let mut blocks = Vec::new();
    for path in files {
        let file = path.strip_prefix(ROOT).expect("below the root").display().to_string();
        let mut open: Option<Block> = None;
        for line in read(&path).lines() {
            let Some(language) = line.trim_start().strip_prefix("```") else {
                if let Some(block) = &mut open {
                    block.text += line;
                    block.text.push('\n');
                }
                continue;
            };
            match open.take() {
                Some(block) => blocks.push(block),
                None => {
                    open = Some(Block { file: file.clone(), language: language.into(), text: String::new() });
                }
            }
        }
        assert!(open.is_none(), "{file}: a block does not end");
    }
    blocks
}

fn in_language(language: &str) -> Vec<Block> {
    let blocks: Vec<_> = blocks().into_iter().filter(|block| block.language == language).collect();
    assert!(!blocks.is_empty(), "no block is in {language}");
    blocks
}

#[test]
fn every_block_is_where_something_checks_its_language() {
    let compiled = read(&Path::new(ROOT).join("src/lib.rs"));
    for Block { file, language, text } in blocks() {
        let checked = match language.as_str() {
            "rust" | "rust,no_run" => compiled.contains(&format!("include_str!(\"../{file}\")")),
            "ts" => file.starts_with("docs/guide/") || file == "clients/typescript/README.md",
            "js" => file == "docs/guide/first-server.md",
            "nginx" | "haproxy" => file == "docs/guide/deployment.md",
            "json" => ["docs/wire.md", "docs/guide/commands.md"].contains(&file.as_str()),
            "toml" | "sh" => true,
            // The list of layers, which `tests/docs.rs` holds to the tree; drawings; what a commit looks like; the log.
            "text" => {
                file == "docs/architecture.md"
                    || file == "docs/guide/life-of-a-connection.md"
                    || file == "CONTRIBUTING.md"
                    || (file == "docs/guide/observability.md" && text.contains("closed by="))
            }
            _ => false,
        };
        assert!(checked, "{file}: nothing checks this block of {language:?}:\n{text}");
    }
}

#[test]
fn toml_is_settings_or_dependencies_of_this_crate() {
    for Block { file, text, .. } in in_language("toml") {
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let dependencies = table.get("dependencies").or(table.get("dev-dependencies"));
        let Some(dependency) = dependencies.and_then(|it| it.get("gustnado")) else {
            toml::from_str::<Settings>(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
            continue;
        };
        let manifest: toml::Table = read(&Path::new(ROOT).join("Cargo.toml")).parse().expect("a manifest");
        for feature in dependency.get("features").and_then(|it| it.as_array()).into_iter().flatten() {
            assert!(
                manifest["features"].get(feature.as_str().expect("a name")).is_some(),
                "{file}: {feature:?}"
            );
        }
    }
}

/// Whether a value of the documents looks as one of a case does: the same keys and types, and the same words where they
/// mean something.
fn looks_like(shown: &Value, case: &Value) -> bool {
    match (shown, case) {
        (_, Value::String(any)) if any == "*" => true,
        (Value::Object(shown), Value::Object(case)) => {
            let same = |key: &str, a: &Value, b: &Value| match key {
                "cmd" | "code" => a == b,
                _ => looks_like(a, b),
            };
            shown.len() == case.len()
                && shown.iter().all(|(key, a)| case.get(key).is_some_and(|b| same(key, a, b)))
        }
        (Value::Array(_), Value::Array(_)) | (Value::String(_), Value::String(_)) => true,
        (Value::Number(_), Value::Number(_)) => true,
        _ => shown == case,
    }
}

fn collect(value: &Value, frames: &mut Vec<Value>) {
    match value {
        Value::Object(map) => {
            if map.contains_key("cmd") {
                frames.push(value.clone());
            }
            map.values().for_each(|value| collect(value, frames));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, frames)),
        _ => {}
    }
}

#[test]
fn every_frame_of_the_wire_s_document_looks_like_one_of_the_cases() {
    let mut frames = Vec::new();
    for file in ["to_server", "to_client"] {
        let cases = read(&Path::new(ROOT).join(format!("tests/wire/{file}.json")));
        collect(&serde_json::from_str(&cases).expect("cases"), &mut frames);
    }
    for block in in_language("json").iter().filter(|block| block.file == "docs/wire.md") {
        for line in block.text.lines() {
            let shown = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(frames.iter().any(|case| looks_like(&shown, case)), "no case is like {line}");
        }
    }
}

#[derive(Deserialize)]
struct Move {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct Moved {
    number: u32,
}

/// The handler of the guide's chapter on commands is this one, line by line.
#[tokio::test]
async fn the_conversation_of_the_guide_goes_as_it_is_shown() {
    let handler = Commands::with_state(|handshake| {
        handshake.set_user("ann");
        Ok(0)
    })
    .on("move", |mut ctx, Move { from, to }: Move| async move {
        if from == to {
            return Err(ErrorReply::new("no_move", "that is where it stands"));
        }
        *ctx.state() += 1;
        let moved = Moved { number: *ctx.state() };
        ctx.broadcast("moved", format!("{from}-{to}")).await?;
        Ok(moved)
    })
    .handler();
    let mut client = connect(&handler).await;
    let conversation = in_language("json");
    let mut conversation = conversation.iter().filter(|block| block.file == "docs/guide/commands.md");
    let (said, heard) = (conversation.next().expect("frames"), conversation.next().expect("answers"));
    for line in said.text.lines() {
        client.text(line).await;
    }
    for line in heard.text.lines() {
        let Frame::Text(got) = client.next().await else { panic!("no text") };
        let value = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(value(&got), value(line));
    }
}

/// The lines of a block, without what is said about them.
fn commands(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim().to_owned());
    lines
        .flat_map(|line| line.split("; ").map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.is_empty())
}

/// What an option is given: `--test docs` or `--test=docs`.
fn given<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    words.iter().position(|word| *word == option).map(|at| words[at + 1])
}

fn is_there(file: &str, path: &str) {
    assert!(Path::new(ROOT).join(path).exists(), "{file}: {path} is not there");
}

/// What a line of `cargo` names is there: the example, the test, the features, the options of the benches.
fn cargo_knows(file: &str, words: &[&str]) {
    let subcommands = ["build", "doc", "install", "nextest", "run", "test"];
    assert!(subcommands.contains(&words[1]), "{file}: cargo {}", words[1]);
    let folder = given(words, "--manifest-path").map_or("", |path| path.trim_end_matches("Cargo.toml"));
    is_there(file, &format!("{folder}Cargo.toml"));
    for (option, folder) in [("--example", "examples"), ("--test", "tests")] {
        let Some(name) = given(words, option).filter(|name| *name != "NAME") else { continue };
        let places = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/main.rs")];
        assert!(places.iter().any(|place| Path::new(ROOT).join(place).exists()), "{file}: {option} {name}");
    }
    let manifest = read(&Path::new(ROOT).join(folder).join("Cargo.toml"));
    for feature in given(words, "--features").into_iter().flat_map(|list| list.split(',')) {
        assert!(manifest.contains(&format!("\n{feature} = ")), "{file}: there is no feature {feature}");
    }
    let mut ours = words
        .iter()
        .skip_while(|word| **word != "--")
        .filter(|word| word.len() > 2 && word.starts_with("--"));
    let options = || {
        read(&Path::new(ROOT).join("benches/src/main.rs"))
            + &read(&Path::new(ROOT).join("benches/src/options.rs"))
    };
    let known = |option: &str| folder.is_empty() || options().contains(option);
    assert!(ours.all(|option| known(option)), "{file}: {words:?}");
}

#[test]
fn every_command_of_a_shell_is_one_that_there_is() {
    for Block { file, text, .. } in in_language("sh") {
        for line in commands(&text) {
            let words: Vec<_> = line.split(' ').collect();
            match words[0] {
                "cargo" => cargo_knows(&file, &words),
                script if script.starts_with("scripts/") => is_there(&file, script),
                "gustnado" => understands(&line),
                "export" => assert!(line.starts_with("export GUSTNADO_URL="), "{file}: {line}"),
                // The answer to it is in `tests/admin.rs`.
                "curl" => assert!(line.ends_with("/admin/api/connections?search=ann"), "{file}: {line}"),
                other => panic!("{file}: {other} is nothing that this test knows"),
            }
        }
    }
}

/// Fails if the program does not understand a line; that there is no engine is another failure.
fn understands(line: &str) {
    let shell = line.replacen("gustnado", "\"$PROGRAM\"", 1);
    let output = Command::new("sh")
        .args(["-c", &shell])
        .env("PROGRAM", env!("CARGO_BIN_EXE_gustnado"))
        .env("GUSTNADO_URL", "redis://127.0.0.1:1")
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && !said.contains("Usage"), "{line}: {said}");
}
