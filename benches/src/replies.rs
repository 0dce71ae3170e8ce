//! Counts replies in a stream of bytes, reading headers and stepping over payloads.

use anyhow::{Result, bail};

use crate::server::Protocol;
use crate::wire;

/// Where one connection stands between two reads, which may end anywhere, in the middle of a header too.
#[derive(Debug, Clone)]
pub struct Replies {
    /// What every reply must begin with; empty for raw TCP, where nothing is known but the length.
    header: Vec<u8>,
    /// Bytes of a reply, its header included.
    length: usize,
    /// Bytes of the reply under way that have been seen.
    seen: usize,
    start: Start,
}

/// The header as the first bytes of one number, to compare it at once wherever the reply is that long.
///
/// Comparing slices calls `memcmp` for every reply; with small ones that was half of the generator's time.
#[derive(Debug, Clone, Copy)]
struct Start {
    expected: u128,
    mask: u128,
}

impl Replies {
    /// For echoes of messages with `payload` bytes.
    pub fn expecting(protocol: Protocol, payload: usize) -> Self {
        let (header, length) = match protocol {
            Protocol::WebSocket => {
                let header = wire::reply_header(payload);
                let length = header.len() + payload;
                (header, length)
            }
            Protocol::Raw => (Vec::new(), wire::masked_binary(payload).len()),
        };
        Self { start: Start::of(&header), header, length, seen: 0 }
    }

    /// Takes what was read and returns how many replies it completed.
    ///
    /// # Errors
    ///
    /// When a header is not the expected one, byte for byte.
    pub fn count(&mut self, mut bytes: &[u8]) -> Result<usize> {
        let mut replies = 0;
        while !bytes.is_empty() {
            if self.seen == 0 {
                let whole = bytes.chunks_exact(self.length);
                let rest = whole.remainder();
                for reply in whole {
                    self.check(reply)?;
                    replies += 1;
                }
                bytes = rest;
            }
            let part = bytes.len().min(self.length - self.seen);
            self.check(&bytes[..part])?;
            bytes = &bytes[part..];
            self.seen += part;
            if self.seen == self.length {
                self.seen = 0;
                replies += 1;
            }
        }
        Ok(replies)
    }

    /// Compares as much of the header as lies in the next bytes of the reply under way.
    fn check(&self, bytes: &[u8]) -> Result<()> {
        if self.seen == 0
            && let Some(first) = bytes.first_chunk()
        {
            if self.start.matches(*first) {
                return Ok(());
            }
        } else {
            let missing = &self.header[self.seen.min(self.header.len())..];
            if missing.iter().zip(bytes).all(|(expected, byte)| expected == byte) {
                return Ok(());
            }
        }
        bail!("the reply begins {:02x?}, expected {:02x?}", self.with_what_was_seen(bytes), self.header)
    }

    /// The wrong header from its first byte, with a few bytes more for whoever has to understand it.
    fn with_what_was_seen(&self, bytes: &[u8]) -> Vec<u8> {
        let seen = &self.header[..self.seen];
        seen.iter().chain(bytes).take(16).copied().collect()
    }
}

impl Start {
    fn of(header: &[u8]) -> Self {
        let padded = |byte: fn(u8) -> u8| {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(header).for_each(|(to, from)| *to = byte(*from));
            u128::from_ne_bytes(bytes)
        };
        Self { expected: padded(|byte| byte), mask: padded(|_| 0xff) }
    }

    fn matches(self, bytes: [u8; 16]) -> bool {
        u128::from_ne_bytes(bytes) & self.mask == self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_wherever_the_reads_end() {
        let reply = [wire::reply_header(200), vec![0; 200]].concat();
        let stream = reply.repeat(5);
        for length in 1..stream.len() {
            let mut replies = Replies::expecting(Protocol::WebSocket, 200);
            let counts = stream.chunks(length).map(|read| replies.count(read).unwrap());
            assert_eq!(counts.sum::<usize>(), 5, "reads of {length} bytes");
        }
    }

    #[test]
    fn a_raw_reply_is_as_long_as_the_frame_sent() {
        let mut replies = Replies::expecting(Protocol::Raw, 16);
        assert_eq!(replies.count(&wire::masked_binary(16).repeat(3)).unwrap(), 3);
    }

    #[test]
    fn another_opcode_or_length_is_an_error() {
        for wrong in [[0x81, 16], [0x82, 17], [0x02, 16]] {
            assert!(Replies::expecting(Protocol::WebSocket, 16).count(&wrong).is_err());
        }
    }

    #[test]
    fn the_error_shows_the_header_from_its_first_byte() {
        let mut replies = Replies::expecting(Protocol::WebSocket, 16);
        replies.count(&[0x82]).unwrap();
        let error = replies.count(&[17]).unwrap_err();
        assert_eq!(error.to_string(), "the reply begins [82, 11], expected [82, 10]");
    }
}
