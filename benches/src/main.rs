//! Measures what a message costs gustnado and its peers, and prints one Markdown report.
//!
//! In order of reading: [`workload`] and [`server`] are the two tables of what is measured, [`measure`] takes one
//! sample, [`generator`], [`fanout`] and [`churn`] make the load, [`report`] prints the medians. `README.md` tells how
//! to read them.

mod build;
mod certificate;
mod churn;
mod compressed;
mod connect;
mod cores;
mod dialect;
mod fanout;
mod frames;
mod generator;
mod histogram;
mod machine;
mod measure;
mod memory;
mod options;
mod process;
mod replies;
mod report;
mod samples;
mod scripts;
mod server;
mod stream;
mod targets;
mod usage;
mod wire;
mod workload;

use anyhow::{Context, Result, bail};

use crate::certificate::Certificate;
use crate::cores::Cores;
use crate::dialect::Dialect;
use crate::options::Options;
use crate::process::Processes;
use crate::samples::Samples;
use crate::server::{Launch, Server};
use crate::workload::{Kind, Workload};

fn main() -> Result<()> {
    let Some(mut options) = Options::from_arguments().context("see --help")? else {
        print!("{}", options::help());
        return Ok(());
    };
    if cfg!(debug_assertions) {
        bail!("an unoptimised generator would measure itself: run with --release");
    }
    options.servers = build::servers(&options.servers, &options.workloads)?;
    usage::raise_descriptor_limit()?;
    let certificate = Certificate::create(&build::package().join("target/tls"))?;
    let cores = Cores::choose()?;
    let run = Run { options: &options, processes: Processes::new(cores)?, certificate };
    cores.pin_generator()?;

    let mut samples = Samples::default();
    for round in 1..=options.rounds {
        for workload in &options.workloads {
            for server in &options.servers {
                let Some(launch) = server.launch(workload.kind) else { continue };
                eprintln!("round {round} of {}: {} {}", options.rounds, workload.name, server.name);
                let sampled = run
                    .sample(workload, server, launch, &mut samples)
                    .with_context(|| format!("{} with {}", workload.name, server.name));
                match sampled {
                    // Not every peer answers ten thousand connections within the window.
                    Err(error) if server::is_peer(server.name) => eprintln!("left out: {error:#}"),
                    sampled => sampled?,
                }
            }
        }
    }
    let report = report::markdown(&options, &samples);
    match &options.write {
        Some(path) => report::write(path, &report),
        None => {
            print!("{report}");
            Ok(())
        }
    }
}

/// What all samples of a run have in common.
struct Run<'a> {
    options: &'a Options,
    processes: Processes,
    certificate: Certificate,
}

impl Run<'_> {
    /// Measures a fresh process once, for an old one carries the memory of the workload before.
    fn sample(
        &self,
        workload: &Workload,
        server: &'static Server,
        launch: Launch,
        samples: &mut Samples,
    ) -> Result<()> {
        let Certificate { certificate, key, trust } = &self.certificate;
        let dialect = Dialect::new(server.protocol, workload.kind, workload.content, trust);
        let files: &[_] = if dialect.tls.is_some() { &[certificate.as_path(), key.as_path()] } else { &[] };
        let process = self.processes.start(launch, files)?;
        if workload.kind == Kind::Memory {
            let sample = memory::idle(&process, &dialect, workload.connections)?;
            samples.memory.add(workload.name, server.name, sample);
        } else {
            let sample = measure::sample(&process, &dialect, workload, self.options.window)?;
            samples.load.add(workload.name, server.name, sample);
        }
        Ok(())
    }
}
