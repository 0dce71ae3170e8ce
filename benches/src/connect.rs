//! Opens connections, up to where frames may flow.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::server::Protocol;

/// How long any server may take over anything; it only bounds a failure.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The key of §1.3, with [`ACCEPT`] as its only right answer.
const REQUEST: &str = "GET / HTTP/1.1\r\n\
    Host: localhost\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A blocking connection whose opening handshake, where the protocol has one, is done.
pub fn open(address: SocketAddr, protocol: Protocol) -> Result<TcpStream> {
    let mut stream =
        TcpStream::connect_timeout(&address, PATIENCE).with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if protocol == Protocol::WebSocket {
        handshake(&mut stream).context("the opening handshake")?;
    }
    Ok(stream)
}

/// Reads once, where an end of the stream or a timeout is an error.
pub fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
    match stream.read(buffer) {
        Ok(0) => bail!("the server closed the connection"),
        Ok(length) => Ok(length),
        Err(error) if error.kind() == ErrorKind::WouldBlock => bail!("no answer within {PATIENCE:?}"),
        Err(error) => Err(error.into()),
    }
}

fn handshake(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(REQUEST.as_bytes())?;
    let mut response = Vec::new();
    let mut buffer = [0; 2048];
    while !response.ends_with(b"\r\n\r\n") {
        let length = read(stream, &mut buffer)?;
        response.extend(&buffer[..length]);
        ensure!(response.len() <= 8192, "more than 8 KiB and no end");
    }
    let response = String::from_utf8_lossy(&response);
    let accepted = response.starts_with("HTTP/1.1 101 ") && response.contains(ACCEPT);
    ensure!(accepted, "the server answered:\n{response}");
    Ok(())
}
