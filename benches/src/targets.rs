//! What we want to reach: the table of targets, and where a run stands.

use std::fmt::Write;

use crate::report::figure;
use crate::samples::Samples;
use crate::server::{AXUM, GUSTNADO, RAW_TCP, is_peer};

/// One thing to reach: our figure, or its multiple of another's, at most so much.
struct Target {
    workload: &'static str,
    measure: Measure,
    at_most: f64,
}

/// What is compared.
#[derive(Clone, Copy)]
enum Measure {
    /// CPU µs per message.
    Cpu,
    /// CPU per message as a multiple of this server's.
    CpuOf(&'static str),
    /// CPU per message as a multiple of ours in another workload.
    CpuUnder(&'static str),
    /// CPU per message as a multiple of the cheapest peer's.
    CpuOfBest,
    /// The 99th percentile of the latency as a multiple of the lowest of a peer.
    P99OfBest,
    /// Bytes of an idle connection.
    Idle,
    /// Bytes of one that has echoed 1 KiB.
    AfterEcho,
    /// Bytes of one that has gone.
    AfterClose,
    /// Bytes of an idle connection as a multiple of the smallest of a peer.
    IdleOfBest,
}

use Measure::{AfterClose, AfterEcho, Cpu, CpuOf, CpuOfBest, CpuUnder, Idle, IdleOfBest, P99OfBest};

const TARGETS: &[Target] = &[
    target("16Bx1", CpuOf(RAW_TCP), 1.10),
    target("16Bx1", CpuOf(AXUM), 0.5),
    target("16Bx1c10000", CpuOf(RAW_TCP), 1.10),
    target("16Bx1c10000", CpuOf(AXUM), 0.5),
    target("16Bx64", Cpu, 0.14),
    target("16Bx64", CpuOf(RAW_TCP), 1.7),
    target("16Bx64", CpuOf(AXUM), 1.0 / 25.0),
    target("1KiBx16", CpuOf(RAW_TCP), 1.2),
    target("64KiBx4", CpuOf(RAW_TCP), 1.0),
    target("1MiBx1", CpuOf(RAW_TCP), 0.7),
    target("1MiBx1", CpuOfBest, 1.0),
    target("fanout1000x1", CpuOf(AXUM), 1.0 / 1.25),
    target("fanout10000x1", CpuOf(AXUM), 1.0 / 1.25),
    target("fanout1000x8", CpuOf(AXUM), 1.0 / 5.0),
    target("fanout10000x8", CpuOf(AXUM), 1.0 / 5.0),
    target("fanout1000x1", P99OfBest, 1.0),
    target("fanout1000x8", P99OfBest, 1.0),
    target("fanout10000x1", P99OfBest, 1.0),
    target("fanout10000x8", P99OfBest, 1.0),
    target("deflate1KiBx16", Cpu, 12.0),
    target("takeover1KiBx16", Cpu, 25.0),
    target("deflatefanout1000x8", CpuUnder("fanoutjson1000x8"), 1.3),
    target("connect", Cpu, 45.0),
    target("connect", CpuOf(AXUM), 0.5),
    target("memory", Idle, 2048.0),
    target("memory", AfterEcho, 2048.0),
    target("memory", AfterClose, 200.0),
    target("memory", IdleOfBest, 1.0),
];

const fn target(workload: &'static str, measure: Measure, at_most: f64) -> Target {
    Target { workload, measure, at_most }
}

/// The table of those targets that this run has measured.
pub fn markdown(samples: &Samples) -> String {
    let mut text = "| workload | our | target: at most | this run | |\n|---|---|---|---|---|\n".to_owned();
    for target in TARGETS {
        let Some(value) = target.value(samples) else { continue };
        _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            target.workload,
            target.measure.words(),
            figure(target.at_most),
            figure(value),
            if value <= target.at_most { "reached" } else { "missed" },
        );
    }
    text
}

impl Target {
    fn value(&self, samples: &Samples) -> Option<f64> {
        let ours = (self.workload, GUSTNADO);
        let load = samples.load.get(self.workload, GUSTNADO);
        let memory = samples.memory.get(self.workload, GUSTNADO);
        Some(match self.measure {
            Cpu => load?.median(|sample| sample.cpu_micros),
            CpuOf(server) => samples.load.ratio(ours, (self.workload, server), |sample| sample.cpu_micros)?,
            CpuUnder(workload) => {
                samples.load.ratio(ours, (workload, GUSTNADO), |sample| sample.cpu_micros)?
            }
            CpuOfBest => {
                let peers = samples.load.of(self.workload).filter(|row| is_peer(row.server));
                let best = least(peers.map(|row| row.median(|sample| sample.cpu_micros)))?;
                load?.median(|sample| sample.cpu_micros) / best
            }
            P99OfBest => {
                let peers = samples.load.of(self.workload).filter(|row| is_peer(row.server));
                let best = least(peers.map(|row| row.median(|sample| sample.p99_micros)))?;
                load?.median(|sample| sample.p99_micros) / best
            }
            Idle => memory?.median(|sample| sample.idle),
            AfterEcho => memory?.median(|sample| sample.after_echo),
            AfterClose => memory?.median(|sample| sample.after_close),
            IdleOfBest => {
                let peers = samples.memory.of(self.workload).filter(|row| is_peer(row.server));
                memory?.median(|sample| sample.idle)
                    / least(peers.map(|row| row.median(|sample| sample.idle)))?
            }
        })
    }
}

impl Measure {
    fn words(self) -> String {
        match self {
            Cpu => "CPU µs per message".to_owned(),
            CpuOf(server) => format!("CPU per message ÷ {server}"),
            CpuUnder(workload) => format!("CPU per message ÷ `{workload}`"),
            CpuOfBest => "CPU per message ÷ best peer".to_owned(),
            P99OfBest => "p99 ÷ best peer".to_owned(),
            Idle => "bytes, idle".to_owned(),
            AfterEcho => "bytes, after 1 KiB".to_owned(),
            AfterClose => "bytes, after closing".to_owned(),
            IdleOfBest => "bytes, idle ÷ best peer".to_owned(),
        }
    }
}

fn least(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::min)
}
