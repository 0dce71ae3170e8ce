//! Stream mode: messages as a [`Stream`](futures_core::Stream), or the connection as a byte stream, in the place
//! of callbacks.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    task::JoinHandle,
};

use crate::{
    config::INCOMING_MESSAGES,
    conn::{Cause, Closed, Conn, SendError},
    protocol::{message::Message, text::Text},
};

use super::{Connector, Disconnect, Factory, Handshake, Reject};
use crate::panics::{CatchPanic, Panicked};

/// What comes in, in stream mode: messages in order, and `None` once the connection is over.
///
/// At most 100 messages wait here; then TCP pushes back. How the connection ended, [`Conn::closed`] tells.
#[derive(Debug)]
pub struct Incoming {
    messages: mpsc::Receiver<Message>,
}

impl Incoming {
    /// The next message.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }
}

impl futures_core::Stream for Incoming {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.messages.poll_recv(cx)
    }
}

/// Makes a [`Streaming`] for each request.
pub(crate) struct StreamFactory<F>(pub(crate) Arc<F>);

#[async_trait]
impl<F, Fut> Factory for StreamFactory<F>
where
    F: Fn(Conn, Incoming) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Disconnect>> + Send + 'static,
{
    async fn create(&self, _: &Handshake) -> Result<Box<dyn Connector>, Reject> {
        Ok(Box::new(Streaming { run: self.0.clone(), running: None }))
    }
}

/// Runs the application's function in a task of its own and feeds it messages.
struct Streaming<F> {
    run: Arc<F>,
    running: Option<Running>,
}

/// The task; it ends with this value at the latest.
struct Running {
    messages: Option<mpsc::Sender<Message>>,
    task: JoinHandle<()>,
}

#[async_trait]
impl<F, Fut> Connector for Streaming<F>
where
    F: Fn(Conn, Incoming) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Disconnect>> + Send + 'static,
{
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let (sender, messages) = mpsc::channel(INCOMING_MESSAGES);
        let run = CatchPanic(Box::pin((self.run)(conn.clone(), Incoming { messages })));
        let conn = conn.clone();
        let task = tokio::spawn(async move {
            let end = match run.await {
                Ok(Ok(())) => Disconnect::normal(),
                Ok(Err(disconnect)) => disconnect,
                Err(Panicked) => Disconnect::failed(Cause::Panic),
            };
            let (frame, cause) = end.into_end_of(&conn);
            conn.begin_close(Some(frame), cause);
        });
        self.running = Some(Running { messages: Some(sender), task });
        Ok(())
    }

    async fn on_message(&mut self, _: &Conn, message: Message) -> Result<(), Disconnect> {
        if let Some(sender) = self.running.as_ref().and_then(|running| running.messages.as_ref()) {
            // A function that dropped its `Incoming` wants to hear no more.
            let _ = sender.send(message).await;
        }
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, _: &Closed) {
        if let Some(mut running) = self.running.take() {
            running.messages = None;
            let _ = (&mut running.task).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How [`MessageIo`] sends what is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MessageMode {
    /// As text; what is written must be UTF-8. A character may be cut between two writes.
    #[default]
    Text,
    /// As binary.
    Binary,
}

/// A connection as a stream of bytes, made by [`Conn::io`].
///
/// ```
/// # use gustnado::{Handler, MessageMode};
/// let echo = Handler::stream(|conn, incoming| async move {
///     let (mut reader, mut writer) = tokio::io::split(conn.io(incoming, MessageMode::Binary));
///     tokio::io::copy(&mut reader, &mut writer).await?;
///     Ok(())
/// });
/// ```
///
/// Reading gives the payloads one after the other, whatever their kind; what a short buffer has no room for comes
/// with the next read. Each write is one message. Shutting it down closes with 1000.
///
/// # Errors
///
/// Writing fails with `BrokenPipe` once a close has begun, with `TimedOut` when the outbox stayed full for the
/// write timeout, with `InvalidInput` for what is larger than the whole outbox, and with `InvalidData` for what is
/// no text in [`MessageMode::Text`].
pub struct MessageIo {
    conn: Conn,
    incoming: Incoming,
    mode: MessageMode,
    /// What is left of the message being read.
    unread: Bytes,
    /// The start of a character whose end was not written yet.
    unfinished: Vec<u8>,
    sending: Option<Sending>,
}

type Sending = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send>>;

impl Conn {
    /// The connection as a byte stream, for [`Handler::stream`](crate::Handler::stream). `incoming` has to be its own.
    pub fn io(&self, incoming: Incoming, mode: MessageMode) -> MessageIo {
        let (unread, unfinished, sending) = (Bytes::new(), Vec::new(), None);
        MessageIo { conn: self.clone(), incoming, mode, unread, unfinished, sending }
    }
}

impl MessageIo {
    /// How the next writes are sent.
    pub fn set_mode(&mut self, mode: MessageMode) {
        self.mode = mode;
    }

    /// The message that holds `bytes`; `None` if they are not even one character.
    fn message(&mut self, bytes: &[u8]) -> io::Result<Option<Message>> {
        let mut text = std::mem::take(&mut self.unfinished);
        if self.mode == MessageMode::Binary {
            return if text.is_empty() { Ok(Some(Message::from(bytes))) } else { Err(half_a_character()) };
        }
        text.extend_from_slice(bytes);
        let complete = match std::str::from_utf8(&text) {
            Ok(_) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        self.unfinished = text.split_off(complete);
        let text = Text::try_from(Bytes::from(text)).map_err(io::Error::other)?;
        Ok((complete > 0 || bytes.is_empty()).then_some(Message::Text(text)))
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(())) };
        let sent = ready!(sending.as_mut().poll(cx));
        self.sending = None;
        Poll::Ready(sent.map_err(|error| {
            let kind = match error {
                SendError::Closing(_) => io::ErrorKind::BrokenPipe,
                SendError::Full(_) => io::ErrorKind::TimedOut,
                SendError::TooLarge(_) => io::ErrorKind::InvalidInput,
            };
            io::Error::new(kind, error)
        }))
    }
}

impl AsyncRead for MessageIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() && buf.remaining() > 0 {
            match ready!(self.incoming.messages.poll_recv(cx)) {
                Some(message) => self.unread = message.into_bytes(),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MessageIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // One at a time: the last message must have found room before the next one is taken.
        ready!(self.poll_sent(cx))?;
        if let Some(message) = self.message(buf)? {
            let conn = self.conn.clone();
            self.sending = Some(Box::pin(async move { conn.send(message).await }));
            if let Poll::Ready(Err(error)) = self.poll_sent(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        let (frame, cause) = Disconnect::normal().into_parts();
        self.conn.begin_close(Some(frame), cause);
        if self.unfinished.is_empty() { Poll::Ready(Ok(())) } else { Poll::Ready(Err(half_a_character())) }
    }
}

fn half_a_character() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the text ends within a character")
}
