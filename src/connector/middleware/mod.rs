//! [`Middleware`]: code around the callbacks of any connector, composed into a [`Stack`].
//!
//! It stands around three events, [`on_connect`](Middleware::on_connect), [`on_message`](Middleware::on_message) and
//! [`on_disconnect`](Middleware::on_disconnect). Each gets `next`, which is the rest of the stack and at its end the
//! connector: code before `next.run(..)` runs on the way in, code after it on the way out, and errors travel back
//! through it. One that does not call `next` stops the event there.
//!
//! ```
//! use gustnado::{Conn, Disconnect, Handler, Message, async_trait, middleware::{Middleware, NextMessage, Stack}};
//!
//! /// Answers what is too long, and lets nobody else see it.
//! struct AtMost(usize);
//!
//! #[async_trait]
//! impl Middleware for AtMost {
//!     async fn on_message(
//!         &self,
//!         conn: &Conn,
//!         message: Message,
//!         next: NextMessage<'_>,
//!     ) -> Result<(), Disconnect> {
//!         if message.len() > self.0 {
//!             conn.send("Message too long").await?;
//!             return Ok(());
//!         }
//!         next.run(conn, message).await
//!     }
//! }
//!
//! let stack = Stack::new().with(AtMost(1_000)).on_message(|conn, message, next| {
//!     Box::pin(async move {
//!         let result = next.run(conn, message).await;
//!         println!("{} was served: {}", conn.id(), result.is_ok());
//!         result
//!     })
//! });
//! let handler = Handler::on_message(|conn, message| async move { Ok(conn.send(message).await?) }).middleware(stack);
//! ```
//!
//! A middleware is shared by all connections of a handler. What it knows about one of them it can
//! [give to it](crate::Handshake::set_extension) during the handshake, and read from then on with
//! [`Conn::extension`](crate::Conn::extension).
//!
//! Middleware sees connections. For what happens to HTTP requests before there is one (tracing, compression of
//! other answers, authentication by a proxy's headers), put tower layers around the handler, as around any service.

mod closures;
mod next;
mod stack;

use std::pin::Pin;

use async_trait::async_trait;

pub use self::{
    next::{NextConnect, NextDisconnect, NextMessage},
    stack::Stack,
};
use super::{Disconnect, Handshake, Reject};
use crate::{
    conn::{Closed, Conn},
    protocol::message::Message,
};

/// What a closure in a [`Stack`] returns: `Box::pin(async move { .. })`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Code around the callbacks of any connector; see the [module](self).
///
/// Every method has a default, which goes on with `next`. What a connector does on open, and with pongs and errors,
/// is between the session and it.
#[async_trait]
pub trait Middleware: Send + Sync + 'static {
    /// Around [`Connector::on_connect`](crate::Connector::on_connect); the connector has been made already.
    ///
    /// A [`Reject`] refuses the request. `Ok` without calling `next` accepts it, and nobody further in is asked:
    /// neither the connector nor, say, a middleware that checks credentials.
    async fn on_connect(&self, handshake: &mut Handshake, next: NextConnect<'_>) -> Result<(), Reject> {
        next.run(handshake).await
    }

    /// Around [`Connector::on_message`](crate::Connector::on_message).
    ///
    /// `Ok` without calling `next` drops the message; a [`Disconnect`] ends the connection. `next` may be called
    /// with another message than the one that came.
    async fn on_message(
        &self,
        conn: &Conn,
        message: Message,
        next: NextMessage<'_>,
    ) -> Result<(), Disconnect> {
        next.run(conn, message).await
    }

    /// Around [`Connector::on_close`](crate::Connector::on_close): once and last, for each connection that was
    /// accepted.
    ///
    /// Without calling `next` nobody further in hears of it. Rooms are left all the same. A panic here keeps it from
    /// the rest of the stack, and not from the connector.
    async fn on_disconnect(&self, conn: &Conn, closed: &Closed, next: NextDisconnect<'_>) {
        next.run(conn, closed).await;
    }
}
