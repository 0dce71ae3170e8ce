//! [`Stack`]: middlewares in their order, and the connector that they stand around.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Middleware, NextConnect, NextDisconnect, NextMessage};
use crate::{
    conn::{Cause, Closed, Conn},
    connector::{Connector, Disconnect, Handshake, Reject},
    panics::CatchPanic,
    protocol::{message::Message, text::Text},
};

/// Middlewares, the first of them outermost: cheap to clone, and never changed once it is composed.
///
/// ```
/// # use gustnado::middleware::{Middleware, Stack};
/// # struct Validate; impl Middleware for Validate {}
/// # struct Log; impl Middleware for Log {}
/// let stack = Stack::new().with(Validate).with(Log); // what `Validate` stops, `Log` does not see
/// assert_eq!(stack.len(), 2);
/// ```
#[derive(Clone, Default)]
#[must_use = "a stack does nothing until it is put around a connector"]
pub struct Stack(Arc<[Arc<dyn Middleware>]>);

impl Stack {
    /// A stack of nothing, which leaves a connector as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same stack with one more, innermost.
    pub fn with(self, middleware: impl Middleware) -> Self {
        self.and([Arc::new(middleware) as Arc<dyn Middleware>])
    }

    /// The same stack with another one inside it.
    pub fn with_all(self, stack: &Self) -> Self {
        self.and(stack.0.iter().cloned())
    }

    fn and(self, more: impl IntoIterator<Item = Arc<dyn Middleware>>) -> Self {
        Self(self.0.iter().cloned().chain(more).collect())
    }

    /// Puts the stack around a connector. A handler does so with each of its connectors: see
    /// [`Handler::middleware`](crate::Handler::middleware).
    ///
    /// An empty stack gives the connector back. Otherwise a message costs one boxed future for the stack, and one for
    /// each middleware in it.
    pub fn around(&self, connector: Box<dyn Connector>) -> Box<dyn Connector> {
        if self.is_empty() {
            return connector;
        }
        Box::new(Stacked { stack: self.0.clone(), connector })
    }

    /// How many middlewares there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<M: Middleware> From<M> for Stack {
    fn from(middleware: M) -> Self {
        Self::new().with(middleware)
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").field("len", &self.len()).finish()
    }
}

/// A connector with a stack around it.
struct Stacked {
    stack: Arc<[Arc<dyn Middleware>]>,
    connector: Box<dyn Connector>,
}

#[async_trait]
impl Connector for Stacked {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        NextConnect { rest: &self.stack, connector: &mut *self.connector }.run(handshake).await
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        self.connector.on_open(conn).await
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        NextMessage { rest: &self.stack, connector: &mut *self.connector }.run(conn, message).await
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        self.on_message(conn, Message::Text(text)).await
    }

    async fn on_binary(&mut self, conn: &Conn, data: Bytes) -> Result<(), Disconnect> {
        self.on_message(conn, Message::Binary(data)).await
    }

    async fn on_pong(&mut self, conn: &Conn, round_trip: Duration) -> Result<(), Disconnect> {
        self.connector.on_pong(conn, round_trip).await
    }

    async fn on_error(&mut self, conn: &Conn, cause: &Cause) {
        self.connector.on_error(conn, cause).await;
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        let mut told = false;
        let next = NextDisconnect { rest: &self.stack, connector: &mut *self.connector, told: &mut told };
        let panicked = CatchPanic(Box::pin(next.run(conn, closed))).await.is_err();
        // A connector hears of its end whatever a middleware does by mistake; one that leaves `next` out means it.
        if panicked && !told {
            self.connector.on_close(conn, closed).await;
        }
    }
}
