//! The vocabulary of the protocol's tests: frames as a client sends them, and what a receiver makes of
//! them.

use bytes::BytesMut;

use super::{
    error::ProtocolError,
    frame::{Header, MAX_HEADER, OpCode},
    mask,
    receiver::{Event, Receiver},
};

pub(crate) const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// One masked frame.
pub(crate) fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; MAX_HEADER];
    let size = Header { fin, compressed: false, opcode, mask: Some(KEY), len: payload.len() as u64 }
        .write(&mut header);
    let mut bytes = header[..size].to_vec();
    bytes.extend_from_slice(payload);
    mask::apply(&mut bytes[size..], KEY);
    bytes
}

pub(crate) fn text(payload: &str) -> Vec<u8> {
    frame(true, OpCode::Text, payload.as_bytes())
}

pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
    frame(true, OpCode::Binary, payload)
}

pub(crate) fn first_fragment(payload: &str) -> Vec<u8> {
    frame(false, OpCode::Text, payload.as_bytes())
}

pub(crate) fn next_fragment(payload: &str) -> Vec<u8> {
    frame(false, OpCode::Continuation, payload.as_bytes())
}

pub(crate) fn last_fragment(payload: &str) -> Vec<u8> {
    frame(true, OpCode::Continuation, payload.as_bytes())
}

pub(crate) fn ping(payload: &str) -> Vec<u8> {
    frame(true, OpCode::Ping, payload.as_bytes())
}

pub(crate) fn pong(payload: &str) -> Vec<u8> {
    frame(true, OpCode::Pong, payload.as_bytes())
}

pub(crate) fn close(payload: &[u8]) -> Vec<u8> {
    frame(true, OpCode::Close, payload)
}

/// A frame whose two leading bytes are given, for what no client should send; masked if they say so.
pub(crate) fn raw(first: u8, second: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, second];
    match second & 0x7F {
        126 => bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes()),
        127 => bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes()),
        _ => {}
    }
    let start = bytes.len() + if second & 0x80 == 0 { 0 } else { KEY.len() };
    bytes.extend_from_slice(&KEY[..start - bytes.len()]);
    bytes.extend_from_slice(payload);
    if second & 0x80 != 0 {
        mask::apply(&mut bytes[start..], KEY);
    }
    bytes
}

/// The header of a masked frame whose payload has not come yet.
pub(crate) fn announced(fin: bool, opcode: OpCode, len: u64) -> Vec<u8> {
    let mut header = [0; MAX_HEADER];
    let size = Header { fin, compressed: false, opcode, mask: Some(KEY), len }.write(&mut header);
    header[..size].to_vec()
}

/// What a receiver makes of `chunks`, each of which is one read from the socket: its events, and what it
/// failed with.
pub(crate) fn feed<'a>(
    receiver: &mut Receiver,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<ProtocolError>) {
    let mut events = Vec::new();
    for mut chunk in chunks {
        loop {
            match receiver.next(&mut chunk) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(chunk.is_empty(), "the receiver takes all it is given");
    }
    (events, None)
}

/// As [`feed`], but what may go straight into a message's own buffer goes there.
pub(crate) fn feed_in_place<'a>(
    receiver: &mut Receiver,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<ProtocolError>) {
    let mut events = Vec::new();
    for mut chunk in chunks {
        while !chunk.is_empty() {
            let (made, left) = if let Some((buffer, missing)) = receiver.in_place() {
                let (piece, rest) = chunk.split_at(missing.min(chunk.len()));
                buffer.extend_from_slice(piece);
                chunk = rest;
                (receiver.filled(piece.len()), BytesMut::new())
            } else if let Some(mut buffer) = receiver.expected() {
                let (piece, rest) = chunk.split_at(buffer.capacity().min(chunk.len()));
                buffer.extend_from_slice(piece);
                chunk = rest;
                (receiver.adopt(&mut buffer), buffer)
            } else {
                (Ok(None), BytesMut::from(std::mem::take(&mut chunk)))
            };
            match made {
                Ok(event) => events.extend(event),
                Err(error) => return (events, Some(error)),
            }
            let (more, error) = feed(receiver, [&left[..]]);
            events.extend(more);
            if error.is_some() {
                return (events, error);
            }
        }
    }
    (events, None)
}
