//! Tornado-style WebSockets for servers on tokio, hyper and tower.
//!
//! Implement [`Connector`], build a [`Handler`] that makes one per connection, and mount it as a tower service in
//! the application you have: axum, bare hyper, or anything between.
//!
//! ```no_run
//! use gustnado::{async_trait, Conn, Connector, Disconnect, Handler, Message};
//!
//! struct Echo;
//!
//! #[async_trait]
//! impl Connector for Echo {
//!     async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
//!         conn.send(message).await?;
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let app = axum::Router::new().route_service("/ws", Handler::new(|| Echo));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await
//! # }
//! ```
//!
//! - What an application writes: [`Connector`] with [`Handshake`] and [`Reject`] before the connection is open,
//!   [`Conn`], [`Message`] and [`Disconnect`] while it is, [`Closed`] and [`Cause`] after.
//! - What it mounts: [`Handler`], which has every knob and the table of their defaults. Without callbacks:
//!   [`Handler::stream`] with [`Incoming`] and [`MessageIo`].
//! - Every connection, and whom to send to: [`Hub`], with rooms, users, [`Target`], [`Tap`] and [`Shutdown`].
//! - Code around any connector: [`middleware`]. Connections without a type of their own: [`Handler::builder`].
//! - Knobs from a file or the environment: `settings`, with the feature `config`.
//! - Compressed messages, for clients that offer it: `Compression`, with the feature `deflate`.
//! - Messages with a name, as JSON or MessagePack, to typed handlers: [`commands`] (feature `commands`, on by default).
//! - A client of them, which comes back and misses nothing unsaid: `client`, with the feature of that name.
//! - Who may come in: [`Authenticate`] and [`Tickets`]; how many and how fast: [`Handler`] and [`RateLimit`].
//! - A server for those who do not bring their own, with deadlines from accept on: [`serve()`].
//! - A page for operators, and the same as a JSON API: `admin`, with the feature of that name.
//! - Several nodes: [`HubBuilder::adapter`] with an [`adapter`], [`Everywhere`], [`Publisher`]; who is where:
//!   [`Hub::presence`].
//! - Rooms from which nobody misses a message without being told: [`HubBuilder::history`], [`Conn::join_from`], [`Lost`].
//! - Tests of connectors, in memory and without waiting: `testing`, with the feature of that name.
//! - What it can count: [`Stats`] of a handler, [`Traffic`] of a connection, [`HubStats`] of a hub; for Prometheus with
//!   the feature `metrics`.
//!
//! Section numbers (§5.5.1) are those of [RFC 6455](https://www.rfc-editor.org/rfc/rfc6455).
//!
//! # Logs
//!
//! By [`tracing`], target `gustnado`. Each connection is a span `connection` with `id`, `peer` and `protocol`, in
//! which its callbacks run from `on_open` on. Its end is one event `closed`, with all that [`Closed`] knows: `INFO`, or
//! `ERROR` when a callback failed or panicked. A refused request is one event `refused` with its `status`: `DEBUG`, or
//! `ERROR` when an error or a panic of the application was the reason. Paths, queries, headers and payloads are not
//! logged, and in what a peer chose line breaks and control characters are escaped.
//!
//! # What it runs on
//!
//! A tokio runtime with time enabled, and an HTTP server of hyper 1 that hands connections over: axum does, bare
//! hyper with `with_upgrades`. HTTP/2 needs `enable_connect_protocol` at the server. [`serve()`] has all of it.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod adapter;
#[cfg(feature = "admin")]
pub mod admin;
mod auth;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "commands")]
pub mod commands;
#[cfg(feature = "deflate")]
mod compression;
mod config;
mod conn;
mod connector;
mod handler;
mod hub;
#[cfg(feature = "metrics")]
mod metrics;
mod panics;
mod protocol;
mod random;
mod serve;
mod session;
#[cfg(feature = "config")]
pub mod settings;
mod stats;
#[cfg(feature = "testing")]
pub mod testing;

/// The code of the README, compiled with the doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The code of the guide, compiled with the doctests: a chapter each.
#[cfg(all(
    doctest,
    feature = "client",
    feature = "metrics",
    feature = "nats",
    feature = "redis",
    feature = "types"
))]
mod guide {
    #[doc = include_str!("../docs/guide/first-server.md")]
    struct FirstServer;
    #[doc = include_str!("../docs/guide/life-of-a-connection.md")]
    struct LifeOfAConnection;
    #[doc = include_str!("../docs/guide/rooms-and-users.md")]
    struct RoomsAndUsers;
    #[doc = include_str!("../docs/guide/commands.md")]
    struct Commands;
    #[doc = include_str!("../docs/guide/recovery.md")]
    struct Recovery;
    #[doc = include_str!("../docs/guide/several-nodes.md")]
    struct SeveralNodes;
    #[doc = include_str!("../docs/guide/authentication.md")]
    struct Authentication;
    #[doc = include_str!("../docs/guide/limits.md")]
    struct Limits;
    #[doc = include_str!("../docs/guide/performance-and-memory.md")]
    struct PerformanceAndMemory;
    #[doc = include_str!("../docs/guide/testing.md")]
    struct Testing;
    #[doc = include_str!("../docs/guide/deployment.md")]
    struct Deployment;
    #[doc = include_str!("../docs/guide/observability.md")]
    struct Observability;
    #[doc = include_str!("../docs/guide/security.md")]
    struct Security;
    #[doc = include_str!("../docs/guide/coming-from.md")]
    struct ComingFrom;
}

pub use async_trait::async_trait;

#[cfg(feature = "deflate")]
pub use self::protocol::deflate::Compression;
pub use self::{
    auth::{Authenticate, FirstMessage, Identity, Source, Tickets, Token},
    config::{RateAction, RateLimit, SlowReader},
    conn::{Cause, Closed, ClosedBy, Conn, ConnId, InvalidConnId, Phase, RequestInfo, SendError},
    connector::{
        Connector, Disconnect, Echo, Factory, Handshake, Incoming, IntoConnector, InvalidHeader, Log,
        MessageIo, MessageMode, PeerAddr, Reject, middleware,
    },
    handler::{Body, Events, Handler, InvalidProxy, NoFallback, ProxyHeader, TrustProxy},
    hub::{
        Affected, ClusterStats, ConnInfo, Counts, Entered, Event, EventKind, Everywhere, FanOut, Gathered,
        HistoryStats, Hub, HubBuilder, HubStats, JoinError, JoinRequest, Joined, Left, Lost, Page, Present,
        Preview, Publication, PublishError, Publisher, Remote, Report, RoomInfo, Shutdown, ShutdownReport,
        Tap, TapEverywhere, TapFilter, Target,
    },
    protocol::{
        close::{CloseCode, CloseFrame, InvalidCloseCode},
        error::ProtocolError,
        handshake::HandshakeError,
        message::{Message, NotText},
        origin::InvalidOrigin,
        text::Text,
    },
    serve::{Listener, Plain, Serve, ServeReport, serve},
    stats::{Stats, Traffic},
};
