//! One sample: a warm-up, then a window with the counters read at both ends.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::churn::Churn;
use crate::compressed;
use crate::dialect::Dialect;
use crate::fanout::Room;
use crate::generator::{Figures, Generator};
use crate::process::Process;
use crate::usage;
use crate::workload::{Kind, Workload};

/// What one window showed. A message is an echo, one message at one member, or a connection that came and went.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Microseconds of the server's CPU, user and system, per message.
    pub cpu_micros: f64,
    /// Messages per second of the clock on the wall.
    pub per_second: f64,
    /// Microseconds that half of the messages took at most.
    pub p50_micros: f64,
    /// The same for 99 of 100.
    pub p99_micros: f64,
    /// The part of its core that the server used.
    pub server_share: f64,
    /// The part of its core that the generator used. Near 1 it may be the one who limits `per_second`.
    pub generator_share: f64,
}

/// Buffers have grown and the scheduler has settled after this; short runs need as much of it as long ones.
const WARM_UP: Duration = Duration::from_millis(200);

/// What makes the load of one kind of workload.
enum Load {
    Echo(Generator),
    Fanout(Room),
    Connect(Churn),
}

/// Loads a fresh server and measures for the length of `window`.
pub fn sample(process: &Process, dialect: &Dialect, workload: &Workload, window: Duration) -> Result<Sample> {
    if dialect.deflate.is_some() {
        compressed::verify(process.address, dialect)?;
    }
    let mut load = match workload.kind {
        Kind::Fanout | Kind::DeflateFanout => Load::Fanout(Room::fill(process.address, dialect, workload)?),
        Kind::Connect => Load::Connect(Churn::start(process.address, dialect, workload)?),
        _ => Load::Echo(Generator::start(process.address, dialect, workload)?),
    };
    load.run_until(Instant::now() + WARM_UP)?;
    // What starves so early tells nothing: the largest rooms take longer for their first message.
    let _ = load.take_figures();

    let (began, server, own) = (Instant::now(), usage::cpu_time(process.pid)?, usage::own_cpu_time()?);
    load.run_until(began + window)?;
    let (server, own) = (usage::cpu_time(process.pid)? - server, usage::own_cpu_time()? - own);
    let elapsed = began.elapsed().as_secs_f64();

    let figures = load.take_figures()?;
    ensure!(!server.is_zero(), "the server's CPU clock stands still");
    let messages = figures.messages as f64;
    let quantile = |part| figures.latencies.quantile(part).map_or(f64::NAN, micros);
    Ok(Sample {
        cpu_micros: micros(server) / messages,
        per_second: messages / elapsed,
        p50_micros: quantile(0.50),
        p99_micros: quantile(0.99),
        server_share: server.as_secs_f64() / elapsed,
        generator_share: own.as_secs_f64() / elapsed,
    })
}

impl Load {
    fn run_until(&mut self, end: Instant) -> Result<()> {
        match self {
            Self::Echo(generator) => generator.run_until(end),
            Self::Fanout(room) => room.run_until(end),
            Self::Connect(churn) => churn.run_until(end),
        }
    }

    fn take_figures(&mut self) -> Result<Figures> {
        match self {
            Self::Echo(generator) => generator.take_figures(),
            Self::Fanout(room) => room.take_figures(),
            Self::Connect(churn) => churn.take_figures(),
        }
    }
}

/// With their fraction.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
