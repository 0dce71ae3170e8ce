//! [`Input`]: bytes that were read and not yet parsed, in a buffer that belongs to the worker thread.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

/// How much one read takes.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// The worker's buffer, while no session on this thread has it. A connection that waits holds none.
    static WORKER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// What was read and not yet parsed.
#[derive(Default)]
pub(crate) struct Input {
    /// Older than what is in `scratch`: what the HTTP server had read, or what had to be put aside.
    carried: Bytes,
    scratch: Option<Box<[u8]>>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn new(early: Bytes) -> Self {
        // Even an empty slice would keep the HTTP server's whole read buffer alive.
        let carried = if early.is_empty() { Bytes::new() } else { early };
        Self { carried, ..Self::default() }
    }

    /// The oldest bytes that are in one piece; empty when there are none.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.scratch {
            Some(scratch) if self.carried.is_empty() => &scratch[self.start..self.end],
            _ => &self.carried,
        }
    }

    /// Removes the first `count` of [`bytes`](Self::bytes).
    pub(crate) fn advance(&mut self, count: usize) {
        if self.carried.is_empty() {
            self.start += count;
        } else {
            self.carried.advance(count);
            if self.carried.is_empty() {
                // Also lets go of the buffer it was a part of.
                self.carried = Bytes::new();
            }
        }
    }

    /// Reads once, when everything was parsed; 0 at the end of the stream.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncRead + Unpin),
    ) -> Poll<io::Result<usize>> {
        debug_assert!(self.bytes().is_empty());
        // None there: this is the thread's first read, or a session further up its stack has it.
        let scratch = self
            .scratch
            .get_or_insert_with(|| WORKER.take().unwrap_or_else(|| vec![0; SCRATCH].into_boxed_slice()));
        let mut buf = ReadBuf::new(scratch);
        ready!(Pin::new(io).poll_read(cx, &mut buf))?;
        (self.start, self.end) = (0, buf.filled().len());
        Poll::Ready(Ok(self.end))
    }

    /// Takes bytes that were read elsewhere, when everything was parsed.
    pub(crate) fn put(&mut self, bytes: Bytes) {
        debug_assert!(self.bytes().is_empty());
        self.carried = bytes;
    }

    /// Throws away what was not parsed.
    pub(crate) fn clear(&mut self) {
        self.carried = Bytes::new();
        self.start = self.end;
    }

    /// Gives the worker its buffer back, before the task sleeps; what was not parsed is put aside.
    pub(crate) fn park(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            if self.start < self.end {
                // Then `carried` is empty, or the bytes would not have been read.
                debug_assert!(self.carried.is_empty());
                self.carried = Bytes::copy_from_slice(&scratch[self.start..self.end]);
            }
            (self.start, self.end) = (0, 0);
            WORKER.set(Some(scratch));
        }
    }
}
