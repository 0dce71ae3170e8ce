//! What the figures belong to: machine, kernel, commit, versions.

use std::fs;
use std::process::Command;

use crate::build;
use crate::scripts;
use crate::server::{Packages, Server};

const LOCK: &str = include_str!("../Cargo.lock");

/// `unknown` where the system does not tell.
pub fn cpu_model() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    model.unwrap_or_else(unknown)
}

/// The release of the kernel.
pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| unknown(), |text| text.trim().to_owned())
}

/// The commit of the tree, and whether the tree differs from it.
pub fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return unknown();
    };
    match git(&["status", "--porcelain"]).as_deref() {
        Some("") => commit,
        _ => format!("{commit} and uncommitted changes"),
    }
}

/// `name version` of the packages that a server is made of.
pub fn versions(server: &Server) -> Vec<String> {
    match server.packages {
        Packages::Cargo(packages) => packages.iter().map(|package| locked(package)).collect(),
        Packages::Npm(_) | Packages::Pip(_) => {
            vec![scripts::version(server.packages).unwrap_or_else(unknown)]
        }
    }
}

/// As `Cargo.lock` pins it.
fn locked(package: &str) -> String {
    let entry = LOCK.split_once(&format!("name = \"{package}\"\nversion = \""));
    let version = entry.and_then(|(_, rest)| rest.split('"').next());
    format!("{package} {}", version.unwrap_or("unknown"))
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        // Without it `status` may write to the index while someone else commits.
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(build::library())
        .args(arguments)
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn unknown() -> String {
    "unknown".to_owned()
}
