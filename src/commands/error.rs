//! [`ErrorReply`]: what a client is told when its command failed.

use std::{any::Any, borrow::Cow, error::Error, fmt};

use crate::hub::JoinError;

use super::{codec::DecodeError, request::RequestError};

/// The codes of error replies that are sent without the application's doing; `docs/wire.md` has them for clients.
pub mod code {
    /// The message is no command: not JSON, no `cmd`, an `id` that is none.
    pub const BAD_FRAME: &str = "bad_frame";
    /// A binary message where text is spoken, or the other way round.
    pub const WRONG_TYPE: &str = "wrong_type";
    /// There is no command of that name.
    pub const UNKNOWN_COMMAND: &str = "unknown_command";
    /// The `param` is not what the command takes.
    pub const BAD_PARAMS: &str = "bad_params";
    /// The command needs a `channel`.
    pub const NO_CHANNEL: &str = "no_channel";
    /// The `channel` is not the name of a room.
    pub const BAD_CHANNEL: &str = "bad_channel";
    /// The connection is not in that channel.
    pub const NOT_A_MEMBER: &str = "not_a_member";
    /// The connection is in as many channels as it may be.
    pub const TOO_MANY_CHANNELS: &str = "too_many_channels";
    /// The application does not allow it.
    pub const REFUSED: &str = "refused";
    /// What was published will never be seen.
    pub const REJECTED: &str = "rejected";
    /// What was published may be seen, or not; the same with the same key tells.
    pub const UNKNOWN: &str = "unknown";
    /// The command needed an answer of this client, and got none, or one that was refused or made no sense.
    pub const NO_REPLY: &str = "no_reply";
    /// Too many commands wait behind one that itself waits for this client.
    pub const BUSY: &str = "busy";
    /// The connection is closing.
    pub const CLOSING: &str = "closing";
    /// Something failed within the server.
    pub const INTERNAL: &str = "internal";
}

/// The error that a client gets as the answer to its command: a code for programs and a message for people.
///
/// Any error becomes one by `?`: `internal`, without the error's text, which goes to the log. Three are not the
/// server's fault, and are told as what they are: a [`JoinError`], and as `no_reply` a [`RequestError`] and the
/// [`DecodeError`] of a reply. The connection stays, unless
/// [`Commands::max_errors`](super::Commands::max_errors) says otherwise.
///
/// ```
/// use gustnado::commands::ErrorReply;
///
/// fn pay(cents: i64) -> Result<(), ErrorReply> {
///     if cents <= 0 {
///         return Err(ErrorReply::new("bad_amount", "pay something"));
///     }
///     let _: u32 = "12".parse()?; // a ParseIntError would be answered with `internal`
///     Ok(())
/// }
/// # assert_eq!(pay(0).unwrap_err().code(), "bad_amount");
/// ```
pub struct ErrorReply(Box<Inner>);

struct Inner {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ErrorReply {
    /// An error with a code of the application's choice; see [`code`] for those in use already.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { code: code.into(), message: message.into(), source: None }))
    }

    /// What programs look at.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What people read.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The error that it was made from, for the log.
    pub(super) fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// Whether the client is to blame, so that it counts for `max_errors`.
    pub(super) fn is_clients(&self) -> bool {
        !matches!(self.code(), code::INTERNAL | code::BUSY | code::CLOSING | code::REJECTED | code::UNKNOWN)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ErrorReply {
    fn from(error: E) -> Self {
        let any = &error as &dyn Any;
        if let Some(error) = any.downcast_ref::<JoinError>() {
            return not_joined(error);
        }
        let unanswered = match any.downcast_ref() {
            Some(RequestError::Encode(_) | RequestError::NoCommands) => false,
            Some(_) => true,
            None => any.is::<DecodeError>(),
        };
        if unanswered {
            return Self::new(code::NO_REPLY, error.to_string());
        }
        let mut reply = Self::new(code::INTERNAL, "an error within the server");
        reply.0.source = Some(Box::new(error));
        reply
    }
}

fn not_joined(error: &JoinError) -> ErrorReply {
    let code = match error {
        JoinError::Name => code::BAD_CHANNEL,
        JoinError::TooManyRooms { .. } => code::TOO_MANY_CHANNELS,
        JoinError::Closing => code::CLOSING,
        JoinError::Refused(reason) => return ErrorReply::new(code::REFUSED, reason.clone()),
    };
    ErrorReply::new(code, error.to_string())
}

impl fmt::Debug for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorReply")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}
