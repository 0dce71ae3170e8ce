//! [`Scripted`]: a transport in memory that plays a client, and costs next to nothing itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Sends a request, then a batch of frames so many times, and takes whatever is written.
///
/// Between two batches a read finds nothing and wakes the task again at once, as a socket does whose next bytes come
/// when the last ones were answered.
pub struct Scripted {
    script: Arc<Script>,
    /// Which part is sent: the request, or one of the batches.
    part: usize,
    /// Bytes of the part that have been read.
    at: usize,
}

/// What is sent, shared by all connections that send the same.
pub struct Script {
    /// The opening request.
    pub request: &'static [u8],
    /// Frames, which are there all at once.
    pub batch: Vec<u8>,
    /// How often.
    pub batches: usize,
    /// What comes then.
    pub end: End,
}

/// What a client does that has sent all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It ends the stream.
    Hangup,
    /// It stays and says nothing.
    Silence,
}

impl Scripted {
    pub fn new(script: &Arc<Script>) -> Self {
        Self { script: script.clone(), part: 0, at: 0 }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let script = self.script.clone();
        if self.part > script.batches {
            return match script.end {
                End::Hangup => Poll::Ready(Ok(())),
                End::Silence => Poll::Pending,
            };
        }
        let bytes = if self.part == 0 { script.request } else { &script.batch };
        if self.at == bytes.len() {
            (self.part, self.at) = (self.part + 1, 0);
            if self.part <= script.batches || script.end == End::Hangup {
                cx.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        let part = (bytes.len() - self.at).min(buf.remaining());
        buf.put_slice(&bytes[self.at..self.at + part]);
        self.at += part;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
