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

/// What was read and not yet parsed. It is small, since it is there as long as the connection.
#[derive(Default)]
pub(crate) struct Input {
    /// Older than what is in `scratch`: what the HTTP server had read, or what had to be put aside. Never empty.
    carried: Option<Box<Bytes>>,
    scratch: Option<Box<[u8]>>,
    start: u32,
    end: u32,
}

impl Input {
    pub(crate) fn new(early: Bytes) -> Self {
        // Even an empty slice would keep the HTTP server's whole read buffer alive.
        let carried = (!early.is_empty()).then(|| Box::new(early));
        Self { carried, ..Self::default() }
    }

    /// The oldest bytes that are in one piece; empty when there are none.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match (&self.carried, &self.scratch) {
            (Some(carried), _) => carried,
            (None, Some(scratch)) => &scratch[self.start as usize..self.end as usize],
            (None, None) => &[],
        }
    }

    /// Removes the first `count` of [`bytes`](Self::bytes).
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        match &mut self.carried {
            None => self.start += count as u32,
            Some(carried) => {
                carried.advance(count);
                if carried.is_empty() {
                    // Also lets go of the buffer it was a part of.
                    self.carried = None;
                }
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
        let count = buf.filled().len();
        (self.start, self.end) = (0, count as u32);
        Poll::Ready(Ok(count))
    }

    /// Takes bytes that were read elsewhere, when everything was parsed.
    pub(crate) fn put(&mut self, bytes: Bytes) {
        debug_assert!(self.bytes().is_empty());
        self.carried = (!bytes.is_empty()).then(|| Box::new(bytes));
    }

    /// Throws away what was not parsed.
    pub(crate) fn clear(&mut self) {
        self.carried = None;
        self.start = self.end;
    }

    /// Gives the worker its buffer back, before the task sleeps; what was not parsed is put aside.
    pub(crate) fn park(&mut self) {
        if let Some(scratch) = self.scratch.take() {
            if self.start < self.end {
                // Then nothing is carried, or the bytes would not have been read.
                debug_assert!(self.carried.is_none());
                let rest = &scratch[self.start as usize..self.end as usize];
                self.carried = Some(Box::new(Bytes::copy_from_slice(rest)));
            }
            (self.start, self.end) = (0, 0);
            WORKER.set(Some(scratch));
        }
    }
}
