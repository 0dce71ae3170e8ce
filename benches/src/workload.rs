//! What is asked of every server: the table of workloads.

/// One row of the table: a kind of load, the same for every server.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// As `--only` and the report spell it.
    pub name: &'static str,
    /// What is done.
    pub kind: Kind,
    /// What one message is.
    pub content: Content,
    /// Messages sent and not yet answered: of each connection, and in fan-out of the whole room.
    pub in_flight: usize,
    /// How many connections there are. In [`Kind::Connect`], how many are opened at a time.
    pub connections: usize,
}

/// What is done, and which of a server's programs it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Messages that come back.
    Echo,
    /// The same under TLS.
    Tls,
    /// The same, compressed, each message by itself.
    Deflate,
    /// The same, compressed, with what was sent before for a dictionary.
    DeflateTakeover,
    /// Messages that go to everybody.
    Fanout,
    /// The same, compressed, each message by itself.
    DeflateFanout,
    /// Connections that are opened and closed.
    Connect,
    /// Connections that are only held.
    Memory,
}

/// What one message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Bytes of a binary message. In Socket.IO, of the string that an event carries.
    Bytes(usize),
    /// A JSON document of 1 KiB in a compressed text message, one of 64 in turn.
    Json,
}

const KIB: usize = 1024;

/// Every workload, in the order in which they run and are reported.
pub const WORKLOADS: &[Workload] = &[
    echo("16Bx1", 16, 1, 100),
    echo("16Bx16", 16, 16, 100),
    echo("16Bx64", 16, 64, 100),
    echo("16Bx1c10000", 16, 1, 10_000),
    echo("1KiBx1", KIB, 1, 100),
    echo("1KiBx16", KIB, 16, 100),
    echo("64KiBx4", 64 * KIB, 4, 20),
    echo("1MiBx1", KIB * KIB, 1, 4),
    of_kind("tls16Bx1", Kind::Tls, Content::Bytes(16), 1),
    of_kind("tls1KiBx1", Kind::Tls, Content::Bytes(KIB), 1),
    of_kind("tls1KiBx16", Kind::Tls, Content::Bytes(KIB), 16),
    of_kind("deflate1KiBx16", Kind::Deflate, Content::Json, 16),
    of_kind("takeover1KiBx16", Kind::DeflateTakeover, Content::Json, 16),
    fanout("fanout1000x1", Kind::Fanout, Content::Bytes(128), 1, 1_000),
    fanout("fanout1000x8", Kind::Fanout, Content::Bytes(128), 8, 1_000),
    fanout("fanout10000x1", Kind::Fanout, Content::Bytes(128), 1, 10_000),
    fanout("fanout10000x8", Kind::Fanout, Content::Bytes(128), 8, 10_000),
    fanout("fanoutjson1000x8", Kind::Fanout, Content::Bytes(KIB), 8, 1_000),
    fanout("deflatefanout1000x8", Kind::DeflateFanout, Content::Json, 8, 1_000),
    Workload {
        name: "connect",
        kind: Kind::Connect,
        content: Content::Bytes(0),
        in_flight: 1,
        connections: 64,
    },
    Workload {
        name: "memory",
        kind: Kind::Memory,
        content: Content::Bytes(KIB),
        in_flight: 1,
        connections: 10_000,
    },
];

const fn echo(name: &'static str, payload: usize, in_flight: usize, connections: usize) -> Workload {
    Workload { name, kind: Kind::Echo, content: Content::Bytes(payload), in_flight, connections }
}

const fn of_kind(name: &'static str, kind: Kind, content: Content, in_flight: usize) -> Workload {
    Workload { name, kind, content, in_flight, connections: 100 }
}

const fn fanout(
    name: &'static str,
    kind: Kind,
    content: Content,
    in_flight: usize,
    connections: usize,
) -> Workload {
    Workload { name, kind, content, in_flight, connections }
}
