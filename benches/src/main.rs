//! Measures what a message costs gustnado and its peers, and prints one Markdown table.
//!
//! In order of reading: [`workload`] and [`server`] are the two tables of what is measured, [`measure`] takes one
//! sample, [`generator`] makes the load, [`report`] prints the medians. `README.md` tells how to read them.

mod build;
mod connect;
mod cores;
mod fanout;
mod generator;
mod histogram;
mod machine;
mod measure;
mod memory;
mod options;
mod process;
mod replies;
mod report;
mod server;
mod usage;
mod wire;
mod workload;

use anyhow::{Context, Result, bail};

use crate::cores::Cores;
use crate::options::Options;
use crate::process::{Process, Processes};
use crate::report::Report;
use crate::server::Server;
use crate::workload::Workload;

fn main() -> Result<()> {
    let Some(options) = Options::from_arguments().context("see --help")? else {
        print!("{}", options::help());
        return Ok(());
    };
    if cfg!(debug_assertions) {
        bail!("an unoptimised generator would measure itself: run with --release");
    }
    build::servers(&options.servers)?;
    usage::raise_descriptor_limit()?;
    let cores = Cores::choose()?;
    let processes = Processes::new(cores)?;
    cores.pin_generator()?;

    let mut report = Report::new(&options);
    for round in 1..=options.rounds {
        for workload in &options.workloads {
            for server in &options.servers {
                let Some(program) = workload.program(server) else { continue };
                eprintln!("round {round} of {}: {} {}", options.rounds, workload.name(), server.name);
                let process = processes.start(server, program)?;
                sample(&process, &options, workload, server, &mut report)
                    .with_context(|| format!("{} with {}", workload.name(), server.name))?;
            }
        }
    }
    print!("{}", report.markdown());
    Ok(())
}

/// Measures a fresh process once, for an old one carries the memory of the workload before.
fn sample(
    process: &Process,
    options: &Options,
    workload: &Workload,
    server: &Server,
    report: &mut Report,
) -> Result<()> {
    match workload {
        Workload::Echo(echo) => report.add_echo(echo, server, measure::echo(process, echo, options.window)?),
        Workload::Fanout(fanout) => {
            report.add_fanout(fanout, server, measure::fanout(process, fanout, options.window)?);
        }
        Workload::Memory => report.add_memory(server, memory::idle(process, options.idle_connections)?),
    }
    Ok(())
}
