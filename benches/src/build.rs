//! Builds the programs that a run needs, so that one command measures what the tree says now.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::scripts;
use crate::server::{Program, Server};
use crate::workload::Workload;

/// Builds the release programs of these servers with the cargo that runs us; returns those that can run here.
///
/// # Errors
///
/// When something does not build. A script whose interpreter or package is missing is only told of.
pub fn servers(servers: &[&'static Server], workloads: &[Workload]) -> Result<Vec<&'static Server>> {
    let mut programs: Vec<Program> = Vec::new();
    let mut present = Vec::new();
    for &server in servers {
        let launches = workloads.iter().filter_map(|workload| server.launch(workload.kind));
        let wanted: Vec<_> = launches.map(|launch| launch.program).collect();
        match wanted.iter().find_map(|&program| scripts::missing(program, server.packages)) {
            Some(missing) => eprintln!("{} is left out: {missing}", server.name),
            None => present.push(server),
        }
        programs.extend(wanted);
    }
    programs.dedup();
    binaries(&programs)?;
    Ok(present)
}

/// Where the built program is, or the script's interpreter, and what comes before the address.
pub fn command(program: Program) -> Command {
    match program {
        Program::Peer(name) => Command::new(package().join("target/release").join(name)),
        Program::Node(name) | Program::Python(name) => {
            let mut command = scripts::interpreter(program);
            command.arg(package().join("src/peers").join(name));
            command
        }
    }
}

/// All binaries at once, with the features that the driver has: so nothing is built twice.
fn binaries(programs: &[Program]) -> Result<()> {
    let names = programs.iter().filter_map(|program| match program {
        Program::Peer(name) => Some(["--bin", name]),
        Program::Node(_) | Program::Python(_) => None,
    });
    let features: &[_] = if cfg!(feature = "peers") { &["--features", "peers"] } else { &[] };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release"])
        .args(names.flatten())
        .args(features)
        .arg("--manifest-path")
        .arg(package().join("Cargo.toml"))
        // Said here, so that no CARGO_TARGET_DIR puts the program where `command` does not look.
        .arg("--target-dir")
        .arg(package().join("target"))
        .status()
        .context("cargo does not start")?;
    ensure!(status.success(), "cargo build of the servers failed");
    Ok(())
}

/// The package of the library.
pub fn library() -> &'static Path {
    package().parent().expect("the package lies in a folder of the repository")
}

/// This package.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
