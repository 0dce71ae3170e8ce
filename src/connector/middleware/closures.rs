//! Closures as middlewares.

use async_trait::async_trait;

use super::{BoxFuture, Middleware, NextConnect, NextDisconnect, NextMessage, Stack};
use crate::{
    conn::{Closed, Conn},
    connector::{Disconnect, Handshake, Reject},
    protocol::message::Message,
};

/// Closures, where a type of its own would be too much. Each returns `Box::pin(async move { .. })`, since its future
/// borrows what it is given; what the future needs of the closure's own, clone before that block.
impl Stack {
    /// The same stack with a closure around `on_connect`, innermost.
    ///
    /// ```
    /// use gustnado::{Reject, middleware::Stack};
    /// use http::StatusCode;
    ///
    /// let stack = Stack::new().on_connect(|handshake, next| {
    ///     Box::pin(async move {
    ///         let name = handshake.query("user").map(|name| name.into_owned());
    ///         handshake.set_user(name.ok_or_else(|| Reject::new(StatusCode::UNAUTHORIZED, "who are you?"))?);
    ///         next.run(handshake).await
    ///     })
    /// });
    /// ```
    pub fn on_connect<F>(self, run: F) -> Self
    where
        F: for<'a> Fn(&'a mut Handshake, NextConnect<'a>) -> BoxFuture<'a, Result<(), Reject>>
            + Send
            + Sync
            + 'static,
    {
        self.with(OnConnect(run))
    }

    /// The same stack with a closure around `on_message`, innermost.
    pub fn on_message<F>(self, run: F) -> Self
    where
        F: for<'a> Fn(&'a Conn, Message, NextMessage<'a>) -> BoxFuture<'a, Result<(), Disconnect>>
            + Send
            + Sync
            + 'static,
    {
        self.with(OnMessage(run))
    }

    /// The same stack with a closure around `on_close`, innermost.
    pub fn on_disconnect<F>(self, run: F) -> Self
    where
        F: for<'a> Fn(&'a Conn, &'a Closed, NextDisconnect<'a>) -> BoxFuture<'a, ()> + Send + Sync + 'static,
    {
        self.with(OnDisconnect(run))
    }
}

struct OnConnect<F>(F);

#[async_trait]
impl<F> Middleware for OnConnect<F>
where
    F: for<'a> Fn(&'a mut Handshake, NextConnect<'a>) -> BoxFuture<'a, Result<(), Reject>>
        + Send
        + Sync
        + 'static,
{
    async fn on_connect(&self, handshake: &mut Handshake, next: NextConnect<'_>) -> Result<(), Reject> {
        (self.0)(handshake, next).await
    }
}

struct OnMessage<F>(F);

#[async_trait]
impl<F> Middleware for OnMessage<F>
where
    F: for<'a> Fn(&'a Conn, Message, NextMessage<'a>) -> BoxFuture<'a, Result<(), Disconnect>>
        + Send
        + Sync
        + 'static,
{
    async fn on_message(
        &self,
        conn: &Conn,
        message: Message,
        next: NextMessage<'_>,
    ) -> Result<(), Disconnect> {
        (self.0)(conn, message, next).await
    }
}

struct OnDisconnect<F>(F);

#[async_trait]
impl<F> Middleware for OnDisconnect<F>
where
    F: for<'a> Fn(&'a Conn, &'a Closed, NextDisconnect<'a>) -> BoxFuture<'a, ()> + Send + Sync + 'static,
{
    async fn on_disconnect(&self, conn: &Conn, closed: &Closed, next: NextDisconnect<'_>) {
        (self.0)(conn, closed, next).await;
    }
}
