//! [`Disconnect`]: how a callback ends its connection.

use std::{any::Any, error::Error, fmt, io, sync::Arc};

use crate::{
    conn::{Cause, Conn, SendError},
    protocol::{
        close::{CloseCode, CloseFrame},
        message::NotText,
        text::Text,
    },
};

/// Ends the connection whose callback returns it.
///
/// Any error becomes one by `?`: the peer gets 1011, internal error, without the error's text, which goes to the
/// log, to `on_error` and to `on_close`. [`NotText`] becomes 1003. [`Disconnect::new`] chooses code and reason.
///
/// A connection that is closing already stays as it is; that nothing could be sent to it any more
/// ([`SendError::Closing`]) is then no failure of the callback.
///
/// ```
/// use gustnado::Disconnect;
///
/// fn check(rude: bool) -> Result<(), Disconnect> {
///     if rude {
///         return Err(Disconnect::new(4003, "kicked"));
///     }
///     let _: u32 = "12".parse()?; // a ParseIntError would close with 1011
///     Ok(())
/// }
/// # assert!(check(true).is_err());
/// ```
// Boxed, since every callback's result has room for it, and hardly any is one.
pub struct Disconnect(Box<Ending>);

struct Ending {
    frame: CloseFrame,
    cause: Option<Cause>,
}

impl Disconnect {
    /// Closes with this code and reason, which the peer sees; a reason over 123 bytes is cut at a character.
    ///
    /// A code that may not travel is a mistake of the application: the peer gets 1011, and the cause says
    /// [`InvalidCloseCode`](Cause::InvalidCloseCode).
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<Text>) -> Self {
        match CloseFrame::new(code, reason) {
            Ok(frame) => Self::from_frame(frame),
            Err(invalid) => Self::failed(Cause::InvalidCloseCode(invalid)),
        }
    }

    /// Closes with 1000: the purpose is fulfilled.
    pub fn normal() -> Self {
        Self::new(CloseCode::NORMAL, "")
    }

    pub(crate) fn from_frame(frame: CloseFrame) -> Self {
        Self(Box::new(Ending { frame, cause: None }))
    }

    pub(crate) fn failed(cause: Cause) -> Self {
        let frame = CloseFrame::sendable(CloseCode::INTERNAL_ERROR, Text::default());
        Self(Box::new(Ending { frame, cause: Some(cause) }))
    }

    /// The close frame, and what went wrong, for the connection whose callback this comes from.
    pub(crate) fn into_end_of(self, conn: &Conn) -> (CloseFrame, Option<Arc<Cause>>) {
        // A peer that leaves is no failure of a callback that was about to send to it. Another connection's end is:
        // this one closes for it.
        let expected = conn.is_closing() && self.0.cause.as_ref().is_some_and(is_closing);
        let (frame, cause) = self.into_parts();
        (frame, cause.filter(|_| !expected))
    }

    pub(crate) fn into_parts(self) -> (CloseFrame, Option<Arc<Cause>>) {
        let Ending { frame, cause } = *self.0;
        (frame, cause.map(Arc::new))
    }
}

/// Whether a callback failed only because it sent to a connection that was closing.
fn is_closing(cause: &Cause) -> bool {
    let Cause::Callback(error) = cause else { return false };
    let error = error.as_ref() as &(dyn Error + 'static);
    let sent = match error.downcast_ref::<io::Error>() {
        // As `MessageIo` has it.
        Some(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        None => error.downcast_ref(),
    };
    matches!(sent, Some(SendError::Closing(_)))
}

impl<E: Error + Send + Sync + 'static> From<E> for Disconnect {
    fn from(error: E) -> Self {
        let code = if (&error as &dyn Any).is::<NotText>() {
            CloseCode::UNSUPPORTED_DATA
        } else {
            CloseCode::INTERNAL_ERROR
        };
        let frame = CloseFrame::sendable(code, Text::default());
        Self(Box::new(Ending { frame, cause: Some(Cause::Callback(Box::new(error))) }))
    }
}

impl fmt::Debug for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disconnect")
            .field("code", &self.0.frame.code())
            .field("reason", &self.0.frame.reason())
            .field("cause", &self.0.cause)
            .finish()
    }
}
