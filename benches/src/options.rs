//! What a run is asked to do.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lexopt::Parser;
use lexopt::prelude::*;

use crate::server::{SERVERS, Server};
use crate::workload::Workload;

/// One run of the driver.
#[derive(Debug)]
pub struct Options {
    /// How often everything is measured; the report shows medians.
    pub rounds: u32,
    /// How long one sample of echoes or fan-out takes, without its warm-up.
    pub window: Duration,
    /// Connections of the memory workload.
    pub idle_connections: usize,
    /// In the order of the table, whatever the order of the arguments.
    pub workloads: Vec<Workload>,
    /// In the order of the table, too.
    pub servers: Vec<&'static Server>,
}

/// What `--help` prints.
pub fn help() -> String {
    let workloads: Vec<_> = Workload::all().iter().map(Workload::name).collect();
    let servers: Vec<_> = SERVERS.iter().map(|server| server.name).collect();
    format!(
        "Measures servers and prints a Markdown table.\n\n\
         --rounds N            samples of everything, whose medians are shown (5)\n\
         --seconds S           length of a sample of echoes or fan-out (2)\n\
         --only WORKLOAD,...   {}\n\
         --servers NAME,...    {}\n\
         --memory-only         the same as --only memory\n\
         --idle-connections N  connections of the memory workload (10000)\n\
         --smoke               one short round of everything: does it still work?\n",
        workloads.join(" "),
        servers.join(" "),
    )
}

impl Options {
    /// Reads the command line; `None` asks for [`help`].
    pub fn from_arguments() -> Result<Option<Self>> {
        let mut options = Self {
            rounds: 5,
            window: Duration::from_secs(2),
            idle_connections: 10_000,
            workloads: Workload::all(),
            servers: SERVERS.iter().collect(),
        };
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("rounds") => options.rounds = number(&mut parser, "--rounds")?,
                Long("seconds") => {
                    let seconds = number(&mut parser, "--seconds")?;
                    options.window = Duration::try_from_secs_f64(seconds).context("--seconds")?;
                }
                Long("idle-connections") => {
                    options.idle_connections = number(&mut parser, "--idle-connections")?
                }
                Long("only") => options.workloads = chosen(&mut parser, Workload::all(), Workload::name)?,
                Long("memory-only") => options.workloads = vec![Workload::Memory],
                Long("servers") => {
                    options.servers = chosen(&mut parser, SERVERS.iter().collect(), |server| server.name)?;
                }
                Long("smoke") => {
                    options.rounds = 1;
                    options.window = Duration::from_millis(300);
                    options.idle_connections = 500;
                }
                Long("help") | Short('h') => return Ok(None),
                _ => return Err(argument.unexpected().into()),
            }
        }
        ensure!(options.rounds > 0, "--rounds must be at least 1");
        ensure!(!options.window.is_zero(), "--seconds must be more than 0");
        ensure!(options.idle_connections > 0, "--idle-connections must be at least 1");
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
