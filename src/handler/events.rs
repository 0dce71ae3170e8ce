//! [`Events`]: a handler from closures, and [`Handler::middleware`].

use std::{fmt, sync::Arc};

use super::Handler;
use crate::{
    conn::{Closed, Conn},
    connector::{
        Callbacks, Disconnect, Handshake, Reject,
        middleware::{BoxFuture, Stack},
    },
    protocol::message::Message,
};

impl Handler {
    /// Opens connections whose events are told to closures, with no type of your own: see [`Events`].
    pub fn builder() -> Events {
        Events::default()
    }
}

impl<F> Handler<F> {
    /// Puts a [`Middleware`](crate::middleware::Middleware), or a [`Stack`] of them, around each connection's
    /// connector, whatever makes it. Called again, it puts more inside what is there already, so that the order of
    /// calls is the order in which an event passes.
    ///
    /// The factory is asked before any of them: it makes the connector that they stand around.
    #[must_use]
    pub fn middleware(self, middleware: impl Into<Stack>) -> Self {
        let inner = middleware.into();
        self.turn(|shared| shared.stack = std::mem::take(&mut shared.stack).with_all(&inner))
    }
}

/// Registers closures for the events of connections, and makes a [`Handler`] of them.
///
/// An event may have several closures: all are called, in the order in which they were registered, until one
/// returns an error. `on_disconnect` returns none, so all of its closures are called. An event without closures is
/// let pass.
///
/// ```
/// use gustnado::{Handler, Reject};
/// use http::StatusCode;
///
/// let handler = Handler::builder()
///     .on_connect(|handshake| {
///         Box::pin(async move {
///             let user = handshake.query("user").map(|user| user.into_owned());
///             handshake.set_user(user.ok_or_else(|| Reject::new(StatusCode::UNAUTHORIZED, "who are you?"))?);
///             Ok(())
///         })
///     })
///     .on_open(|conn| async move { Ok(conn.send("welcome").await?) })
///     .on_message(|conn, message| async move { Ok(conn.send(message).await?) })
///     .on_disconnect(|conn, closed| async move { println!("{} left with {}", conn.id(), closed.code()) })
///     .build()
///     .max_message_size(4096);
/// ```
#[derive(Default)]
#[must_use = "nothing is served before `build`"]
pub struct Events(Callbacks);

impl Events {
    /// Calls `run` with each request that wants to open a connection; it may refuse it, and set the connection's user
    /// and extensions.
    ///
    /// Its future borrows the handshake, and is boxed for that: `|handshake| Box::pin(async move { .. })`.
    pub fn on_connect<F>(mut self, run: F) -> Self
    where
        F: for<'a> Fn(&'a mut Handshake) -> BoxFuture<'a, Result<(), Reject>> + Send + Sync + 'static,
    {
        self.0.on_connect.push(Box::new(run));
        self
    }

    /// Calls `run` with each connection that opens. What it sends is the first that the peer gets.
    pub fn on_open<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Conn) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Disconnect>> + Send + 'static,
    {
        self.0.on_open.push(Box::new(move |conn| Box::pin(run(conn))));
        self
    }

    /// Calls `run` with each message.
    pub fn on_message<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Conn, Message) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Disconnect>> + Send + 'static,
    {
        self.0.on_message.push(Box::new(move |conn, message| Box::pin(run(conn, message))));
        self
    }

    /// Calls `run` with each connection that is over, once and last.
    pub fn on_disconnect<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Conn, Closed) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.on_disconnect.push(Box::new(move |conn, closed| Box::pin(run(conn, closed))));
        self
    }

    /// The handler, whose knobs can be turned from here on.
    #[must_use]
    pub fn build(self) -> Handler {
        let callbacks = Arc::new(self.0);
        Handler::new(move || callbacks.clone())
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("on_connect", &self.0.on_connect.len())
            .field("on_open", &self.0.on_open.len())
            .field("on_message", &self.0.on_message.len())
            .field("on_disconnect", &self.0.on_disconnect.len())
            .finish()
    }
}
