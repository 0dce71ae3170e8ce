//! Builds the programs that a run needs, so that one command measures what the tree says now.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::server::{Program, Server};

/// Builds the release program of each of these servers with the cargo that runs us.
pub fn servers(servers: &[&Server]) -> Result<()> {
    servers.iter().try_for_each(|server| {
        let mut programs = [Some(server.program), server.broadcast].into_iter().flatten();
        programs.try_for_each(build).with_context(|| format!("building {}", server.name))
    })
}

/// Where the built program is.
pub fn path(program: Program) -> PathBuf {
    match program {
        Program::Example(name) => library().join("target/release/examples").join(name),
        Program::Peer(name) => peers().join("target/release").join(name),
    }
}

fn build(program: Program) -> Result<()> {
    let (package, kind, name) = match program {
        Program::Example(name) => (library(), "--example", name),
        Program::Peer(name) => (peers(), "--bin", name),
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", kind, name])
        .arg("--manifest-path")
        .arg(package.join("Cargo.toml"))
        // Said here, so that no CARGO_TARGET_DIR puts the program where `path` does not look.
        .arg("--target-dir")
        .arg(package.join("target"))
        .status()
        .context("cargo does not start")?;
    ensure!(status.success(), "cargo build {kind} {name} in {} failed", package.display());
    Ok(())
}

/// The package of the library.
pub fn library() -> &'static Path {
    peers().parent().expect("the package lies in a folder of the repository")
}

fn peers() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
