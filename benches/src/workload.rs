//! What is asked of every server: the table of workloads.

use crate::server::{Protocol, Server};

/// One row of the table: a kind of load, the same for every server.
#[derive(Debug, Clone, Copy)]
pub enum Workload {
    /// Messages that come back.
    Echo(&'static Echo),
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

const fn echo(name: &'static str, payload: usize, in_flight: usize, connections: usize) -> Echo {
    Echo { name, payload, in_flight, connections }
}

impl Workload {
    /// Every workload, the echoes first.
    pub fn all() -> Vec<Self> {
        ECHOES.iter().map(Self::Echo).chain([Self::Memory]).collect()
    }

    /// As `--only` and the report spell it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Echo(echo) => echo.name,
            Self::Memory => MEMORY,
        }
    }

    /// Whether the figure would mean anything for this server.
    ///
    /// An idle raw connection has no WebSocket to remember, so its memory is no yardstick.
    pub fn suits(&self, server: &Server) -> bool {
        matches!(self, Self::Echo(_)) || server.protocol == Protocol::WebSocket
    }
}
