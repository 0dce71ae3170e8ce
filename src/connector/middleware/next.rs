//! What is left of a stack: the argument `next` of a middleware.

use std::sync::Arc;

use super::Middleware;
use crate::{
    conn::{Closed, Conn},
    connector::{Connector, Disconnect, Handshake, Reject},
    protocol::message::Message,
};

pub(super) type Rest<'a> = &'a [Arc<dyn Middleware>];

/// The rest of the stack and the connector, when a request asks to open a connection.
pub struct NextConnect<'a> {
    pub(super) rest: Rest<'a>,
    pub(super) connector: &'a mut (dyn Connector + 'static),
}

impl NextConnect<'_> {
    /// Asks the rest of the stack, and the connector last.
    ///
    /// # Errors
    ///
    /// The [`Reject`] of whoever refuses.
    pub async fn run(self, handshake: &mut Handshake) -> Result<(), Reject> {
        match self.rest.split_first() {
            Some((first, rest)) => {
                first.on_connect(handshake, NextConnect { rest, connector: self.connector }).await
            }
            None => self.connector.on_connect(handshake).await,
        }
    }
}

/// The rest of the stack and the connector, when a message came.
pub struct NextMessage<'a> {
    pub(super) rest: Rest<'a>,
    pub(super) connector: &'a mut (dyn Connector + 'static),
}

impl NextMessage<'_> {
    /// Hands the message, or another one, to the rest of the stack and the connector.
    ///
    /// # Errors
    ///
    /// The [`Disconnect`] of whoever wants to end the connection.
    pub async fn run(self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        match self.rest.split_first() {
            Some((first, rest)) => {
                first.on_message(conn, message, NextMessage { rest, connector: self.connector }).await
            }
            None => self.connector.on_message(conn, message).await,
        }
    }
}

/// The rest of the stack and the connector, when a connection is over.
pub struct NextDisconnect<'a> {
    pub(super) rest: Rest<'a>,
    pub(super) connector: &'a mut (dyn Connector + 'static),
    /// Whether the connector was told.
    pub(super) told: &'a mut bool,
}

impl NextDisconnect<'_> {
    /// Tells the rest of the stack, and the connector last.
    pub async fn run(self, conn: &Conn, closed: &Closed) {
        match self.rest.split_first() {
            Some((first, rest)) => {
                let next = NextDisconnect { rest, connector: self.connector, told: self.told };
                first.on_disconnect(conn, closed, next).await;
            }
            None => {
                *self.told = true;
                self.connector.on_close(conn, closed).await;
            }
        }
    }
}
