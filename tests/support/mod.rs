//! The vocabulary of the tests: a handler served by hyper in memory, and a client that speaks in frames.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses a part")]

pub use gustnado::testing::{Answer, Client, Frame, PIPE, fragment, frame, serve, serve_with_pipe};
use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, async_trait};

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

/// A client that has an open connection to `handler`.
pub async fn connect(handler: &Handler) -> Client {
    connect_with(handler, &request()).await
}

/// As [`connect`], by a request of one's own.
pub async fn connect_with(handler: &Handler, request: &str) -> Client {
    Client::new(serve(handler.clone())).upgrade(request).await
}

/// What came back for a request.
pub async fn answer_to(handler: &Handler, request: &str) -> Answer {
    Client::new(serve(handler.clone())).ask(request).await
}

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

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
