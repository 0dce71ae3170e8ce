//! Starts one server at a time and ends it on every way out.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, Signal};

use crate::build;
use crate::connect::PATIENCE;
use crate::cores::Cores;
use crate::server::Launch;

/// The place of the one server that runs, shared with the thread that waits for signals.
#[derive(Debug, Clone)]
pub struct Processes {
    cores: Cores,
    running: Arc<Mutex<Option<Child>>>,
}

/// A server that listens. Dropping it ends the process.
#[derive(Debug)]
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    /// For [`usage`](crate::usage).
    pub pid: u32,
    processes: Processes,
}

impl Processes {
    /// From here on a signal that ends us ends the server first.
    ///
    /// Call it after other children, such as cargo, have gone: a child inherits that these signals are blocked.
    pub fn new(cores: Cores) -> Result<Self> {
        let processes = Self { cores, running: Arc::default() };
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        signals.thread_block()?;
        let on_signal = processes.clone();
        thread::spawn(move || {
            // Its one error is an invalid set of signals, and ending is right then, too.
            let signal = signals.wait().map_or("a signal", Signal::as_str);
            on_signal.end();
            eprintln!("ended by {signal}");
            std::process::exit(130);
        });
        Ok(processes)
    }

    /// Starts a server on a free port and its core, and waits until it listens; `files` are its last arguments.
    pub fn start(&self, launch: Launch, files: &[&Path]) -> Result<Process> {
        let mut command = build::command(launch.program);
        command
            .arg("127.0.0.1:0")
            .args(launch.arguments)
            .args(files)
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let (pid, output) = {
            // Held while it starts, so that no signal finds a process that is not in its place yet.
            let mut running = self.running();
            let mut child = self
                .cores
                .on_server_core(|| command.spawn())?
                .with_context(|| format!("starting {:?}", launch.program))?;
            let output = child.stdout.take().expect("its output is piped");
            (running.insert(child).id(), output)
        };
        // Before the address is known, so that a server which never tells it is ended too.
        let mut process = Process { address: SocketAddr::from(([0; 4], 0)), pid, processes: self.clone() };
        process.address = match announced(output).recv_timeout(PATIENCE) {
            Ok(address) => address.parse().with_context(|| format!("`{address}` is not an address"))?,
            Err(RecvTimeoutError::Timeout) => bail!("no line `listening on ADDRESS` within {PATIENCE:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended before it listened"),
        };
        Ok(process)
    }

    fn end(&self) {
        if let Some(mut child) = self.running().take() {
            // It fails only where the process is gone already, and then `wait` collects it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.processes.end();
    }
}

/// The address from the line `listening on ADDRESS`.
///
/// What the server prints after it is read and forgotten, for a full pipe would stop the server.
fn announced(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|length| length > 0) {
            if let Some(address) = line.trim_end().strip_prefix("listening on ") {
                let _ = sender.send(address.to_owned());
                break;
            }
            line.clear();
        }
        drop(sender);
        let _ = std::io::copy(&mut output, &mut std::io::sink());
    });
    receiver
}
