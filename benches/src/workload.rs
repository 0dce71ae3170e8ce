//! What is asked of every server: the table of workloads.

use crate::server::{Program, Protocol, Server};

/// One row of the table: a kind of load, the same for every server.
#[derive(Debug, Clone, Copy)]
pub enum Workload {
    /// Messages that come back.
    Echo(&'static Echo),
    /// Messages that go to everybody.
    Fanout(&'static Fanout),
    /// Connections that are only held.
    Memory,
}

/// Binary messages of one size, a fixed number of them in flight on every connection.
#[derive(Debug)]
pub struct Echo {
    /// As `--only` and the report spell it.
    pub name: &'static str,
    /// Bytes of payload per message.
    pub payload: usize,
    /// Messages sent and not yet answered, per connection.
    pub in_flight: usize,
    /// How many connections do so at a time.
    pub connections: usize,
}

/// Binary messages from one connection to all.
#[derive(Debug)]
pub struct Fanout {
    /// As `--only` and the report spell it.
    pub name: &'static str,
    /// Bytes of payload per message.
    pub payload: usize,
    /// Messages sent that not everybody has got yet.
    pub in_flight: usize,
    /// How many connections there are, the sender's included.
    pub members: usize,
}

/// The name of [`Workload::Memory`].
pub const MEMORY: &str = "memory";

/// Every echo workload, in the order in which they run and are reported.
pub const ECHOES: &[Echo] = &[
    echo("16Bx1", 16, 1, 100),
    echo("16Bx16", 16, 16, 100),
    echo("16Bx64", 16, 64, 100),
    echo("1KiBx1", 1024, 1, 100),
    echo("1KiBx16", 1024, 16, 100),
    echo("64KiBx4", 64 * 1024, 4, 20),
    echo("1MiBx1", 1024 * 1024, 1, 4),
];

/// Every fan-out workload, in the order in which they run and are reported.
pub const FANOUTS: &[Fanout] = &[
    fanout("fanout1000x1", 1, 1_000),
    fanout("fanout1000x8", 8, 1_000),
    fanout("fanout10000x1", 1, 10_000),
    fanout("fanout10000x8", 8, 10_000),
];

const fn fanout(name: &'static str, in_flight: usize, members: usize) -> Fanout {
    Fanout { name, payload: 128, in_flight, members }
}

const fn echo(name: &'static str, payload: usize, in_flight: usize, connections: usize) -> Echo {
    Echo { name, payload, in_flight, connections }
}

impl Workload {
    /// Every workload, the echoes first.
    pub fn all() -> Vec<Self> {
        let fanouts = FANOUTS.iter().map(Self::Fanout);
        ECHOES.iter().map(Self::Echo).chain(fanouts).chain([Self::Memory]).collect()
    }

    /// As `--only` and the report spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Echo(echo) => echo.name,
            Self::Fanout(fanout) => fanout.name,
            Self::Memory => MEMORY,
        }
    }

    /// What to measure of this server; nothing where the figure would mean nothing.
    ///
    /// An idle raw connection has no WebSocket to remember, so its memory is no yardstick.
    pub fn program(&self, server: &Server) -> Option<Program> {
        match self {
            Self::Echo(_) => Some(server.program),
            Self::Fanout(_) => server.broadcast,
            Self::Memory => (server.protocol == Protocol::WebSocket).then_some(server.program),
        }
    }
}
