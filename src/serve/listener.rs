//! [`Listener`]: where transports come from.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// Where a server's transports come from: TCP, Unix sockets, or what an application makes up.
pub trait Listener: Send + 'static {
    /// A transport, before TLS if there is any.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next transport, and tells who is at its other end if that has an IP address.
    ///
    /// The future may be dropped before it is ready, and then no transport may be lost. No error ends the server:
    /// after one that is about a single connection (aborted, refused, reset) it goes on at once, after any other it
    /// pauses, from 10 ms up to 1 s.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Option<SocketAddr>)>> + Send;
}

/// With `TCP_NODELAY`: what is worth waiting for has been gathered before it is written.
impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Fails only if the peer is gone already, which is noticed soon enough.
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(peer)))
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;

    async fn accept(&mut self) -> io::Result<(Self::Io, Option<SocketAddr>)> {
        let (stream, _) = tokio::net::UnixListener::accept(self).await?;
        Ok((stream, None))
    }
}
