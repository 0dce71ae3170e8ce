//! [`Rope`]: bytes to be written, the small ones copied together, the large ones by reference.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes, BytesMut};

/// Up to this many bytes a copy costs less than a reference of its own in the `writev`.
const COPY_MAX: usize = 2048;

/// What a chunk grows by, at least.
const GROW: usize = 1024;

/// A chunk of this size does not grow any more, so that growing never moves much: the next one begins.
const CHUNK_FULL: usize = 4 * 1024;

/// The size of a chunk that follows a full one.
const NEXT_CHUNK: usize = 16 * 1024;

/// As many slices as one `writev` gets.
pub(crate) const MAX_SLICES: usize = 32;

/// A queue of bytes. When it is empty it holds no memory worth speaking of.
#[derive(Debug, Default)]
pub(crate) struct Rope {
    chunks: VecDeque<Chunk>,
    len: usize,
}

#[derive(Debug)]
enum Chunk {
    Copied(BytesMut),
    Shared(Bytes),
}

impl Rope {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a frame: its header, and its payload copied or shared by its size.
    #[inline]
    pub(crate) fn push(&mut self, header: &[u8], payload: &Bytes) {
        self.len += header.len() + payload.len();
        let copied = payload.len() <= COPY_MAX;
        let needed = header.len() + if copied { payload.len() } else { 0 };
        let fits = |chunk: &BytesMut| chunk.capacity() - chunk.len() >= needed;
        let chunk = match self.chunks.back_mut() {
            Some(Chunk::Copied(chunk)) if fits(chunk) => chunk,
            Some(Chunk::Copied(chunk)) if chunk.len() < CHUNK_FULL => {
                // It is not the first frame here, and will hardly be the last.
                chunk.reserve(needed.max(GROW));
                chunk
            }
            Some(Chunk::Copied(_)) => self.push_chunk(NEXT_CHUNK),
            _ => self.push_chunk(needed),
        };
        match header.first_chunk::<2>() {
            // Of a known size, so that no call copies two bytes.
            Some(short) if header.len() == 2 => chunk.extend_from_slice(short),
            _ => chunk.extend_from_slice(header),
        }
        if copied {
            chunk.extend_from_slice(payload);
        } else {
            self.chunks.push_back(Chunk::Shared(payload.clone()));
        }
    }

    /// Appends a frame in one piece, which is not copied.
    pub(crate) fn push_whole(&mut self, frame: Bytes) {
        self.len += frame.len();
        self.chunks.push_back(Chunk::Shared(frame));
    }

    fn push_chunk(&mut self, capacity: usize) -> &mut BytesMut {
        let chunk = Chunk::Copied(BytesMut::with_capacity(capacity));
        self.chunks.push_back(chunk);
        match self.chunks.back_mut() {
            Some(Chunk::Copied(chunk)) => chunk,
            _ => unreachable!("it was just put there"),
        }
    }

    /// Removes the first `count` bytes.
    pub(crate) fn advance(&mut self, mut count: usize) {
        self.len -= count;
        while count > 0 {
            let Some(chunk) = self.chunks.front_mut() else { break };
            if chunk.len() > count {
                chunk.advance(count);
                return;
            }
            count -= chunk.len();
            self.chunks.pop_front();
        }
    }

    /// The first `count` bytes, in pieces.
    pub(crate) fn front(&self, mut count: usize) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map_while(move |chunk| {
            let piece = chunk.as_slice();
            let piece = &piece[..piece.len().min(count)];
            count -= piece.len();
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// Moves the first `count` bytes to the end of `other`.
    pub(crate) fn move_to(&mut self, other: &mut Self, mut count: usize) {
        self.len -= count;
        other.len += count;
        while count > 0 {
            let Some(mut chunk) = self.chunks.pop_front() else { break };
            if chunk.len() > count {
                other.chunks.push_back(chunk.split_to(count));
                self.chunks.push_front(chunk);
                return;
            }
            count -= chunk.len();
            other.chunks.push_back(chunk);
        }
    }

    /// The bytes in order, as many slices as fit into `slices` behind the first `used`; how many are used then.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES], mut used: usize) -> usize {
        for (slot, chunk) in slices[used..].iter_mut().zip(&self.chunks) {
            *slot = IoSlice::new(chunk.as_slice());
            used += 1;
        }
        used
    }
}

impl Chunk {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Copied(bytes) => bytes.advance(count),
            Self::Shared(bytes) => bytes.advance(count),
        }
    }

    fn split_to(&mut self, count: usize) -> Self {
        match self {
            // A copy, so that what is left of a small frame does not keep a whole chunk alive.
            Self::Copied(bytes) => {
                let front = BytesMut::from(&bytes[..count]);
                bytes.advance(count);
                Self::Copied(front)
            }
            Self::Shared(bytes) => Self::Shared(bytes.split_to(count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(rope: &Rope) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = rope.fill(&mut slices, 0);
        slices[..used].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    fn sample() -> (Rope, Vec<u8>) {
        let mut rope = Rope::default();
        let mut bytes = Vec::new();
        for (i, len) in [0, 3, COPY_MAX, COPY_MAX + 1, 5, 3 * COPY_MAX].into_iter().enumerate() {
            let payload = Bytes::from(vec![i as u8; len]);
            rope.push(&[0xFF, i as u8], &payload);
            bytes.extend_from_slice(&[0xFF, i as u8]);
            bytes.extend_from_slice(&payload);
        }
        (rope, bytes)
    }

    #[test]
    fn a_rope_is_the_bytes_that_were_pushed_wherever_it_is_cut() {
        let (_, bytes) = sample();
        for cut in 0..=bytes.len() {
            let (mut rope, _) = sample();
            rope.advance(cut);
            assert_eq!(rope.len(), bytes.len() - cut);
            assert_eq!(content(&rope), bytes[cut..], "advanced by {cut}");

            let (mut rope, _) = sample();
            let mut front = Rope::default();
            rope.move_to(&mut front, cut);
            assert_eq!((front.len(), rope.len()), (cut, bytes.len() - cut));
            assert_eq!(content(&front), bytes[..cut], "moved {cut}");
            assert_eq!(content(&rope), bytes[cut..], "left after {cut}");
        }
    }

    #[test]
    fn a_large_payload_is_shared_and_not_copied() {
        let payload = Bytes::from(vec![7; COPY_MAX + 1]);
        let mut rope = Rope::default();
        rope.push(b"h", &payload);
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        assert_eq!(rope.fill(&mut slices, 0), 2);
        assert_eq!(slices[1].as_ptr(), payload.as_ptr());
    }
}
