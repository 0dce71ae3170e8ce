//! A server that does what a test says, over pipes in memory.
#![allow(clippy::result_large_err, reason = "the callbacks of tungstenite's handshake are so")]

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use gustnado::{
    client::{Builder, Client},
    commands::{Codec, JSON, MESSAGE_PACK},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        protocol::CloseFrame,
    },
};

/// Time stands still in these tests, but where they wait; so this is as good as at once.
pub(super) const NOW: Duration = Duration::from_millis(1);

/// Where clients of a test try to connect.
pub(super) struct Server {
    attempts: mpsc::Receiver<DuplexStream>,
    codec: Codec,
}

/// The server's end of a connection.
pub(super) struct Peer<T = DuplexStream> {
    socket: WebSocketStream<T>,
    codec: Codec,
    pub(super) path: String,
    pub(super) headers: http::HeaderMap,
}

/// A server, and what its clients are built from.
pub(super) fn server(codec: Codec) -> (Server, Builder) {
    let (attempt, attempts) = mpsc::channel(16);
    let builder = Client::builder("ws://server/ws").codec(codec).transport(move || {
        let (client, server) = duplex(64 * 1024);
        let attempted = attempt.try_send(server).map_err(std::io::Error::other);
        async move { attempted.map(|()| client) }
    });
    (Server { attempts, codec }, builder)
}

impl Server {
    /// The next attempt to connect, which comes within this time.
    pub(super) async fn attempt(&mut self, within: Duration) -> Option<(DuplexStream, Duration)> {
        let start = Instant::now();
        let pipe = timeout(within, self.attempts.recv()).await.ok()??;
        Some((pipe, start.elapsed()))
    }

    /// Lets the next client in.
    pub(super) async fn accept(&mut self) -> Peer {
        let (pipe, _) = self.attempt(Duration::from_secs(600)).await.expect("a client tries to connect");
        self.open(pipe).await
    }

    pub(super) async fn open(&self, pipe: DuplexStream) -> Peer {
        open(pipe, self.codec).await
    }

    /// Answers the next client with a status.
    pub(super) async fn refuse(&mut self, status: u16, retry_after: Option<&'static str>) {
        let (pipe, _) = self.attempt(Duration::from_secs(600)).await.expect("a client tries to connect");
        let refuse = |_: &Request, _: Response| {
            let mut response = ErrorResponse::new(None);
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            if let Some(retry_after) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(retry_after));
            }
            Err(response)
        };
        accept_hdr_async(pipe, refuse).await.expect_err("it was refused");
    }
}

/// Lets a client in.
pub(super) async fn open<T: AsyncRead + AsyncWrite + Unpin>(io: T, codec: Codec) -> Peer<T> {
    let (mut path, mut headers) = (String::new(), http::HeaderMap::new());
    let protocol = match codec {
        Codec::Json => JSON,
        Codec::MessagePack => MESSAGE_PACK,
    };
    let choose = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().to_string();
        headers = request.headers().clone();
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        Ok(response)
    };
    let socket = accept_hdr_async(io, choose).await.expect("a client of ours");
    Peer { socket, codec, path, headers }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    /// The client's next command, if it comes within this time.
    pub(super) async fn next(&mut self, within: Duration) -> Option<Value> {
        let next = async {
            loop {
                match self.socket.next().await?.ok()? {
                    Message::Text(text) => return serde_json::from_str(&text).ok(),
                    Message::Binary(bytes) => return rmp_serde::from_slice(&bytes).ok(),
                    Message::Close(_) => return None,
                    _ => {}
                }
            }
        };
        timeout(within, next).await.ok()?
    }

    /// The client's next message, which is text.
    pub(super) async fn text(&mut self) -> String {
        let message = self.socket.next().await.expect("a message").expect("the client is there");
        message.into_text().expect("text").to_string()
    }

    /// How the client closed.
    pub(super) async fn closed(&mut self) -> Option<(u16, String)> {
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
            }
        }
        None
    }

    pub(super) async fn say(&mut self, frame: &Value) {
        let message = match self.codec {
            Codec::Json => Message::text(frame.to_string()),
            Codec::MessagePack => Message::binary(rmp_serde::to_vec_named(frame).expect("a frame")),
        };
        self.socket.send(message).await.expect("the client is there");
    }

    pub(super) async fn close(mut self, frame: Option<(u16, &str)>) {
        let frame = frame.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() });
        self.socket.close(frame).await.expect("the client is there");
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
