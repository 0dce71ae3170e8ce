//! [`Batch`]: small messages that came together, copied out and unmasked at once.

use bytes::{Buf, Bytes, BytesMut};

use super::{frame::OpCode, mask};

/// They share an allocation of at most this many bytes: enough that an allocation per message is saved, little enough
/// that a kept message pins no big buffer.
const MAX: usize = 4096;

/// The longest payload that shares one.
const SMALL: usize = MAX / 2;

/// Messages in frames of their own, whole and unmasked, each behind its header still.
#[derive(Debug, Default)]
pub(super) struct Batch {
    frames: Bytes,
}

impl Batch {
    /// Takes such messages off the front of `input`, if there are several; none is longer than `max_payload`.
    pub(super) fn gather(&mut self, input: &mut &[u8], max_payload: usize) {
        let max_payload = max_payload.min(SMALL);
        let Some(first) = Small::parse(input) else { return };
        if first.len > max_payload || first.end() == input.len() {
            return;
        }
        // Most are as long as the first: then nothing is copied in vain.
        let mut unmasked = BytesMut::from(&input[..input.len().min(MAX - MAX % first.end())]);
        let (mut frames, mut end) = (0, 0);
        while let Some(small) = Small::parse(&unmasked[end..])
            && small.len <= max_payload
        {
            let payload = end + small.header;
            end += small.end();
            mask::apply(&mut unmasked[payload..end], small.key);
            frames += 1;
        }
        if frames > 1 {
            *input = &input[end..];
            unmasked.truncate(end);
            self.frames = unmasked.freeze();
        }
    }

    /// The next message. The last one takes the allocation with it.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(OpCode, Bytes)> {
        let small = Small::parse(&self.frames)?;
        self.frames.advance(small.header);
        Some((small.opcode, self.frames.split_to(small.len)))
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// Where in a frame its payload is.
struct Small {
    opcode: OpCode,
    key: [u8; 4],
    header: usize,
    len: usize,
}

impl Small {
    /// The frame that `bytes` begin with, if it is here whole and a message of its own, not compressed and not large.
    #[inline]
    fn parse(bytes: &[u8]) -> Option<Self> {
        // No masked frame has a header under six bytes.
        let &[first, second, third, fourth, fifth, sixth] = bytes.first_chunk()?;
        let opcode = match first {
            0x81 => OpCode::Text,
            0x82 => OpCode::Binary,
            _ => return None,
        };
        let (header, len, key) = match second {
            0x80..=0xFD => (6, usize::from(second & 0x7F), [third, fourth, fifth, sixth]),
            0xFE => (8, usize::from(u16::from_be_bytes([third, fourth])), *bytes[4..].first_chunk()?),
            _ => return None,
        };
        if bytes.len() < header + len {
            return None;
        }
        Some(Self { opcode, key, header, len })
    }

    fn end(&self) -> usize {
        self.header + self.len
    }
}
