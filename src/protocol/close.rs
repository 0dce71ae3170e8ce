//! Close codes and close frames (§7.4, §5.5.1).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::{error::ProtocolError, frame::MAX_CONTROL_PAYLOAD, text::Text};

/// The longest reason a close frame has room for, in bytes: 125 less the code (§5.5).
pub(crate) const MAX_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// Why a connection was closed, as a number (§7.4).
///
/// 1000-2999 belong to the protocol, 3000-3999 to what is registered with IANA, 4000-4999 to the
/// application. Some only tell the application what happened and never travel: see
/// [`is_sendable`](Self::is_sendable).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that cannot be accepted.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the close frame had no code. Never travels.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a close frame. Never travels.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: a message's bytes did not fit its type, such as text that is no UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a rule of the application was broken.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message was larger than what is accepted.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the client misses an extension that the server did not negotiate.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an error within the server.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: too much to do now; also what a slow reader gets.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid answer from behind it.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// Whether the code may stand in a close frame: 1000-1003, 1007-1014 and 3000-4999 (§7.4).
    pub fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// The number.
    pub fn as_u16(self) -> u16 {
        self.0
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl PartialEq<u16> for CloseCode {
    fn eq(&self, other: &u16) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The code must not travel in a close frame (§7.4.1, §7.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("close code {0} may not be sent")]
pub struct InvalidCloseCode(pub CloseCode);

/// What a close frame says: a code that may travel, and a reason of at most 123 bytes.
///
/// ```
/// use gustnado::CloseFrame;
///
/// let kicked = CloseFrame::new(4003, "kicked")?;
/// assert_eq!(kicked.code(), 4003);
/// assert!(CloseFrame::new(1006, "").is_err(), "1006 may not travel");
/// # Ok::<(), gustnado::InvalidCloseCode>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Text,
}

impl CloseFrame {
    /// A close frame; a reason over 123 bytes is cut at the last character that fits whole.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`] when the code may not travel.
    pub fn new(code: impl Into<CloseCode>, reason: impl Into<Text>) -> Result<Self, InvalidCloseCode> {
        let code = code.into();
        if !code.is_sendable() {
            return Err(InvalidCloseCode(code));
        }
        Ok(Self::sendable(code, reason.into()))
    }

    /// For the codes this crate chooses itself.
    pub(crate) fn sendable(code: CloseCode, reason: Text) -> Self {
        debug_assert!(code.is_sendable());
        let fits = (0..=MAX_REASON.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end));
        match fits {
            Some(end) if end < reason.len() => Self { code, reason: Text::from(&reason[..end]) },
            _ => Self { code, reason },
        }
    }

    /// The code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason; empty when none was given.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn into_reason(self) -> Text {
        self.reason
    }

    /// Reads the payload of a close frame; `None` when it is empty.
    pub(crate) fn parse(payload: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() { Ok(None) } else { Err(ProtocolError::TruncatedCloseCode) };
        };
        let code = CloseCode(u16::from_be_bytes(*code));
        if !code.is_sendable() {
            return Err(ProtocolError::InvalidCloseCode(code));
        }
        let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(Some(Self { code, reason: Text::from(reason) }))
    }

    /// The payload of a close frame.
    pub(crate) fn payload(&self) -> Bytes {
        let mut payload = BytesMut::with_capacity(2 + self.reason.len());
        payload.put_u16(self.code.0);
        payload.extend_from_slice(self.reason.as_bytes());
        payload.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_travel_make_a_close_frame() {
        for code in [1000, 1001, 1002, 1003, 1007, 1010, 1011, 1014, 3000, 3999, 4000, 4999] {
            assert!(CloseFrame::new(code, "").is_ok(), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(CloseFrame::new(code, ""), Err(InvalidCloseCode(CloseCode(code))));
            assert_eq!(
                CloseFrame::parse(&code.to_be_bytes()),
                Err(ProtocolError::InvalidCloseCode(CloseCode(code)))
            );
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = CloseFrame::new(4000, "ü".repeat(100)).expect("4000 may travel");
        assert_eq!(frame.reason(), "ü".repeat(61), "122 bytes: a 62nd would end at byte 124");
        assert_eq!(frame.payload().len(), 124);
        let fits = CloseFrame::new(4000, "x".repeat(MAX_REASON)).expect("4000 may travel");
        assert_eq!(fits.payload().len(), MAX_CONTROL_PAYLOAD);
    }

    #[test]
    fn a_close_frame_reads_back_as_it_was_written() {
        let frame = CloseFrame::new(4001, "übrig").expect("4001 may travel");
        assert_eq!(CloseFrame::parse(&frame.payload()), Ok(Some(frame)));
        assert_eq!(CloseFrame::parse(b""), Ok(None));
    }

    #[test]
    fn one_byte_of_code_and_a_reason_that_is_no_text_are_refused() {
        assert_eq!(CloseFrame::parse(b"\x03"), Err(ProtocolError::TruncatedCloseCode));
        assert_eq!(CloseFrame::parse(b"\x03\xe8\xff"), Err(ProtocolError::InvalidUtf8));
    }
}
