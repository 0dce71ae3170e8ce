//! [`Client`]: one end of a transport, spoken to in bytes and frames. [`HalfOpen`]: one that is gone, and nobody knows.

use std::{convert::Infallible, error::Error};

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tower_service::Service;

use crate::protocol::{frame::OpCode, message::Message, text::Text};

use super::{Answer, Frame, Opening, frame, serve};

/// A client that does just what it is told: it answers no ping and no close by itself, unless a method says so.
#[derive(Debug)]
pub struct Client<T = DuplexStream> {
    /// The transport, for what no method does.
    pub io: T,
}

impl Client {
    /// Opens a connection to `/`.
    ///
    /// # Panics
    ///
    /// If the service refuses; [`open`](Self::open) gives its answer instead.
    pub async fn connect<S, R>(service: &S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        R: http_body::Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let opened = Self::open(service, Opening::default()).await;
        opened.unwrap_or_else(|answer| panic!("refused: {answer:?}"))
    }

    /// Opens a connection by a request of one's own.
    ///
    /// # Errors
    ///
    /// The [`Answer`], if it is any other than 101.
    pub async fn open<S, R>(service: &S, opening: Opening) -> Result<Self, Answer>
    where
        S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
        R: http_body::Body + Send + 'static,
        R::Data: Send,
        R::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut client = Self::new(serve(service.clone()));
        let answer = client.ask(&opening.to_string()).await;
        if answer.status == StatusCode::SWITCHING_PROTOCOLS { Ok(client) } else { Err(answer) }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    /// A client on any transport.
    pub fn new(io: T) -> Self {
        Self { io }
    }

    /// Sends a whole message.
    pub async fn send(&mut self, message: impl Into<Message>) {
        let message = message.into();
        let opcode = if message.is_text() { OpCode::Text } else { OpCode::Binary };
        self.frame(opcode, message.as_bytes()).await;
    }

    /// Sends a text message.
    pub async fn text(&mut self, text: &str) {
        self.frame(OpCode::Text, text.as_bytes()).await;
    }

    /// Sends a binary message.
    pub async fn binary(&mut self, data: &[u8]) {
        self.frame(OpCode::Binary, data).await;
    }

    /// Sends a ping.
    pub async fn ping(&mut self, payload: &[u8]) {
        self.frame(OpCode::Ping, payload).await;
    }

    /// Sends a pong.
    pub async fn pong(&mut self, payload: &[u8]) {
        self.frame(OpCode::Pong, payload).await;
    }

    /// Sends a close frame; the answer comes by [`next`](Self::next).
    pub async fn close(&mut self, code: u16, reason: &str) {
        self.frame(OpCode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat()).await;
    }

    async fn frame(&mut self, opcode: OpCode, payload: &[u8]) {
        self.write(&frame(opcode as u8, payload)).await;
    }

    /// Writes bytes: whole frames or not.
    pub async fn write(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.expect("the server reads");
        // TLS may have kept some of it; and a server that has it all may have ended already.
        let _ = self.io.flush().await;
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
        Frame::new(first, payload)
    }

    /// The next message, as a browser would see it: pings are answered, pongs skipped.
    ///
    /// # Panics
    ///
    /// If the connection ends before.
    pub async fn message(&mut self) -> Message {
        loop {
            match self.next().await {
                Frame::Text(text) => return Message::Text(Text::from(text)),
                Frame::Binary(data) => return Message::Binary(data.into()),
                Frame::Ping(payload) => self.pong(&payload).await,
                Frame::Pong(_) => {}
                end => panic!("no message, but {end:?}"),
            }
        }
    }

    /// What the server closes with, as [`Frame::Close`] holds it; what comes before is skipped.
    ///
    /// # Panics
    ///
    /// If it ends the transport without a close frame.
    pub async fn closed(&mut self) -> Option<(u16, String)> {
        loop {
            match self.next().await {
                Frame::Close(code) => return code,
                Frame::End => panic!("the server ended without a close frame"),
                _ => {}
            }
        }
    }

    /// Closes with 1000, and waits for the same answer and the end; what comes before is skipped.
    pub async fn bye(&mut self) {
        self.close(1000, "").await;
        assert_eq!(self.closed().await, Some((1000, String::new())));
        assert_eq!(self.next().await, Frame::End);
    }

    /// Sends a text and expects it back.
    pub async fn echoes(&mut self, text: &str) {
        self.text(text).await;
        assert_eq!(self.next().await, Frame::text(text));
    }

    /// Opens the connection by a request of one's own, byte for byte.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub async fn upgrade(mut self, request: &str) -> Self {
        let answer = self.ask(request).await;
        assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS, "{answer:?}");
        self
    }

    /// Sends a request, byte for byte, and reads the answer to it.
    pub async fn ask(&mut self, request: &str) -> Answer {
        self.write(request.as_bytes()).await;
        self.answer().await
    }

    /// Reads the answer to a request.
    pub async fn answer(&mut self) -> Answer {
        Answer::read(&mut self.io).await
    }

    /// Goes silent without a word, as a peer whose network is gone: what the server writes is taken, and nothing
    /// ever comes back.
    pub fn half_open(self) -> HalfOpen<T> {
        HalfOpen { io: self.io }
    }
}

/// A peer that is gone without anybody being told.
#[derive(Debug)]
#[must_use = "when it is dropped, the server sees the end of the transport"]
pub struct HalfOpen<T = DuplexStream> {
    io: T,
}

impl<T: AsyncRead + AsyncWrite + Unpin> HalfOpen<T> {
    /// Waits until the server lets go of the transport; returns what it wrote until then, in bytes.
    pub async fn given_up(mut self) -> u64 {
        let mut written = 0;
        let mut nowhere = [0; 4096];
        while let Ok(count @ 1..) = self.io.read(&mut nowhere).await {
            written += count as u64;
        }
        written
    }
}
