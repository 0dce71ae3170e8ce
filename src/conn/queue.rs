//! [`Queue`]: whole frames, one after the other.

use std::{io::IoSlice, iter::once};

use bytes::Bytes;

use crate::protocol::frame::{Header, MAX_HEADER};

use super::rope::{MAX_SLICES, Rope};

/// Frames that wait. When it is empty it holds no memory worth speaking of.
///
/// Where one ends its header says: that is read only where not all of them leave together.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    frames: Rope,
    count: usize,
}

impl Queue {
    #[inline]
    pub(crate) fn push(&mut self, header: &[u8], payload: &Bytes) {
        self.frames.push(header, payload);
        self.count += 1;
    }

    /// As [`push`](Self::push), for a frame in one piece, which is not copied.
    pub(crate) fn push_whole(&mut self, frame: Bytes) {
        self.frames.push_whole(frame);
        self.count += 1;
    }

    /// Their bytes, headers included.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first frame: its header, and its payload in pieces.
    pub(crate) fn front(&self) -> Option<(Header, impl Iterator<Item = &[u8]>)> {
        let (header, size) = self.front_header()?;
        let mut pieces = self.frames.front(size + header.len as usize);
        let first = pieces.next()?;
        Some((header, once(&first[size..]).chain(pieces)))
    }

    /// The header of the first frame, and its size.
    fn front_header(&self) -> Option<(Header, usize)> {
        // A header is never cut: it is in one place.
        Header::parse(self.frames.front(MAX_HEADER).next()?, true).ok()?
    }

    /// Bytes of the first frame, header included; 0 if there is none.
    fn front_len(&self) -> usize {
        self.front_header().map_or(0, |(header, size)| size + header.len as usize)
    }

    /// Drops the first frame; whether there was one.
    pub(crate) fn drop_front(&mut self) -> bool {
        if self.is_empty() {
            return false;
        }
        self.frames.advance(self.front_len());
        self.count -= 1;
        true
    }

    /// Moves the first frame to the end of `other`.
    pub(crate) fn move_front(&mut self, other: &mut Self) {
        if !self.is_empty() {
            self.frames.move_to(&mut other.frames, self.front_len());
            self.count -= 1;
            other.count += 1;
        }
    }

    /// Moves all frames to the end of `other`.
    pub(crate) fn move_all(&mut self, other: &mut Self) {
        let bytes = self.frames.len();
        self.frames.move_to(&mut other.frames, bytes);
        other.count += std::mem::take(&mut self.count);
    }

    /// Takes frames off the front, as many as `bytes` hold and at least one.
    pub(crate) fn take(&mut self, bytes: usize) -> Self {
        if self.bytes() <= bytes {
            return std::mem::take(self);
        }
        let mut taken = Self::default();
        while !self.is_empty() && (taken.is_empty() || taken.bytes() + self.front_len() <= bytes) {
            self.move_front(&mut taken);
        }
        taken
    }

    /// Drops all frames and gives the memory back; how many there were.
    pub(crate) fn clear(&mut self) -> u64 {
        std::mem::take(self).count as u64
    }

    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; MAX_SLICES], used: usize) -> usize {
        self.frames.fill(slices, used)
    }

    /// The transport took `count` bytes. What is left of a frame it took only a part of moves to `rest`. Returns
    /// how many frames were taken, that one included.
    pub(crate) fn written(&mut self, mut count: usize, rest: &mut Option<Box<Rope>>) -> u64 {
        if count == self.frames.len() {
            return self.clear();
        }
        let before = self.count;
        while count > 0 && self.count > 0 {
            let len = self.front_len();
            self.count -= 1;
            self.frames.advance(len.min(count));
            if count < len {
                self.frames.move_to(rest.get_or_insert_default(), len - count);
                break;
            }
            count -= len;
        }
        (before - self.count) as u64
    }
}
