//! The bytes on the wire: the frames that the generator sends, and the header that it expects back.

use crate::compressed;
use crate::dialect::Dialect;
use crate::server::Protocol;
use crate::workload::Content;

/// Sent with every frame (§5.3). Fixed, for the frames are built once; not zero, so that unmasking has work to do.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// FIN and opcode 1: a whole text message.
const WHOLE_TEXT: u8 = 0x81;
/// FIN and opcode 2: a whole binary message. Binary, so that checking UTF-8 is not part of the figures.
const WHOLE_BINARY: u8 = 0x82;
/// FIN, RSV1 and opcode 1: a whole text message that is compressed (RFC 7692, 6).
pub const COMPRESSED_TEXT: u8 = 0xc1;
/// FIN and opcode 8.
pub const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;

/// The messages of a dialect as masked frames, which a client sends in turn.
pub fn messages(dialect: &Dialect) -> Vec<Vec<u8>> {
    match dialect.content {
        Content::Bytes(length) if dialect.protocol == Protocol::SocketIo => vec![masked_text(&event(length))],
        Content::Bytes(length) => vec![masked_binary(length)],
        Content::Json => {
            let payloads = compressed::documents().map(|document| compressed::deflate(document.as_bytes()));
            payloads.map(|payload| masked(COMPRESSED_TEXT, &payload)).collect()
        }
    }
}

/// The header of the reply to each message, and the length of its payload; none where they differ.
pub fn reply(dialect: &Dialect) -> Option<(Vec<u8>, usize)> {
    match (dialect.content, dialect.protocol) {
        (Content::Json, _) => None,
        (Content::Bytes(length), Protocol::WebSocket) => Some((header(WHOLE_BINARY, length, 0), length)),
        // Where nothing is known but the length.
        (Content::Bytes(length), Protocol::Raw) => Some((Vec::new(), masked_binary(length).len())),
        (Content::Bytes(length), Protocol::SocketIo) => {
            let length = event(length).len();
            Some((header(WHOLE_TEXT, length, 0), length))
        }
    }
}

/// A masked text message.
pub fn masked_text(payload: &[u8]) -> Vec<u8> {
    masked(WHOLE_TEXT, payload)
}

/// A masked close frame with the code 1000.
pub fn masked_close() -> Vec<u8> {
    masked(CLOSE, &1000_u16.to_be_bytes())
}

/// How many bytes of length follow the second byte of an unmasked header (§5.2).
pub fn extended_length(second: u8) -> usize {
    match second {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

fn masked_binary(payload: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..payload).map(|index| index as u8).collect();
    masked(WHOLE_BINARY, &payload)
}

/// A message of Engine.IO (4) with an event of Socket.IO (2) that carries a string.
fn event(length: usize) -> Vec<u8> {
    format!("42[\"m\",\"{}\"]", "x".repeat(length)).into_bytes()
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len(), MASKED);
    frame.extend(MASKING_KEY);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// §5.2: seven bits of length, or 126 and sixteen bits, or 127 and sixty-four.
fn header(first: u8, payload: usize, mask: u8) -> Vec<u8> {
    let mut header = vec![first];
    match payload {
        0..=125 => header.push(mask | payload as u8),
        126..=0xffff => {
            header.push(mask | 126);
            header.extend((payload as u16).to_be_bytes());
        }
        _ => {
            header.push(mask | 127);
            header.extend((payload as u64).to_be_bytes());
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_has_its_own_header() {
        let of = |length| header(WHOLE_BINARY, length, 0);
        assert_eq!(of(16), [0x82, 16]);
        assert_eq!(of(1024), [0x82, 126, 4, 0]);
        assert_eq!(of(65536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_masked_frame_carries_the_key_before_the_payload() {
        assert_eq!(masked_close(), [0x88, 0x82, 0x37, 0xfa, 0x21, 0x3d, 0x03 ^ 0x37, 0xe8 ^ 0xfa]);
    }
}
