//! What a run is asked to do.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lexopt::Parser;
use lexopt::prelude::*;

use crate::server::{self, Server};
use crate::workload::{WORKLOADS, Workload};

/// One run of the driver.
#[derive(Debug)]
pub struct Options {
    /// How often everything is measured; the report shows medians.
    pub rounds: u32,
    /// How long one sample of echoes or fan-out takes, without its warm-up.
    pub window: Duration,
    /// In the order of the table, whatever the order of the arguments.
    pub workloads: Vec<Workload>,
    /// In the order of the table, too.
    pub servers: Vec<&'static Server>,
    /// The document whose figures are replaced by those of this run.
    pub write: Option<PathBuf>,
}

/// What `--help` prints.
pub fn help() -> String {
    let workloads: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
    let servers: Vec<_> = server::all().iter().map(|server| server.name).collect();
    format!(
        "Measures servers and prints a Markdown table.\n\n\
         --rounds N            samples of everything, whose medians are shown (3)\n\
         --seconds S           length of a sample, but for memory (0.6)\n\
         --only WORKLOAD,...   {}\n\
         --servers NAME,...    {}\n\
         --connections N       at most so many in any workload\n\
         --write FILE          put the table between the marks in this document\n\
         --smoke               one short round of everything: does it still work?\n",
        workloads.join(" "),
        servers.join(" "),
    )
}

impl Options {
    /// Reads the command line; `None` asks for [`help`].
    pub fn from_arguments() -> Result<Option<Self>> {
        let mut options = Self {
            rounds: 3,
            window: Duration::from_millis(600),
            workloads: WORKLOADS.to_vec(),
            servers: server::all(),
            write: None,
        };
        let mut connections = usize::MAX;
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("rounds") => options.rounds = number(&mut parser, "--rounds")?,
                Long("seconds") => {
                    let seconds = number(&mut parser, "--seconds")?;
                    options.window = Duration::try_from_secs_f64(seconds).context("--seconds")?;
                }
                Long("connections") => connections = number(&mut parser, "--connections")?,
                Long("only") => {
                    options.workloads = chosen(&mut parser, WORKLOADS.to_vec(), |workload| workload.name)?;
                }
                Long("servers") => {
                    options.servers = chosen(&mut parser, server::all(), |server| server.name)?;
                }
                Long("write") => options.write = Some(parser.value()?.into()),
                Long("smoke") => {
                    options.rounds = 1;
                    options.window = Duration::from_millis(300);
                    connections = 500;
                }
                Long("help") | Short('h') => return Ok(None),
                _ => return Err(argument.unexpected().into()),
            }
        }
        for workload in &mut options.workloads {
            workload.connections = workload.connections.min(connections);
        }
        ensure!(options.rounds > 0, "--rounds must be at least 1");
        ensure!(!options.window.is_zero(), "--seconds must be more than 0");
        ensure!(connections > 0, "--connections must be at least 1");
        Ok(Some(options))
    }
}

fn number<T>(parser: &mut Parser, option: &'static str) -> Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    parser.value()?.parse().context(option)
}

/// Those of `all` whose names stand in a list with commas.
fn chosen<T>(parser: &mut Parser, all: Vec<T>, name: impl Fn(&T) -> &'static str) -> Result<Vec<T>> {
    let list = parser.value()?.string()?;
    let wanted: Vec<&str> = list.split(',').collect();
    let known: Vec<_> = all.iter().map(&name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        anyhow::bail!("`{unknown}` is none of {}", known.join(" "));
    }
    Ok(all.into_iter().filter(|entry| wanted.contains(&name(entry))).collect())
}
