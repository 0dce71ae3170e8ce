//! Who is measured: the table of servers. A new peer is one file in `src/bin` and one row here.

/// A server program and how to talk to it.
#[derive(Debug)]
pub struct Server {
    /// As `--servers` and the report spell it.
    pub name: &'static str,
    /// What cargo builds for the echo workloads and for memory.
    pub program: Program,
    /// What it builds for fan-out: every message goes to everybody, the sender included.
    pub broadcast: Option<Program>,
    /// What it speaks on its port.
    pub protocol: Protocol,
    /// Arguments after the address.
    pub arguments: &'static [&'static str],
    /// The packages in `Cargo.lock` whose versions the report names.
    pub packages: &'static [&'static str],
}

/// Which package of the repository holds the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// An example of the library, in the folder above this one.
    Example(&'static str),
    /// A file of `src/bin`.
    Peer(&'static str),
}

/// What the generator sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// An opening handshake, then masked frames; unmasked frames come back.
    WebSocket,
    /// The same frames without a handshake, for a server that sends back the bytes it gets, mask and all.
    Raw,
}

/// What TCP alone costs; the report divides by it.
pub const RAW_TCP: &str = "raw_tcp";
/// The peer most users would come from; the report divides by it.
pub const AXUM: &str = "axum";

/// Every server, in the order in which they take turns.
pub const SERVERS: &[Server] = &[
    Server {
        name: RAW_TCP,
        program: Program::Peer("raw_tcp"),
        broadcast: None,
        protocol: Protocol::Raw,
        arguments: &[],
        packages: &["tokio"],
    },
    Server {
        name: AXUM,
        program: Program::Peer("axum"),
        broadcast: Some(Program::Peer("axum_broadcast")),
        protocol: Protocol::WebSocket,
        arguments: &[],
        packages: &["axum", "tokio-tungstenite", "tungstenite"],
    },
    Server {
        name: "gustnado",
        program: Program::Example("echo"),
        broadcast: Some(Program::Example("broadcast")),
        protocol: Protocol::WebSocket,
        arguments: &["--max-message-size", "16777216"],
        packages: &[],
    },
    // The same with a tap that nobody reads: what watching costs at its worst.
    Server {
        name: "gustnado_tapped",
        program: Program::Example("echo"),
        broadcast: None,
        protocol: Protocol::WebSocket,
        arguments: &["--max-message-size", "16777216", "--stalled-tap"],
        packages: &[],
    },
];
