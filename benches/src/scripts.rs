//! Servers that are scripts: their interpreters, and whether all that they need is there.

use std::path::PathBuf;
use std::process::Command;

use crate::build;
use crate::server::{Packages, Program};

/// What runs the script: of Python the tests' environment, where `scripts/install` has made one.
pub fn interpreter(program: Program) -> Command {
    if let Program::Node(_) = program {
        let mut node = Command::new("node");
        node.env("NODE_WS", node_ws());
        return node;
    }
    let environment = build::library().join("target/venv/bin/python");
    Command::new(if environment.exists() { environment } else { PathBuf::from("python3") })
}

/// Why this program cannot run here; nothing where it can, or is none of ours to look for.
pub fn missing(program: Program, packages: Packages) -> Option<String> {
    match program {
        Program::Peer(_) => None,
        Program::Node(_) | Program::Python(_) if version(packages).is_some() => None,
        Program::Node(_) => Some("node or its package ws is missing; scripts/install brings both".to_owned()),
        Program::Python(_) => Some(format!("Python or its package is missing: {packages:?}")),
    }
}

/// `name version` of an installed package.
pub fn version(packages: Packages) -> Option<String> {
    let (mut command, name) = match packages {
        Packages::Cargo(_) => return None,
        Packages::Npm(name) => {
            let mut node = interpreter(Program::Node(""));
            node.args([
                "-p",
                "`${require(process.env.NODE_WS + '/package.json').version} (node ${process.versions.node})`",
            ]);
            (node, name)
        }
        Packages::Pip(name) => {
            let mut python = interpreter(Program::Python(""));
            let script = "import sys, platform, importlib.metadata as m; \
                          print(m.version(sys.argv[1]), f'(Python {platform.python_version()})')";
            python.args(["-c", script, name]);
            (python, name)
        }
    };
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(format!("{name} {}", String::from_utf8_lossy(&output.stdout).trim()))
}

fn node_ws() -> PathBuf {
    build::library().join("tests/clients/node_modules/ws")
}
