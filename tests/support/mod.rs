//! The vocabulary of the tests: a handler served by hyper in memory, and a client that speaks in frames.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, async_trait};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tower::Service;

/// How many bytes the transport in memory takes before it pushes back.
pub const PIPE: usize = 16 * 1024;

/// The RFC's own key (§1.3) and the answer to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request that opens a connection, for tests that spoil it.
pub fn request() -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// The same with more headers, each a whole line without its end.
pub fn request_with(path: &str, headers: &[&str]) -> String {
    let mut request = request().replacen("/ws", path, 1);
    for header in headers {
        request.insert_str(request.len() - 2, &format!("{header}\r\n"));
    }
    request
}

/// Serves one connection of HTTP/1.1 in memory, and gives the client's end of it.
pub fn serve<S, R>(service: S) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: http_body::Body + Send + 'static,
    R::Data: Send,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_with_pipe(service, PIPE)
}

/// As [`serve`], with a transport that takes `pipe` bytes.
pub fn serve_with_pipe<S, R>(service: S, pipe: usize) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: http_body::Body + Send + 'static,
    R::Data: Send,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (client, server) = duplex(pipe);
    tokio::spawn(
        http1::Builder::new()
            .serve_connection(TokioIo::new(server), TowerToHyperService::new(service))
            .with_upgrades(),
    );
    client
}

/// A client that has an open connection to `handler`.
pub async fn connect(handler: &Handler) -> Client {
    connect_with(handler, &request()).await
}

/// As [`connect`], by a request of one's own.
pub async fn connect_with(handler: &Handler, request: &str) -> Client {
    Client::new(serve(handler.clone())).open(request).await
}

/// What came back for a request.
pub async fn answer_to(handler: &Handler, request: &str) -> Answer {
    Client::new(serve(handler.clone())).ask(request).await
}

/// The answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// A frame that no server should send.
    Odd(u8, Vec<u8>),
    /// The server ended the transport.
    End,
}

impl Frame {
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub fn close(code: u16, reason: &str) -> Self {
        Self::Close(Some((code, reason.into())))
    }
}

/// One end of a transport, spoken to in bytes and frames.
pub struct Client<T = DuplexStream> {
    pub io: T,
}

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    pub fn new(io: T) -> Self {
        Self { io }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the server reads");
        // TLS may have kept some of it.
        self.io.flush().await.expect("the server reads");
    }

    pub async fn text(&mut self, text: &str) {
        self.write(&frame(TEXT, text.as_bytes())).await;
    }

    pub async fn binary(&mut self, data: &[u8]) {
        self.write(&frame(BINARY, data)).await;
    }

    pub async fn ping(&mut self, payload: &[u8]) {
        self.write(&frame(PING, payload)).await;
    }

    pub async fn pong(&mut self, payload: &[u8]) {
        self.write(&frame(PONG, payload)).await;
    }

    pub async fn close(&mut self, code: u16, reason: &str) {
        self.write(&close_frame(code, reason)).await;
    }

    /// The next frame, [`Frame::End`] when there is none.
    pub async fn next(&mut self) -> Frame {
        let Ok(first) = self.io.read_u8().await else { return Frame::End };
        let second = self.io.read_u8().await.expect("a whole header");
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let len = match second {
            126 => usize::from(self.io.read_u16().await.expect("a whole header")),
            127 => self.io.read_u64().await.expect("a whole header") as usize,
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.io.read_exact(&mut payload).await.expect("a whole frame");
        match first {
            0x81 => Frame::Text(String::from_utf8(payload).expect("text is UTF-8")),
            0x82 => Frame::Binary(payload),
            0x88 if payload.is_empty() => Frame::Close(None),
            0x88 => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                Frame::Close(Some((
                    code,
                    String::from_utf8(payload[2..].to_vec()).expect("a reason is UTF-8"),
                )))
            }
            0x89 => Frame::Ping(payload),
            0x8A => Frame::Pong(payload),
            odd => Frame::Odd(odd, payload),
        }
    }

    /// Closes with 1000, and waits for the answer and the end; what comes before is skipped.
    pub async fn bye(&mut self) {
        self.close(1000, "").await;
        loop {
            match self.next().await {
                Frame::Close(code) => {
                    assert_eq!(code, Some((1000, String::new())));
                    assert_eq!(self.next().await, Frame::End);
                    return;
                }
                Frame::End => panic!("the server ended without a close frame"),
                _ => {}
            }
        }
    }

    /// Sends a request, and reads the answer to it.
    pub async fn ask(&mut self, request: &str) -> Answer {
        self.write(request.as_bytes()).await;
        self.answer().await
    }

    /// Opens a connection by a request of one's own.
    pub async fn open(mut self, request: &str) -> Self {
        let answer = self.ask(request).await;
        assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS, "{answer:?}");
        self
    }

    /// Sends a text and expects it back.
    pub async fn echoes(&mut self, text: &str) {
        self.text(text).await;
        assert_eq!(self.next().await, Frame::text(text));
    }

    /// Reads the answer to a request.
    pub async fn answer(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.io.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("a head of ASCII");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let mut headers = HeaderMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").expect("a header");
            let name = http::HeaderName::try_from(name).expect("a header name");
            headers.append(name, value.parse().expect("a header value"));
        }
        let len = headers.get("content-length").map_or(0, |len| len.to_str().unwrap().parse().unwrap());
        let mut body = vec![0; len];
        self.io.read_exact(&mut body).await.expect("a whole body");
        Answer { status: status.parse().expect("a status"), headers, body: body.into() }
    }
}

/// A whole, masked frame.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    fragment(true, opcode, payload)
}

/// A masked frame that may have others after it.
pub fn fragment(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut bytes = vec![(u8::from(fin) << 7) | opcode];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Sends every message back.
pub fn echo() -> Handler {
    asked(|_| Ok(()))
}

/// As [`echo`], with a say in `on_connect`.
pub fn asked<F>(on_connect: F) -> Handler
where
    F: Fn(&mut Handshake) -> Result<(), Reject> + Clone + Send + Sync + 'static,
{
    Handler::new(move || Asked(on_connect.clone()))
}

struct Asked<F>(F);

#[async_trait]
impl<F> Connector for Asked<F>
where
    F: Fn(&mut Handshake) -> Result<(), Reject> + Send + Sync + 'static,
{
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        (self.0)(handshake)
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}
