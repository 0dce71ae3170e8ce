//! [`Disconnect`]: how a callback ends its connection.

use std::{any::Any, error::Error, fmt, sync::Arc};

use crate::{
    conn::Cause,
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
pub struct Disconnect {
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
            Ok(frame) => Self { frame, cause: None },
            Err(invalid) => Self::failed(Cause::InvalidCloseCode(invalid)),
        }
    }

    /// Closes with 1000: the purpose is fulfilled.
    pub fn normal() -> Self {
        Self::new(CloseCode::NORMAL, "")
    }

    pub(crate) fn from_frame(frame: CloseFrame) -> Self {
        Self { frame, cause: None }
    }

    pub(crate) fn failed(cause: Cause) -> Self {
        Self { frame: CloseFrame::sendable(CloseCode::INTERNAL_ERROR, Text::default()), cause: Some(cause) }
    }

    pub(crate) fn into_parts(self) -> (CloseFrame, Option<Arc<Cause>>) {
        (self.frame, self.cause.map(Arc::new))
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Disconnect {
    fn from(error: E) -> Self {
        let code = if (&error as &dyn Any).is::<NotText>() {
            CloseCode::UNSUPPORTED_DATA
        } else {
            CloseCode::INTERNAL_ERROR
        };
        let frame = CloseFrame::sendable(code, Text::default());
        Self { frame, cause: Some(Cause::Callback(Box::new(error))) }
    }
}

impl fmt::Debug for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disconnect")
            .field("code", &self.frame.code())
            .field("reason", &self.frame.reason())
            .field("cause", &self.cause)
            .finish()
    }
}
