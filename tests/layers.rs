//! What the layers may not name. That each names only those above it, `tests/docs.rs` checks against the list in
//! `docs/architecture.md`.

use std::{fs, path::Path};

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_protocol_names_no_runtime_no_clock_and_no_log() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol");
    let mut checked = 0;
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the protocol") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // The oracle is tungstenite, behind tokio-tungstenite; it is compiled for tests only.
            if name.starts_with("oracle") || name.ends_with("_tests.rs") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code =
                read(&path).replace("tokio_tungstenite::tungstenite::handshake::derive_accept_key", "");
            for word in ["tokio", "Instant", "SystemTime", "tracing", "std::net", "std::thread", "println!"] {
                assert!(!code.contains(word), "{name} names {word}");
            }
            checked += 1;
        }
    }
    assert!(checked > 14, "{checked} files");
}

#[test]
fn axum_is_for_tests_and_examples_only() {
    let manifest = read("Cargo.toml");
    let dependencies = manifest
        .split("\n[")
        .find_map(|section| section.strip_prefix("dependencies]"))
        .expect("a section of dependencies");
    assert!(!dependencies.contains("axum"));
}
