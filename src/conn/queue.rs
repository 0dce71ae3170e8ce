//! [`Queue`]: whole frames, one after the other.

use std::{collections::VecDeque, io::IoSlice, iter::once};

use bytes::Bytes;

use crate::protocol::frame::Header;

use super::rope::{MAX_SLICES, Rope};

/// Frames that wait. When it is empty it holds no memory worth speaking of.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    frames: Rope,
    /// The bytes of each frame.
    lens: VecDeque<usize>,
}

impl Queue {
    pub(crate) fn push(&mut self, header: &[u8], payload: &Bytes) {
        self.frames.push(header, payload);
        self.lens.push_back(header.len() + payload.len());
    }

    /// Their bytes, headers included.
    pub(crate) fn bytes(&self) -> usize {
        self.frames.len()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.lens.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lens.is_empty()
    }

    /// The first frame: its header, and its payload in pieces.
    pub(crate) fn front(&self) -> Option<(Header, impl Iterator<Item = &[u8]>)> {
        let mut pieces = self.frames.front(*self.lens.front()?);
        let first = pieces.next()?;
        // A header is never cut: it was copied to one place.
        let (header, size) = Header::parse(first, true).ok()??;
        Some((header, once(&first[size..]).chain(pieces)))
    }

    /// Drops the first frame; whether there was one.
    pub(crate) fn drop_front(&mut self) -> bool {
        let len = self.lens.pop_front();
        self.frames.advance(len.unwrap_or(0));
        len.is_some()
    }

    /// Moves the first frame to the end of `other`.
    pub(crate) fn move_front(&mut self, other: &mut Self) {
        if let Some(len) = self.lens.pop_front() {
            self.frames.move_to(&mut other.frames, len);
            other.lens.push_back(len);
        }
    }

    /// Moves all frames to the end of `other`.
    pub(crate) fn move_all(&mut self, other: &mut Self) {
        let bytes = self.frames.len();
        self.frames.move_to(&mut other.frames, bytes);
        other.lens.append(&mut self.lens);
    }

    /// Takes frames off the front, as many as `bytes` hold and at least one.
    pub(crate) fn take(&mut self, bytes: usize) -> Self {
        if self.bytes() <= bytes {
            return std::mem::take(self);
        }
        let mut taken = Self::default();
        while let Some(len) = self.lens.front()
            && (taken.is_empty() || taken.bytes() + len <= bytes)
        {
            self.move_front(&mut taken);
        }
        taken
    }

    /// Drops all frames and gives the memory back; how many there were.
    pub(crate) fn clear(&mut self) -> u64 {
        std::mem::take(self).lens.len() as u64
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
        let mut messages = 0;
        self.frames.advance(count);
        while count > 0 {
            let Some(len) = self.lens.pop_front() else { break };
            messages += 1;
            if count < len {
                self.frames.move_to(rest.get_or_insert_default(), len - count);
                break;
            }
            count -= len;
        }
        messages
    }
}
