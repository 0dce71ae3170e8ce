//! [`ProtocolError`]: what a peer did that makes us fail the connection.

use super::{
    close::{CloseCode, CloseFrame},
    text::Text,
    utf8::InvalidUtf8,
};

/// How the peer broke the protocol or a limit; the connection is failed (§7.1.7) with
/// [`code`](Self::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set and no extension that gives it a meaning was negotiated (§5.2).
    #[error("a reserved bit is set")]
    ReservedBits,
    /// An opcode that means nothing (§5.2).
    #[error("unknown opcode {0:#x}")]
    UnknownOpCode(u8),
    /// A length of more than 63 bits (§5.2).
    #[error("a length of more than 63 bits")]
    LengthOverflow,
    /// A client must mask every frame (§5.1).
    #[error("a frame of the client is not masked")]
    Unmasked,
    /// A control frame must not be fragmented (§5.5).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame's payload has at most 125 bytes (§5.5).
    #[error("a control frame is longer than 125 bytes")]
    OversizedControl,
    /// A continuation frame without a message to continue (§5.4).
    #[error("a continuation without a message")]
    UnexpectedContinuation,
    /// A new message before the last one was finished (§5.4).
    #[error("a new message within a fragmented one")]
    UnfinishedMessage,
    /// A close frame with half a code (§5.5.1).
    #[error("a close frame of one byte")]
    TruncatedCloseCode,
    /// A close code that may not travel (§7.4).
    #[error("close code {0} may not be sent")]
    InvalidCloseCode(CloseCode),
    /// Text, or the reason of a close, that is no UTF-8 (§8.1).
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A compressed message that is not what DEFLATE makes (RFC 7692 §7.2.2).
    #[error("a compressed message that cannot be inflated")]
    InvalidDeflate,
    /// A message larger than `max_message_size`, once it is inflated.
    #[error("a message of more than {limit} bytes")]
    MessageTooBig {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message of more frames than `max_fragments`.
    #[error("a message of more than {limit} fragments")]
    TooManyFragments {
        /// The limit in frames.
        limit: usize,
    },
}

impl ProtocolError {
    /// The close code the connection is failed with: 1002, 1007 or 1009 (§7.4.1).
    pub fn code(&self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig { .. } | Self::TooManyFragments { .. } => CloseCode::MESSAGE_TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }

    pub(crate) fn close_frame(&self) -> CloseFrame {
        CloseFrame::sendable(self.code(), Text::from(self.to_string()))
    }
}

impl From<InvalidUtf8> for ProtocolError {
    fn from(_: InvalidUtf8) -> Self {
        Self::InvalidUtf8
    }
}
