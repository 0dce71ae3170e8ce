//! [`Stream`]: a connection of the generator, over TCP or over TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Over TCP as it is, or with TLS in between.
#[derive(Debug)]
pub enum Stream {
    /// What is written is what is sent.
    Tcp(TcpStream),
    /// What is written is encrypted in this thread.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Puts TLS around a blocking connection and makes its handshake.
    pub fn tls(mut tcp: TcpStream, config: Arc<ClientConfig>) -> anyhow::Result<Self> {
        let mut connection = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, tcp))))
    }

    /// From here on reading and writing return at once.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.tcp().set_nonblocking(true)
    }

    /// Whether a read that did not fill its buffer has emptied the socket (epoll(7)), so that the next bytes are a
    /// new edge. TLS gives out one record at a time.
    pub fn short_read_is_all(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp().as_fd()
    }
}
