//! The documents say what the tree is: the defaults in the guide and in the docs of `Handler`, the layers in
//! `docs/architecture.md`, the examples in `examples/README.md`, tests beside promises. Their code is `doc_blocks.rs`'s.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table under `heading`, without its first two lines: cells as plain text.
fn table(text: &str, heading: &str) -> Vec<Vec<String>> {
    let after = text.split_once(heading).unwrap_or_else(|| panic!("{heading:?} is missing")).1;
    let lines = after.lines().skip_while(|line| !line.starts_with('|'));
    lines.take_while(|line| line.starts_with('|')).skip(2).map(cells).collect()
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| plain(cell.trim())).collect()
}

/// `[`name`](target)` is `name`.
fn plain(mut cell: &str) -> String {
    let mut text = String::new();
    while let Some((before, link)) = cell.split_once('[') {
        let (name, after) = link.split_once(']').expect("a link's text ends");
        text.push_str(before);
        text.push_str(name);
        cell = after.split_once(')').expect("a link's target ends").1;
    }
    text.push_str(cell);
    text.replace('`', "")
}

#[test]
fn the_guide_has_the_defaults_that_the_docs_of_handler_have() {
    let handler = read("src/handler/mod.rs").replace("/// ", "");
    let expected = table(&handler, "The defaults:");
    assert!(expected.len() > 10, "{expected:?}");
    let guide: Vec<Vec<_>> = table(&read("docs/guide/limits.md"), "## Defaults")
        .into_iter()
        .map(|row| row[..2].to_vec())
        .collect();
    assert_eq!(guide, expected);
}

#[test]
fn every_chapter_of_the_guide_is_listed_and_its_code_is_compiled() {
    let (summary, start, lib) =
        (read("docs/guide/SUMMARY.md"), read("docs/guide/README.md"), read("src/lib.rs"));
    let mut chapters = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide")).expect("the guide") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name == "SUMMARY.md" || name == "README.md" {
            continue;
        }
        for (place, text) in [("SUMMARY.md", &summary), ("README.md", &start)] {
            assert!(text.contains(&format!("]({name})")), "{name} is missing in {place}");
        }
        assert!(lib.contains(&format!("docs/guide/{name}")), "{name} is not compiled with the doctests");
        chapters += 1;
    }
    assert!(chapters > 8, "{chapters}");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [".", "docs", "docs/guide", "examples", "benches", "clients/typescript", "tests/scenarios"];
    let documents = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).expect("a folder"));
    let mut links = 0;
    for path in documents.map(|entry| entry.expect("an entry").path()) {
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for link in read(&path).split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            let target = link.0.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains(':') || target.contains(' ') {
                continue;
            }
            let folder = path.parent().expect("a folder");
            assert!(folder.join(target).exists(), "{}: {target} is not there", path.display());
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}

/// The files of the tree that a text names in backticks, from the root.
fn named_files(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split('`').skip(1).step_by(2).filter(|word| !word.contains([' ', '*', '{', '<']));
    words.filter(|word| {
        let folder = word.split_once('/').map_or("", |(folder, _)| folder);
        ["src", "tests", "scripts", "examples", "benches", "docs", "clients"].contains(&folder)
    })
}

#[test]
fn every_promise_names_its_test_and_every_file_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in
        ["README.md", "CONTRIBUTING.md", "docs/guarantees.md", "docs/scaling.md", "docs/architecture.md"]
    {
        for file in named_files(&read(document)) {
            assert!(root.join(file).exists(), "{document}: {file} is not there");
        }
    }
    let readme = read("README.md");
    let (_, holds) = readme.split_once("## What holds").expect("what holds");
    let (holds, _) = holds.split_once("[All that holds]").expect("its end");
    for (document, text) in [("README.md", holds), ("docs/guarantees.md", &read("docs/guarantees.md"))] {
        let promises: Vec<_> = text.split("\n- ").skip(1).collect();
        assert!(promises.len() > 4, "{document}: {promises:?}");
        for promise in promises {
            assert!(named_files(promise).next().is_some(), "{document}: no test is named for {promise}");
        }
    }
}

#[test]
fn every_example_is_listed_and_run_by_a_test() {
    let mut examples: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))
        .expect("examples")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name != "README.md")
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    let mut named: Vec<_> =
        table(&read("examples/README.md"), "# Examples").into_iter().map(|row| row[0].clone()).collect();
    examples.sort();
    named.sort();
    assert_eq!(named, examples);

    let folders = ["tests", "tests/clients", "clients/typescript/e2e"]
        .map(|it| Path::new(env!("CARGO_MANIFEST_DIR")).join(it));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let files = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    let tests: String = files.map(read).collect();
    for name in examples {
        let calls =
            ["run(", "start(", "program(", "example(", "server("].map(|call| format!("{call}\"{name}\""));
        assert!(calls.iter().any(|call| tests.contains(call)), "no test runs the example {name}");
    }
}

/// The layers in their order, as `docs/architecture.md` lists them: each with its files.
fn layers() -> Vec<(String, Vec<String>)> {
    let text = read("docs/architecture.md");
    let (_, list) = text.split_once("```text\nsrc/\n").expect("the list of layers");
    let (list, _) = list.split_once("```").expect("the end of the list");
    let mut layers: Vec<(String, Vec<String>)> = Vec::new();
    let mut folder = String::new();
    for line in list.lines().filter(|line| !line.trim().is_empty()) {
        let name = line.split_whitespace().next().expect("a name").to_owned();
        let mut file = |name| layers.last_mut().expect("a layer before its files").1.push(name);
        match line.len() - line.trim_start().len() {
            2 => layers.push((name, Vec::new())),
            4 if name.ends_with('/') => folder = name,
            4 => file(name),
            6 => file(folder.clone() + &name),
            _ => {}
        }
    }
    layers
}

/// Every file below a folder of `src`, by its path within `src`.
fn files(folder: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![src.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(&src).expect("below src").to_owned());
            }
        }
    }
    files.sort();
    files
}

/// Files that are only compiled for tests.
fn is_test(file: &Path) -> bool {
    let name = file.to_string_lossy();
    name.ends_with("_tests.rs") || name.starts_with("protocol/peer") || name.starts_with("protocol/oracle")
}

#[test]
fn the_architecture_names_every_file() {
    let mut named: Vec<PathBuf> = vec!["lib.rs".into()];
    for (layer, files) in layers() {
        match layer.strip_suffix('/') {
            None => named.push(layer.into()),
            Some(folder) => named.extend(files.iter().map(|file| Path::new(folder).join(file))),
        }
    }
    let mut files = files("");
    files.retain(|file| !is_test(file));
    named.sort();
    assert_eq!(named, files);
}

#[test]
fn each_layer_names_only_those_above_it() {
    let layers: Vec<String> = layers()
        .into_iter()
        .map(|(layer, _)| layer.trim_end_matches('/').trim_end_matches(".rs").to_owned())
        .collect();
    for file in files("") {
        let first = file.iter().next().and_then(|part| part.to_str()).expect("a path");
        let layer = first.trim_end_matches(".rs");
        let Some(place) = layers.iter().position(|name| name == layer) else {
            assert_eq!(layer, "lib", "a layer that docs/architecture.md does not list");
            continue;
        };
        for name in crate_paths(&read(Path::new("src").join(&file))) {
            let allowed = layers[..=place].contains(&name);
            assert!(allowed, "{} names {name}, which is not above {layer}", file.display());
        }
    }
}

/// The modules of the crate that a file names, comments left out.
fn crate_paths(source: &str) -> Vec<String> {
    let code: Vec<_> = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => names.push(word(after)),
            // The first word of each entry of a `use crate::{..}`, at whatever depth its own braces are.
            Some(list) => {
                let mut depth = 0;
                let mut expected = true;
                for (at, char) in list.char_indices() {
                    match char {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => expected = true,
                        _ if expected && char.is_alphabetic() => {
                            names.push(word(&list[at..]));
                            expected = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

#[test]
fn the_modules_that_a_use_names_are_found() {
    let source = "use crate::{\n    conn::{Cause, Conn},\n    protocol::{close::CloseCode, text::Text},\n};\n\
                  // crate::handler\nlet x = crate::config::timer(1);\npub(crate) fn f() {}\n";
    assert_eq!(crate_paths(source), ["conn", "protocol", "config"]);
}
