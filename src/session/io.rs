//! [`Io`]: the transport under a connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What the HTTP server handed over: plain TCP as itself, so that nothing stands between us and the socket, and
/// everything else (TLS, HTTP/2, memory) as it comes.
///
/// Of TCP the session has the half that reads; the other one belongs to the connection's state, so that whoever holds
/// its lock can write.
pub(crate) enum Io {
    Tcp(OwnedReadHalf),
    Other(Box<TokioIo<Upgraded>>),
}

impl Io {
    /// Unwraps what was upgraded. The bytes are what the server had read beyond the request.
    pub(crate) fn new(upgraded: Upgraded) -> (Self, Option<OwnedWriteHalf>, Bytes) {
        // hyper-util's automatic server wraps the stream once more; hyper's own does not.
        let upgraded = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => return Self::tcp(parts.io.into_inner(), parts.read_buf),
            Err(upgraded) => upgraded,
        };
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => Self::tcp(parts.io.into_inner(), parts.read_buf),
            Err(upgraded) => (Self::Other(Box::new(TokioIo::new(upgraded))), None, Bytes::new()),
        }
    }

    fn tcp(stream: TcpStream, early: Bytes) -> (Self, Option<OwnedWriteHalf>, Bytes) {
        let (read, write) = stream.into_split();
        (Self::Tcp(read), Some(write), early)
    }

    /// What is written to, given the other half of TCP.
    pub(crate) fn sink<'a>(
        &'a mut self,
        tcp: Option<&'a mut OwnedWriteHalf>,
    ) -> Option<&'a mut (dyn AsyncWrite + Unpin)> {
        match self {
            Self::Tcp(_) => tcp.map(|tcp| tcp as _),
            Self::Other(io) => Some(&mut **io),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(io) => Pin::new(io).poll_read(cx, buf),
            Self::Other(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}
