//! The layers of the source tree: each names only those above it in this list.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// From the top, which knows nobody, to the bottom, which may know them all.
const LAYERS: [&str; 8] =
    ["protocol", "panics", "config", "stats", "conn", "connector", "session", "handler"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file below `dir`.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// A file's module path: `["session", "wire"]` for `src/session/wire.rs`.
fn module(file: &Path) -> Vec<String> {
    let path = file.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Vec<_> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

/// The code of a file: without comments and, since a test may look down, without its tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = source.lines().map(|line| line.split("//").next().unwrap());
    lines.fold(String::new(), |code, line| code + line + "\n")
}

/// The first names of what follows `prefix` in `code`: one, or those of a `{ .. }` list.
fn named<'a>(code: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        if rest.starts_with('{') {
            names.extend(list(rest));
        } else {
            names.push(first(rest));
        }
    }
    names
}

fn first(path: &str) -> &str {
    path.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap()
}

/// The first names of the elements of `{a::b, c::{d, e}}`.
fn list(group: &str) -> Vec<&str> {
    let (mut names, mut depth, mut expecting) = (Vec::new(), 0, false);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match c {
            '{' | ',' if depth == 1 => expecting = true,
            _ if expecting && !c.is_whitespace() => {
                names.push(first(&group[at..]));
                expecting = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The layers that a file of `module` names, by `crate::` or by as many `super::` as lead to the root.
fn layers_named<'a>(code: &'a str, module: &[String]) -> Vec<&'a str> {
    // Nested modules of a file would count differently; there are none but tests.
    let to_root = "super::".repeat(module.len().max(1));
    let mut names = named(code, "crate::");
    names.extend(named(code, &to_root));
    names.retain(|name| LAYERS.contains(name));
    names
}

fn position(layer: &str) -> usize {
    LAYERS.iter().position(|it| *it == layer).unwrap_or_else(|| panic!("{layer} is in no layer"))
}

#[test]
fn each_layer_names_only_those_above_it() {
    let mut seen = 0;
    for file in sources(&root().join("src")) {
        let module = module(&file);
        let Some(layer) = module.first() else { continue };
        let code = code(&fs::read_to_string(&file).unwrap());
        for name in layers_named(&code, &module) {
            seen += 1;
            assert!(
                position(name) <= position(layer),
                "{} names {name}, a layer below its own",
                file.display()
            );
        }
    }
    assert!(seen > 50, "the scan finds what it looks for: {seen}");
}

#[test]
fn the_list_of_layers_is_that_of_lib_rs() {
    let lib = code(&fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let mut modules: Vec<_> =
        lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let mut layers = LAYERS;
    modules.sort_unstable();
    layers.sort_unstable();
    assert_eq!(modules, layers);
}

#[test]
fn the_protocol_names_no_runtime_no_clock_and_no_log() {
    for file in sources(&root().join("src/protocol")) {
        let code = code(&fs::read_to_string(&file).unwrap());
        let code = code.replace("tokio_tungstenite::tungstenite::handshake::derive_accept_key", "");
        for word in ["tokio", "Instant", "SystemTime", "tracing", "std::net", "std::thread", "println!"] {
            assert!(!code.contains(word), "{} names {word}", file.display());
        }
    }
}

#[test]
fn axum_is_for_tests_and_examples_only() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let table = |name: &str| {
        let rest = manifest.split_once(&format!("\n[{name}]\n")).expect("the table is there").1;
        rest.split("\n[").next().unwrap().to_owned()
    };
    let has_axum = |table: &str| table.lines().any(|line| line.starts_with("axum"));
    assert!(!has_axum(&table("dependencies")));
    assert!(has_axum(&table("dev-dependencies")));
    for file in sources(&root().join("src")) {
        let code = code(&fs::read_to_string(&file).unwrap());
        assert!(!code.contains("axum"), "{} names axum", file.display());
    }
}

// The scanner itself.

#[test]
fn the_scanner_sees_every_way_to_name_a_layer() {
    let module = ["conn".to_owned(), "outbox".to_owned()];
    for (code, expected) in [
        ("use crate::session::io::Io;", vec!["session"]),
        (
            "use crate::{\n    config::ConnConfig,\n    session::{io, wire},\n    handler,\n};",
            vec!["config", "session", "handler"],
        ),
        ("let io = crate::session::io::Io::new();", vec!["session"]),
        ("pub(in crate::session) fn f() {}", vec!["session"]),
        ("use super::super::handler::Handler;", vec!["handler"]),
        ("use super::super::{handler, stats::Traffic};", vec!["handler", "stats"]),
        ("use super::session;", vec![]),
        ("use other_crate::session;", vec![]),
        ("use crate::async_trait;", vec![]),
    ] {
        assert_eq!(layers_named(code, &module), expected, "{code}");
    }
    // From a module at the root, one `super` is enough.
    assert_eq!(layers_named("use super::handler::Handler;", &["stats".to_owned()]), ["handler"]);
}
