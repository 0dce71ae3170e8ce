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
//! - Who may come in: [`Authenticate`] and [`Tickets`]; how many and how fast: [`Handler`] and [`RateLimit`].
//! - What it can count: [`Stats`] of a handler and [`Traffic`] of a connection.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod auth;
mod config;
mod conn;
mod connector;
mod handler;
mod hub;
mod panics;
mod protocol;
mod session;
mod stats;

pub use async_trait::async_trait;

pub use self::{
    auth::{Authenticate, FirstMessage, Identity, Source, Tickets, Token},
    config::{RateAction, RateLimit, SlowReader},
    conn::{Cause, Closed, ClosedBy, Conn, ConnId, Phase, RequestInfo, SendError},
    connector::{
        Connector, Disconnect, Factory, Handshake, Incoming, IntoConnector, InvalidHeader, MessageIo,
        MessageMode, PeerAddr, Reject,
    },
    handler::{Body, Handler, InvalidProxy, NoFallback, ProxyHeader, TrustProxy},
    hub::{
        ConnInfo, Counts, Hub, HubBuilder, JoinError, JoinRequest, Joined, Left, Page, Report, RoomInfo,
        Target,
    },
    protocol::{
        close::{CloseCode, CloseFrame, InvalidCloseCode},
        error::ProtocolError,
        handshake::HandshakeError,
        message::{Message, NotText},
        origin::InvalidOrigin,
        text::Text,
    },
    stats::{Stats, Traffic},
};
