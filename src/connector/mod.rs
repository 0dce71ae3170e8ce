//! [`Connector`]: what an application does with a connection.

mod closures;
mod disconnect;
mod events;
mod factory;
mod handshake;
pub mod middleware;
mod ready;
mod reject;
mod stream;

use std::{pin::Pin, time::Duration};

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
    ready::{Echo, Log},
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
    // Written out as `async fn on_message(&mut self, conn: &Conn, message: Message)` becomes, so that passing the
    // message on costs no future of its own.
    fn on_message<'life0, 'life1, 'async_trait>(
        &'life0 mut self,
        conn: &'life1 Conn,
        message: Message,
    ) -> Pin<Box<dyn Future<Output = Result<(), Disconnect>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        match message {
            Message::Text(text) => self.on_text(conn, text),
            Message::Binary(data) => self.on_binary(conn, data),
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

    /// The peer answered the last ping, of the keepalive or of [`Conn::ping`]; `round_trip` is how long that took.
    async fn on_pong(&mut self, conn: &Conn, round_trip: Duration) -> Result<(), Disconnect> {
        let _ = (conn, round_trip);
        Ok(())
    }

    /// Something went wrong; `on_close` follows, and its [`Closed::cause`] is the same. The connection is over
    /// already: nothing can be sent.
    async fn on_error(&mut self, conn: &Conn, cause: &Cause) {
        let _ = (conn, cause);
    }

    /// The connection is over. Called exactly once if `on_connect` returned `Ok`, whatever happened since; without an
    /// `on_open` before, if the answer to the handshake got lost ([`Phase::Opening`](crate::Phase)), or if the user
    /// whom `on_connect` has named is at [its limit](crate::Handler::max_connections_per_user). Only a runtime that
    /// shuts down and drops its tasks skips it; what must happen even then belongs into `Drop`.
    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        let _ = (conn, closed);
    }
}

/// Passes a callback on to what is in the box, without a future of its own around the one that comes back.
macro_rules! pass_on {
    ($name:ident, $second:ty $(, $third:ident: $type:ty)?; $output:ty) => {
        fn $name<'life0, 'life1, 'async_trait>(
            &'life0 mut self,
            second: &'life1 $second
            $(, $third: $type)?
        ) -> Pin<Box<dyn Future<Output = $output> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            (**self).$name(second $(, $third)?)
        }
    };
}

impl<C: Connector + ?Sized> Connector for Box<C> {
    fn on_connect<'life0, 'life1, 'async_trait>(
        &'life0 mut self,
        handshake: &'life1 mut Handshake,
    ) -> Pin<Box<dyn Future<Output = Result<(), Reject>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        (**self).on_connect(handshake)
    }

    pass_on!(on_open, Conn; Result<(), Disconnect>);
    pass_on!(on_message, Conn, message: Message; Result<(), Disconnect>);
    pass_on!(on_text, Conn, text: Text; Result<(), Disconnect>);
    pass_on!(on_binary, Conn, data: Bytes; Result<(), Disconnect>);
    pass_on!(on_pong, Conn, round_trip: Duration; Result<(), Disconnect>);

    fn on_error<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 mut self,
        conn: &'life1 Conn,
        cause: &'life2 Cause,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        (**self).on_error(conn, cause)
    }

    fn on_close<'life0, 'life1, 'life2, 'async_trait>(
        &'life0 mut self,
        conn: &'life1 Conn,
        closed: &'life2 Closed,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        'life2: 'async_trait,
        Self: 'async_trait,
    {
        (**self).on_close(conn, closed)
    }
}
