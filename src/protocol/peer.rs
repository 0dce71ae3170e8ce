//! The vocabulary of the protocol's tests: frames as a client sends them.

use super::{
    frame::{Header, MAX_HEADER, OpCode},
    mask,
};

pub(crate) const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// One masked frame.
pub(crate) fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; MAX_HEADER];
    let size = Header { fin, opcode, mask: Some(KEY), len: payload.len() as u64 }.write(&mut header);
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
