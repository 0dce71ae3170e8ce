//! yawc as its README measures it: up to 32 messages that are there are answered with one flush.
//!
//! Buffers as they are by default: the README's larger ones are faster with many messages and cost each connection
//! 128 KiB. Compression is agreed to when the client offers it.

mod listen;

use futures_util::{FutureExt, SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use yawc::{CompressionLevel, OpCode, Options, WebSocket, WebSocketError};

const BATCH: usize = 32;
const LARGEST: usize = 16 * 1024 * 1024;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = listen::listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).with_upgrades();
        tokio::spawn(server);
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let options = Options::default()
        .with_limits(LARGEST, 2 * LARGEST)
        .with_backpressure_boundary(64 * 1024)
        .with_compression_level(CompressionLevel::fast());
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async move {
        // It ends with an error where the peer goes without a close, which is no affair of an echo's.
        let Ok(socket) = upgraded.await else { return };
        let _ = echo(socket).await;
    });
    Ok(response)
}

async fn echo<S>(mut socket: WebSocket<S>) -> Result<(), WebSocketError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(frame) = socket.next().await {
        let mut next = Some(frame);
        for _ in 0..BATCH {
            let Some(frame) = next.take() else { break };
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                socket.feed(frame).await?;
            }
            next = socket.next().now_or_never().flatten();
        }
        if let Some(frame) = next
            && matches!(frame.opcode(), OpCode::Text | OpCode::Binary)
        {
            socket.feed(frame).await?;
        }
        socket.flush().await?;
    }
    Ok(())
}
