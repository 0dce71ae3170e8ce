//! Who is measured: the table of servers. A new peer is one file in `src/peers` and one row here.

use crate::workload::Kind;

/// A server and its programs: what it cannot do has none.
#[derive(Debug)]
pub struct Server {
    /// As `--servers` and the report spell it.
    pub name: &'static str,
    /// What it speaks on its port.
    pub protocol: Protocol,
    /// Every message comes back. Also for memory, and for opening and closing.
    pub echo: Option<Launch>,
    /// Every message goes to everybody, the sender included.
    pub broadcast: Option<Launch>,
    /// The echo under TLS; the driver adds the files of the certificate and of its key to the arguments.
    pub tls: Option<Launch>,
    /// The echo, compressed if the client offers it, each message by itself.
    pub deflate: Option<Launch>,
    /// The same with what was sent before for a dictionary.
    pub deflate_takeover: Option<Launch>,
    /// Fan-out, compressed if the client offers it, each message by itself.
    pub deflate_broadcast: Option<Launch>,
    /// Whose versions the report names.
    pub packages: Packages,
}

/// A program and its arguments after the address.
#[derive(Debug, Clone, Copy)]
pub struct Launch {
    /// What runs.
    pub program: Program,
    /// After the address.
    pub arguments: &'static [&'static str],
}

/// Where a program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// A binary of this package, from `src/peers`.
    Peer(&'static str),
    /// A script in `src/peers` for node, which finds the package `ws` that the tests installed.
    Node(&'static str),
    /// A script in `src/peers` for Python, of the tests' environment where there is one.
    Python(&'static str),
}

/// Where the versions of a server's packages are written.
#[derive(Debug, Clone, Copy)]
pub enum Packages {
    /// In our `Cargo.lock`.
    Cargo(&'static [&'static str]),
    /// In the installed package of npm.
    Npm(&'static str),
    /// In the installed package of Python.
    Pip(&'static str),
}

/// What the generator sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// An opening handshake, then masked frames; unmasked frames come back.
    WebSocket,
    /// The same frames without a handshake, for a server that sends back the bytes it gets, mask and all.
    Raw,
    /// Events of Socket.IO in text frames, after the handshakes of Engine.IO and of a namespace.
    SocketIo,
}

/// What TCP alone costs; the report divides by it.
pub const RAW_TCP: &str = "raw_tcp";
/// The peer most users would come from; the report divides by it.
pub const AXUM: &str = "axum";
/// Ours.
pub const GUSTNADO: &str = "gustnado";

const NOTHING: Server = Server {
    name: "",
    protocol: Protocol::WebSocket,
    echo: None,
    broadcast: None,
    tls: None,
    deflate: None,
    deflate_takeover: None,
    deflate_broadcast: None,
    packages: Packages::Cargo(&[]),
};

const NODE: Program = Program::Node("node_ws.mjs");
const WEBSOCKETS: Program = Program::Python("python_websockets.py");
const TORNADO: Program = Program::Python("tornado_ws.py");
const BROADCAST: &[&str] = &["--broadcast"];

/// Those that are always there, in the order in which they take turns.
const OURS: &[Server] = &[
    Server {
        name: RAW_TCP,
        protocol: Protocol::Raw,
        echo: peer("raw_tcp"),
        packages: Packages::Cargo(&["tokio"]),
        ..NOTHING
    },
    Server {
        name: AXUM,
        echo: peer("axum"),
        broadcast: peer("axum_broadcast"),
        tls: peer("axum_tls"),
        packages: Packages::Cargo(&["axum", "tungstenite", "rustls"]),
        ..NOTHING
    },
    Server {
        name: GUSTNADO,
        echo: peer("gustnado"),
        broadcast: peer("gustnado_broadcast"),
        tls: peer("gustnado_tls"),
        deflate: launch(Program::Peer("gustnado"), &["--compression"]),
        deflate_takeover: launch(Program::Peer("gustnado"), &["--context-takeover"]),
        deflate_broadcast: launch(Program::Peer("gustnado_broadcast"), &["--compression"]),
        ..NOTHING
    },
    // The same with a tap that nobody reads: what watching costs at its worst.
    Server {
        name: "gustnado_tapped",
        echo: launch(Program::Peer("gustnado"), &["--stalled-tap"]),
        ..NOTHING
    },
];

/// What the feature `peers` builds, most of it of other projects, and what is not built.
const PEERS: &[Server] = &[
    // The same on an allocator that gives back what was freed.
    Server {
        name: "gustnado_jemalloc",
        echo: peer("gustnado_jemalloc"),
        packages: Packages::Cargo(&["tikv-jemallocator"]),
        ..NOTHING
    },
    Server {
        name: "tokio-tungstenite",
        echo: peer("tokio_tungstenite"),
        packages: Packages::Cargo(&["tokio-tungstenite"]),
        ..NOTHING
    },
    Server {
        name: "tokio-websockets",
        echo: peer("tokio_websockets"),
        broadcast: peer("tokio_websockets_broadcast"),
        packages: Packages::Cargo(&["tokio-websockets"]),
        ..NOTHING
    },
    Server {
        name: "fastwebsockets",
        echo: peer("fastwebsockets"),
        packages: Packages::Cargo(&["fastwebsockets"]),
        ..NOTHING
    },
    Server {
        name: "yawc",
        echo: peer("yawc"),
        deflate: peer("yawc"),
        deflate_takeover: peer("yawc"),
        packages: Packages::Cargo(&["yawc"]),
        ..NOTHING
    },
    Server {
        name: "actix-ws",
        echo: peer("actix_ws"),
        packages: Packages::Cargo(&["actix-web", "actix-ws"]),
        ..NOTHING
    },
    Server {
        name: "ezsockets",
        echo: peer("ezsockets"),
        packages: Packages::Cargo(&["ezsockets"]),
        ..NOTHING
    },
    Server {
        name: "socketioxide",
        protocol: Protocol::SocketIo,
        echo: peer("socketioxide"),
        packages: Packages::Cargo(&["socketioxide"]),
        ..NOTHING
    },
    Server {
        name: "node ws",
        echo: launch(NODE, &[]),
        broadcast: launch(NODE, BROADCAST),
        deflate: launch(NODE, &[]),
        deflate_takeover: launch(NODE, &[]),
        deflate_broadcast: launch(NODE, BROADCAST),
        packages: Packages::Npm("ws"),
        ..NOTHING
    },
    Server {
        name: "Python websockets",
        echo: launch(WEBSOCKETS, &[]),
        broadcast: launch(WEBSOCKETS, BROADCAST),
        deflate: launch(WEBSOCKETS, &[]),
        deflate_takeover: launch(WEBSOCKETS, &[]),
        packages: Packages::Pip("websockets"),
        ..NOTHING
    },
    Server {
        name: "Python tornado",
        echo: launch(TORNADO, &[]),
        broadcast: launch(TORNADO, BROADCAST),
        packages: Packages::Pip("tornado"),
        ..NOTHING
    },
];

/// Every server of this build, in the order in which they take turns.
pub fn all() -> Vec<&'static Server> {
    let peers = if cfg!(feature = "peers") { PEERS } else { &[] };
    OURS.iter().chain(peers).collect()
}

/// Whether it is a WebSocket server of another project.
pub fn is_peer(name: &str) -> bool {
    name != RAW_TCP && !name.starts_with(GUSTNADO)
}

impl Server {
    /// What to measure of this server; nothing where it cannot do it, or the figure would mean nothing.
    pub fn launch(&self, kind: Kind) -> Option<Launch> {
        match kind {
            Kind::Echo => self.echo,
            Kind::Tls => self.tls,
            Kind::Deflate => self.deflate,
            Kind::DeflateTakeover => self.deflate_takeover,
            Kind::Fanout => self.broadcast,
            Kind::DeflateFanout => self.deflate_broadcast,
            // A raw connection has no handshake, and no WebSocket to remember.
            Kind::Connect | Kind::Memory => self.echo.filter(|_| self.protocol != Protocol::Raw),
        }
    }
}

const fn peer(name: &'static str) -> Option<Launch> {
    launch(Program::Peer(name), &[])
}

const fn launch(program: Program, arguments: &'static [&'static str]) -> Option<Launch> {
    Some(Launch { program, arguments })
}
