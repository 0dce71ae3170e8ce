//! The payload of a compressed message (RFC 7692 §7.2.1).

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, FlushCompress};

use super::{MAX_WINDOW_BITS, TAIL};

/// How many compressors a thread keeps: one for each level and window that it was last asked for.
const KEPT: usize = 3;

/// What a compressor with this window holds; `tests/memory` holds the figure.
pub(super) fn memory(window_bits: u8) -> usize {
    244 * 1024 + (4 << window_bits)
}

thread_local! {
    static WORKER: RefCell<Worker> = const { RefCell::new(Worker { compressors: Vec::new(), out: Vec::new() }) };
}

/// What a thread lends to connections without context takeover.
struct Worker {
    /// The last used one first.
    compressors: Vec<(Way, Compressor)>,
    out: Vec<u8>,
}

/// What was agreed for the messages of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(super) level: u8,
    pub(super) min_size: usize,
    pub(super) window_bits: u8,
    pub(super) takeover: bool,
}

/// How one message is compressed by itself. What is compressed in the same way is the same for all connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    level: u8,
    window_bits: u8,
}

impl Outgoing {
    /// Whether a message may refer to earlier ones: then the session compresses one after the other.
    pub(crate) fn takeover(&self) -> bool {
        self.takeover
    }

    /// How a message of `len` bytes is compressed without regard to others; `None` if it is not.
    pub(crate) fn way(&self, len: usize) -> Option<Way> {
        if self.takeover || !self.is_worth(len) {
            return None;
        }
        // Nothing is referred to at a distance beyond its own length: it need not be compressed for a smaller window.
        let fits = len <= 1 << self.window_bits;
        let window_bits = if fits { MAX_WINDOW_BITS } else { self.window_bits };
        Some(Way { level: self.level, window_bits })
    }

    /// Whether a message of `len` bytes is compressed at all. An empty one never: there is nothing to gain, and
    /// a compressor that has just been flushed has nothing to flush.
    pub(crate) fn is_worth(&self, len: usize) -> bool {
        len >= self.min_size.max(1)
    }
}

impl Way {
    /// The payload compressed; `None` if it does not become smaller.
    pub(crate) fn compress(self, payload: &[u8]) -> Option<Bytes> {
        WORKER.with_borrow_mut(|Worker { compressors, out }| {
            match compressors.iter().position(|(way, _)| *way == self) {
                Some(at) => compressors[..=at].rotate_right(1),
                None => {
                    compressors.truncate(KEPT - 1);
                    compressors.insert(0, (self, Compressor::new(self.level, self.window_bits)));
                }
            }
            let compressor = &mut compressors[0].1;
            out.clear();
            compressor.message([payload], out);
            compressor.0.reset();
            let compressed = (out.len() < payload.len()).then(|| Bytes::copy_from_slice(out));
            out.shrink_to(64 * 1024);
            compressed
        })
    }
}

/// Compresses one message after the other, each of which may refer to those before it.
pub(crate) struct Compressor(Compress);

impl Compressor {
    pub(crate) fn with_context(outgoing: &Outgoing) -> Self {
        Self::new(outgoing.level, outgoing.window_bits)
    }

    fn new(level: u8, window_bits: u8) -> Self {
        let level = flate2::Compression::new(u32::from(level));
        Self(Compress::new_with_window_bits(level, false, window_bits))
    }

    /// Appends what a message that is in `pieces` becomes to `out`.
    pub(crate) fn message<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
        for piece in pieces {
            self.push(piece, FlushCompress::None, out);
        }
        self.push(&[], FlushCompress::Sync, out);
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
    }

    fn push(&mut self, mut piece: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            // Room for a flush (at most 6 bytes) in any case, or it would be begun again and again.
            out.reserve(64 + piece.len() / 2);
            let before = self.0.total_in();
            // It only fails where a stream is ended, which none is. A lack of progress is no error.
            let status = self.0.compress_vec(piece, out, flush);
            debug_assert!(status.is_ok(), "{status:?}");
            piece = &piece[(self.0.total_in() - before) as usize..];
            // Room that was left is the sign that nothing waits inside.
            if piece.is_empty() && out.len() < out.capacity() {
                return;
            }
        }
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}
