//! [`Closed`]: how a connection ended, and [`Cause`]: what went wrong if something did.

use std::{error::Error, io, sync::Arc};

use crate::{
    protocol::{
        close::{CloseCode, InvalidCloseCode},
        error::ProtocolError,
        text::Text,
    },
    stats::Traffic,
};

/// How a connection ended: given to [`Connector::on_close`](crate::Connector::on_close), and by
/// [`Conn::closed`](crate::Conn::closed) to whoever waits for it.
#[derive(Debug, Clone)]
pub struct Closed {
    pub(crate) by: ClosedBy,
    pub(crate) phase: Phase,
    pub(crate) code: CloseCode,
    pub(crate) reason: Text,
    pub(crate) was_clean: bool,
    pub(crate) cause: Option<Arc<Cause>>,
    pub(crate) traffic: Traffic,
}

/// Who ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// This side sent the first close frame, or gave the connection up.
    Local,
    /// The peer sent the first close frame.
    Peer,
    /// Nobody said anything: the transport broke.
    Transport,
}

/// How far a connection had come when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The request was accepted, but the answer never got through: `on_open` was not called.
    Opening,
    /// Messages could go both ways.
    Open,
    /// One side had sent a close frame (§7.1.2).
    Closing,
}

/// What went wrong with a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The HTTP server did not hand the connection over: the peer left before the answer was written, or hyper
    /// serves without `with_upgrades`.
    #[error("the connection was not upgraded")]
    NotUpgraded(#[source] Box<dyn Error + Send + Sync>),
    /// The HTTP server did not hand the connection over within the handshake timeout: the peer does not take the
    /// answer, or an outer layer has put another one in its place.
    #[error("the opening handshake timed out")]
    HandshakeTimeout,
    /// The peer broke the protocol, or a limit on what it may send.
    #[error("the peer broke the protocol")]
    Protocol(#[source] ProtocolError),
    /// Reading or writing failed.
    #[error("the transport failed")]
    Transport(#[source] io::Error),
    /// The transport ended without a close frame.
    #[error("the peer vanished without a close frame")]
    Eof,
    /// Not one byte came for the pong timeout.
    #[error("the peer is not heard any more")]
    PongTimeout,
    /// The closing handshake was not finished within the close timeout.
    #[error("the closing handshake timed out")]
    CloseTimeout,
    /// The outbox overflowed, and the handler's choice is to disconnect.
    #[error("the peer reads too slowly")]
    SlowReader,
    /// The peer sent more than its rate limit allows, and the choice is to close.
    #[error("the peer sends too much")]
    RateLimited,
    /// `on_connect` has named a user who has as many connections as
    /// [one user may](crate::Handler::max_connections_per_user).
    #[error("the user has too many connections")]
    TooManyOfUser,
    /// The credential, or the time to show one, has expired.
    #[error("the credential has expired")]
    Expired,
    /// A callback returned an error; its text was not sent to the peer.
    #[error("a callback failed")]
    Callback(#[source] Box<dyn Error + Send + Sync>),
    /// A callback chose a close code that may not travel; 1011 was sent in its place.
    #[error("a callback chose a close code that may not be sent")]
    InvalidCloseCode(#[source] InvalidCloseCode),
    /// A callback panicked.
    #[error("a callback panicked")]
    Panic,
    /// The hub was [shut down](crate::Hub::shutdown), before the handshake was answered, or so long ago that its
    /// deadline has come.
    #[error("the hub was shut down")]
    Shutdown,
    /// The runtime dropped the connection's task, so that `on_close` could not be called.
    #[error("the connection's task was dropped")]
    Dropped,
}

impl Closed {
    /// Who ended the connection.
    pub fn by(&self) -> ClosedBy {
        self.by
    }

    /// How far the connection had come. A clean end is always in [`Phase::Closing`].
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The code of the close frame that began the closing handshake: 1005 when it had none, 1006 when there was
    /// no close frame at all.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason in that close frame. A peer chose it: treat it as user input.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether both sides sent a close frame.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }

    /// What went wrong; `None` when one side closed because it wanted to.
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_deref()
    }

    /// What went over the connection.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// One word for why it ended, fit for the label of a metric: that of the [cause](Cause::label), or `peer` or `local`,
    /// who closed because it wanted to.
    pub fn label(&self) -> &'static str {
        match (self.cause(), self.by) {
            (Some(cause), _) => cause.label(),
            (None, ClosedBy::Peer) => "peer",
            (None, ClosedBy::Local) => "local",
            (None, ClosedBy::Transport) => "transport",
        }
    }
}

impl Cause {
    /// One word for it, in lower case.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NotUpgraded(_) => "not_upgraded",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::Protocol(_) => "protocol",
            Self::Transport(_) => "transport",
            Self::Eof => "eof",
            Self::PongTimeout => "pong_timeout",
            Self::CloseTimeout => "close_timeout",
            Self::SlowReader => "slow_reader",
            Self::RateLimited => "rate_limited",
            Self::TooManyOfUser => "too_many_of_user",
            Self::Expired => "expired",
            Self::Callback(_) => "callback",
            Self::InvalidCloseCode(_) => "invalid_close_code",
            Self::Panic => "panic",
            Self::Shutdown => "shutdown",
            Self::Dropped => "dropped",
        }
    }
}
