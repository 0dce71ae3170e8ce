//! One sample of an echo workload: a warm-up, then a window with the counters read at both ends.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::fanout::Room;
use crate::generator::Generator;
use crate::process::Process;
use crate::usage;
use crate::workload::{Echo, Fanout};

/// What one window showed.
#[derive(Debug, Clone, Copy)]
pub struct EchoSample {
    /// Microseconds of the server's CPU, user and system, per message.
    pub cpu_micros: f64,
    /// Messages per second of the clock on the wall.
    pub per_second: f64,
    /// Microseconds that half of the replies took at most, where one message is in flight.
    pub p50_micros: Option<f64>,
    /// The same for 99 of 100 replies.
    pub p99_micros: Option<f64>,
    /// The part of its core that the server used.
    pub server_share: f64,
    /// The part of its core that the generator used. Near 1 it may be the one who limits `per_second`.
    pub generator_share: f64,
}

/// Buffers have grown and the scheduler has settled after this; short runs need as much of it as long ones.
const WARM_UP: Duration = Duration::from_millis(200);

/// Loads a fresh server and measures for the length of `window`.
pub fn echo(process: &Process, echo: &Echo, window: Duration) -> Result<EchoSample> {
    let mut generator = Generator::start(process.address, process.protocol, echo)?;
    generator.run_until(Instant::now() + WARM_UP)?;
    generator.take_figures()?;

    let (began, server, own) = (Instant::now(), usage::cpu_time(process.pid)?, usage::own_cpu_time()?);
    generator.run_until(began + window)?;
    let (server, own) = (usage::cpu_time(process.pid)? - server, usage::own_cpu_time()? - own);
    let elapsed = began.elapsed().as_secs_f64();

    let figures = generator.take_figures()?;
    ensure!(!server.is_zero(), "the server's CPU clock stands still");
    let messages = figures.messages as f64;
    let quantile = |part| Some(micros(figures.latencies.as_ref()?.quantile(part)?));
    Ok(EchoSample {
        cpu_micros: micros(server) / messages,
        per_second: messages / elapsed,
        p50_micros: quantile(0.50),
        p99_micros: quantile(0.99),
        server_share: server.as_secs_f64() / elapsed,
        generator_share: own.as_secs_f64() / elapsed,
    })
}

/// What one window of fan-out showed.
#[derive(Debug, Clone, Copy)]
pub struct FanoutSample {
    /// Microseconds of the server's CPU, user and system, for one message to one member.
    pub cpu_micros: f64,
    /// Deliveries per second of the clock on the wall.
    pub per_second: f64,
    /// Microseconds from sending a message until everybody had it, in the mean.
    pub everybody_micros: f64,
    /// As of [`EchoSample`].
    pub server_share: f64,
    /// As of [`EchoSample`].
    pub generator_share: f64,
}

/// Fills a room on a fresh server and measures for the length of `window`.
pub fn fanout(process: &Process, fanout: &Fanout, window: Duration) -> Result<FanoutSample> {
    let mut room = Room::fill(process.address, process.protocol, fanout)?;
    room.run_until(Instant::now() + WARM_UP)?;
    room.take_deliveries();

    let (began, server, own) = (Instant::now(), usage::cpu_time(process.pid)?, usage::own_cpu_time()?);
    room.run_until(began + window)?;
    let (server, own) = (usage::cpu_time(process.pid)? - server, usage::own_cpu_time()? - own);
    let elapsed = began.elapsed().as_secs_f64();

    let deliveries = room.take_deliveries() as f64;
    ensure!(deliveries > 0.0, "nobody has got a message in the whole window");
    ensure!(!server.is_zero(), "the server's CPU clock stands still");
    let messages = deliveries / fanout.members as f64;
    Ok(FanoutSample {
        cpu_micros: micros(server) / deliveries,
        per_second: deliveries / elapsed,
        everybody_micros: elapsed * 1e6 / messages * fanout.in_flight as f64,
        server_share: server.as_secs_f64() / elapsed,
        generator_share: own.as_secs_f64() / elapsed,
    })
}

/// With their fraction.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
