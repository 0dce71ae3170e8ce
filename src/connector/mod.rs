//! [`Connector`]: what an application does with a connection.

mod closures;
mod disconnect;
mod events;
mod factory;
mod handshake;
pub mod middleware;
mod reject;
mod stream;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub(crate) use self::{
    closures::OnMessage,
    events::Callbacks,
    factory::{FromFn, FromRequest},
    handshake::{KeepExtension, keep_extension},
    reject::from_handshake,
    stream::StreamFactory,
};
pub use self::{
    disconnect::Disconnect,
    factory::{Factory, IntoConnector},
    handshake::{Handshake, InvalidHeader, PeerAddr},
    reject::Reject,
    stream::{Incoming, MessageIo, MessageMode},
};
use crate::{
    conn::{Cause, Closed, Conn},
    protocol::{message::Message, text::Text},
};

/// The application's side of one connection: a factory makes one for each request, and its callbacks are called
/// one at a time.
///
/// The order is [`on_connect`](Self::on_connect), [`on_open`](Self::on_open), then
/// [`on_message`](Self::on_message) (and [`on_pong`](Self::on_pong)) in the order in which the peer sent, then
/// [`on_error`](Self::on_error) if something went wrong, and [`on_close`](Self::on_close) exactly once and last.
/// Every method has a default.
///
/// An error or a panic in a callback ends this connection and no other. A callback may take its time: meanwhile
/// the session writes, answers pings and notices a close, and reads ahead a little. When the connection ends
/// under a running callback, the callback is not cut off; one that waits for something else long can watch
/// [`Conn::closed`].
///
/// ```
/// use gustnado::{async_trait, Conn, Connector, Disconnect, Handler, Message};
///
/// struct Echo;
///
/// #[async_trait]
/// impl Connector for Echo {
///     async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
///         conn.send(message).await?;
///         Ok(())
///     }
/// }
///
/// let app: axum::Router = axum::Router::new().route_service("/ws", Handler::new(|| Echo));
/// ```
#[async_trait]
pub trait Connector: Send + 'static {
    /// Looks at the request, before it is answered: may refuse it, choose a subprotocol, add response headers.
    ///
    /// Any error by `?` refuses with 500, its text kept to the log; see [`Reject`] for other answers. Nothing can
    /// be sent yet: the connection does not exist before `on_open`.
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let _ = handshake;
        Ok(())
    }

    /// The connection is open. What is sent here is the first that the peer gets; limits that are set here
    /// apply to its first message.
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = conn;
        Ok(())
    }

    /// A message came. The default hands text to [`on_text`](Self::on_text) and binary to
    /// [`on_binary`](Self::on_binary).
    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        match message {
            Message::Text(text) => self.on_text(conn, text).await,
            Message::Binary(data) => self.on_binary(conn, data).await,
        }
    }

    /// A text message came, and `on_message` is the default.
    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let _ = (conn, text);
        Ok(())
    }

    /// A binary message came, and `on_message` is the default.
    async fn on_binary(&mut self, conn: &Conn, data: Bytes) -> Result<(), Disconnect> {
        let _ = (conn, data);
        Ok(())
    }

    /// The peer answered the last ping; `round_trip` is how long that took.
    async fn on_pong(&mut self, conn: &Conn, round_trip: Duration) -> Result<(), Disconnect> {
        let _ = (conn, round_trip);
        Ok(())
    }

    /// Something went wrong; `on_close` follows.
    async fn on_error(&mut self, conn: &Conn, cause: &Cause) {
        let _ = (conn, cause);
    }

    /// The connection is over. Called exactly once if `on_connect` returned `Ok`, whatever happened since; if
    /// the answer to the handshake got lost ([`Phase::Opening`](crate::Phase)), without an `on_open` before.
    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        let _ = (conn, closed);
    }
}

#[async_trait]
impl<C: Connector + ?Sized> Connector for Box<C> {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        (**self).on_connect(handshake).await
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        (**self).on_open(conn).await
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        (**self).on_message(conn, message).await
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        (**self).on_text(conn, text).await
    }

    async fn on_binary(&mut self, conn: &Conn, data: Bytes) -> Result<(), Disconnect> {
        (**self).on_binary(conn, data).await
    }

    async fn on_pong(&mut self, conn: &Conn, round_trip: Duration) -> Result<(), Disconnect> {
        (**self).on_pong(conn, round_trip).await
    }

    async fn on_error(&mut self, conn: &Conn, cause: &Cause) {
        (**self).on_error(conn, cause).await;
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        (**self).on_close(conn, closed).await;
    }
}
