//! [`CommandError`]: why a command has no reply. [`ClientError`]: what else went wrong.

use std::{error::Error, sync::Arc};

use crate::commands::{DecodeError, EncodeError, frame::ErrorParam};

use super::frame::Frame;

/// Why a command has no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The server answered with an error; `docs/wire.md` has the codes.
    #[error("the server answered {code}: {message}")]
    Refused {
        /// For programs.
        code: Box<str>,
        /// For people.
        message: Box<str>,
    },
    /// No answer came in time; the command may have been carried out.
    #[error("no answer came in time")]
    Timeout,
    /// The connection ended before the answer; the command may have been carried out.
    #[error("the connection ended before the answer")]
    Disconnected,
    /// The outbox was full, or the client is closed; the command was not sent.
    #[error("the command was not sent")]
    Dropped,
    /// There was no connection in time; the command was not sent.
    #[error("there was no connection in time")]
    Expired,
    /// The room was left meanwhile.
    #[error("the room was left")]
    Left,
    /// The parameter cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The reply is something else.
    #[error("the reply is something else")]
    Decode(#[from] DecodeError),
}

impl CommandError {
    /// The server's code, or one of ours: `timeout`, `disconnected`, `dropped`, `expired`, `left`, `encode`, `decode`.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
            Self::Dropped => "dropped",
            Self::Expired => "expired",
            Self::Left => "left",
            Self::Encode(_) => "encode",
            Self::Decode(_) => "decode",
        }
    }

    /// The same, for one more who waits. Only what the server says is told to several.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Refused { code, message } => Self::Refused { code: code.clone(), message: message.clone() },
            _ => Self::Dropped,
        }
    }

    /// What an `error` frame says.
    pub(super) fn told(frame: &Frame) -> Self {
        let ErrorParam { code, message } = frame.param().unwrap_or_default();
        Self::Refused { code: code.into(), message: message.into() }
    }
}

/// Something that went wrong, and answers no command. Whether the connection is over is told by
/// [`Event::Closed`](super::Event::Closed).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The provider of tokens failed.
    #[error("there is no token")]
    Token(#[source] Box<dyn Error + Send + Sync>),
    /// An attempt to connect failed. What it says has no token in it.
    #[error("cannot connect")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// A message of the server is no command.
    #[error("a message that is no command")]
    NotACommand,
    /// The server says that something sent without an id failed.
    #[error("an error of the server")]
    Server(#[source] CommandError),
    /// A room cannot be joined, and is left.
    #[error("room {room:?} cannot be joined")]
    Join {
        /// The room.
        room: Arc<str>,
        /// Why.
        source: Arc<CommandError>,
    },
    /// A handler of the server's requests failed or panicked; the server was told `internal`.
    #[error("the request {cmd:?} could not be answered")]
    Answer {
        /// The request.
        cmd: Box<str>,
    },
}
