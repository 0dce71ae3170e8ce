//! [`Frame`]: what a server sends; [`frame`] and [`fragment`]: what a client does.

use crate::protocol::{close::CloseCode, mask};

/// A frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    /// A ping and its payload.
    Ping(Vec<u8>),
    /// A pong and its payload.
    Pong(Vec<u8>),
    /// A close frame: code and reason, if it has any.
    Close(Option<(u16, String)>),
    /// Any other frame: its first byte (FIN, RSV1-3, opcode) and its payload.
    Odd(u8, Vec<u8>),
    /// The server ended the transport.
    End,
}

impl Frame {
    /// A whole text message.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// A close frame with a code.
    pub fn close(code: impl Into<CloseCode>, reason: &str) -> Self {
        Self::Close(Some((code.into().as_u16(), reason.into())))
    }

    pub(super) fn new(first: u8, payload: Vec<u8>) -> Self {
        match (first, payload.as_slice()) {
            (0x81, _) => Self::Text(String::from_utf8(payload).expect("text is UTF-8")),
            (0x82, _) => Self::Binary(payload),
            (0x88, []) => Self::Close(None),
            (0x88, &[high, low, ref reason @ ..]) => {
                let reason = String::from_utf8(reason.to_vec()).expect("a reason is UTF-8");
                Self::Close(Some((u16::from_be_bytes([high, low]), reason)))
            }
            (0x89, _) => Self::Ping(payload),
            (0x8A, _) => Self::Pong(payload),
            (odd, _) => Self::Odd(odd, payload),
        }
    }
}

/// The bytes of a whole frame, masked as a client's are. The opcode (§5.2) may be one that there is not.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    fragment(true, opcode, payload)
}

/// As [`frame`], for one that others may follow: `fin` is the FIN bit.
pub fn fragment(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut bytes = vec![(u8::from(fin) << 7) | opcode];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&KEY);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    mask::apply(&mut bytes[start..], KEY);
    bytes
}
