//! Counts replies in a stream of bytes, reading headers and stepping over payloads.

use anyhow::{Result, bail, ensure};

use crate::dialect::Dialect;
use crate::wire;

/// Where one connection stands between two reads, which may end anywhere, in the middle of a header too.
#[derive(Debug, Clone)]
pub enum Replies {
    /// All replies are equally long.
    Equal(Equal),
    /// Compressed replies, whose lengths are the server's affair.
    Compressed(Compressed),
}

impl Replies {
    /// What the messages of this dialect bring.
    pub fn expecting(dialect: &Dialect) -> Self {
        match wire::reply(dialect) {
            Some((header, payload)) => Self::Equal(Equal::new(header, payload)),
            None => Self::Compressed(Compressed::default()),
        }
    }

    /// Takes what was read and returns how many replies it completed.
    ///
    /// # Errors
    ///
    /// When a header is not the expected one: byte for byte, or of a compressed text where lengths differ.
    pub fn count(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Self::Equal(replies) => replies.count(bytes),
            Self::Compressed(replies) => replies.count(bytes),
        }
    }
}

/// Replies with one and the same header.
#[derive(Debug, Clone)]
pub struct Equal {
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

impl Equal {
    fn new(header: Vec<u8>, payload: usize) -> Self {
        Self { start: Start::of(&header), length: header.len() + payload, header, seen: 0 }
    }

    fn count(&mut self, mut bytes: &[u8]) -> Result<usize> {
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

/// Replies of any length, each a whole compressed text.
#[derive(Debug, Clone, Default)]
pub struct Compressed {
    /// What has come of a header.
    header: Vec<u8>,
    /// Bytes of the payload that are still to come.
    missing: usize,
}

impl Compressed {
    fn count(&mut self, mut bytes: &[u8]) -> Result<usize> {
        let mut replies = 0;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.missing > 0 {
                let part = self.missing.min(bytes.len());
                self.missing -= part;
                bytes = &bytes[part..];
                replies += usize::from(self.missing == 0);
                continue;
            }
            bytes = rest;
            self.header.push(byte);
            if let Some(length) = self.length()? {
                self.header.clear();
                self.missing = length;
            }
        }
        Ok(replies)
    }

    /// The payload's length, once the header is complete.
    fn length(&self) -> Result<Option<usize>> {
        let first = self.header[0];
        ensure!(first == wire::COMPRESSED_TEXT, "a reply begins {first:02x}, which is no compressed text");
        let Some(&second) = self.header.get(1) else { return Ok(None) };
        let extended = wire::extended_length(second);
        if self.header.len() < 2 + extended {
            return Ok(None);
        }
        let length = match extended {
            0 => usize::from(second),
            _ => self.header[2..].iter().fold(0, |length, &byte| length << 8 | usize::from(byte)),
        };
        // Even an empty message has a byte.
        ensure!(length > 0, "a compressed reply without a payload");
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of unmasked binary messages, whose header's first two bytes tell all.
    fn binary(payload: u8) -> Equal {
        Equal::new(vec![0x82, payload], payload.into())
    }

    #[test]
    fn replies_are_counted_wherever_the_reads_end() {
        let reply = [vec![0x82, 100], vec![0; 100]].concat();
        let stream = reply.repeat(5);
        for length in 1..stream.len() {
            let mut replies = binary(100);
            let counts = stream.chunks(length).map(|read| replies.count(read).unwrap());
            assert_eq!(counts.sum::<usize>(), 5, "reads of {length} bytes");
        }
    }

    #[test]
    fn compressed_replies_of_any_length_are_counted_wherever_the_reads_end() {
        let short = [vec![0xc1, 3], vec![0; 3]].concat();
        let long = [vec![0xc1, 126, 1, 4], vec![0; 260]].concat();
        let stream = [short, long].concat().repeat(3);
        for length in 1..stream.len() {
            let mut replies = Compressed::default();
            let counts = stream.chunks(length).map(|read| replies.count(read).unwrap());
            assert_eq!(counts.sum::<usize>(), 6, "reads of {length} bytes");
        }
    }

    #[test]
    fn a_reply_that_is_not_compressed_is_an_error() {
        assert!(Compressed::default().count(&[0x81, 1]).is_err());
    }

    #[test]
    fn another_opcode_or_length_is_an_error() {
        for wrong in [[0x81, 16], [0x82, 17], [0x02, 16]] {
            assert!(binary(16).count(&wrong).is_err());
        }
    }

    #[test]
    fn the_error_shows_the_header_from_its_first_byte() {
        let mut replies = binary(16);
        replies.count(&[0x82]).unwrap();
        let error = replies.count(&[17]).unwrap_err();
        assert_eq!(error.to_string(), "the reply begins [82, 11], expected [82, 10]");
    }
}
