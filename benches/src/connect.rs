//! Opens connections, up to where frames may flow.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::dialect::{Deflate, Dialect};
use crate::server::Protocol;
use crate::stream::Stream;
use crate::wire;

/// How long any server may take over anything; it only bounds a failure.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The answer to the key of §1.3, which [`request`] sends.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The opening request.
pub fn request(dialect: &Dialect) -> String {
    let path = match dialect.protocol {
        Protocol::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        Protocol::WebSocket | Protocol::Raw => "/",
    };
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n",
        dialect.offer()
    )
}

/// A TCP connection with which neither side waits for more to send, and on which no failure takes for ever.
pub fn tcp(address: SocketAddr) -> Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A blocking connection whose handshakes, those that the dialect has, are done.
pub fn open(address: SocketAddr, dialect: &Dialect) -> Result<Stream> {
    let mut stream = match &dialect.tls {
        None => Stream::Tcp(tcp(address)?),
        Some(config) => Stream::tls(tcp(address)?, config.clone()).context("the handshake of TLS")?,
    };
    if dialect.protocol != Protocol::Raw {
        handshake(&mut stream, dialect).context("the opening handshake")?;
    }
    Ok(stream)
}

/// Reads once, where an end of the stream or a timeout is an error.
pub fn read(stream: &mut Stream, buffer: &mut [u8]) -> Result<usize> {
    match stream.read(buffer) {
        Ok(0) => bail!("the server closed the connection"),
        Ok(length) => Ok(length),
        Err(error) if error.kind() == ErrorKind::WouldBlock => bail!("no answer within {PATIENCE:?}"),
        Err(error) => Err(error.into()),
    }
}

/// The next frame's header byte and payload.
pub fn read_frame(stream: &mut Stream) -> Result<(u8, Vec<u8>)> {
    let mut header = [0; 2];
    stream.read_exact(&mut header)?;
    let mut longer = [0; 8];
    let extended = wire::extended_length(header[1]);
    stream.read_exact(&mut longer[8 - extended..])?;
    let length = if extended == 0 { u64::from(header[1]) } else { u64::from_be_bytes(longer) };
    ensure!(length <= 1 << 20, "a frame of {length} bytes");
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload)?;
    Ok((header[0], payload))
}

/// Whether this is the end of a good answer to [`request`].
///
/// # Errors
///
/// When it ends and is no good.
pub fn answered(response: &[u8], dialect: &Dialect) -> Result<bool> {
    if !response.ends_with(b"\r\n\r\n") {
        ensure!(response.len() <= 8192, "more than 8 KiB and no end");
        return Ok(false);
    }
    let response = String::from_utf8_lossy(response);
    let accepted = response.starts_with("HTTP/1.1 101 ") && response.contains(ACCEPT);
    ensure!(accepted, "the server answered:\n{response}");
    let takeover = response.contains("permessage-deflate").then(|| !response.contains("server_no_context"));
    let agreed = takeover.map(|takeover| if takeover { Deflate::Takeover } else { Deflate::Alone });
    ensure!(agreed == dialect.deflate, "agreed to {agreed:?}, not {:?}:\n{response}", dialect.deflate);
    Ok(true)
}

fn handshake(stream: &mut Stream, dialect: &Dialect) -> Result<()> {
    stream.write_all(request(dialect).as_bytes())?;
    let mut response = Vec::new();
    // Byte by byte, for a server may send a frame behind it: Engine.IO does.
    let mut byte = [0];
    while !answered(&response, dialect)? {
        read(stream, &mut byte)?;
        response.extend(byte);
    }
    if dialect.protocol == Protocol::SocketIo {
        open_namespace(stream)?;
    }
    Ok(())
}

/// What Engine.IO and Socket.IO say before the first event: the one opens and pings, the other joins a namespace.
fn open_namespace(stream: &mut Stream) -> Result<()> {
    let opened = read_frame(stream)?.1;
    ensure!(opened.starts_with(b"0{"), "Engine.IO did not open the connection");
    stream.write_all(&wire::masked_text(b"40"))?;
    // In either order; the next ping comes after 25 s.
    for _ in 0..2 {
        match read_frame(stream)?.1.as_slice() {
            b"2" => stream.write_all(&wire::masked_text(b"3"))?,
            other => ensure!(other.starts_with(b"40{"), "Socket.IO did not open the namespace"),
        }
    }
    Ok(())
}
