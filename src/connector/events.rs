//! A connector from closures, one list of them for each event.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Connector, Disconnect, Handshake, Reject, middleware::BoxFuture};
use crate::{
    conn::{Closed, Conn},
    panics::CatchPanic,
    protocol::message::Message,
};

type OnConnect = dyn for<'a> Fn(&'a mut Handshake) -> BoxFuture<'a, Result<(), Reject>> + Send + Sync;
type OnOpen = dyn Fn(Conn) -> BoxFuture<'static, Result<(), Disconnect>> + Send + Sync;
type OnMessage = dyn Fn(Conn, Message) -> BoxFuture<'static, Result<(), Disconnect>> + Send + Sync;
type OnDisconnect = dyn Fn(Conn, Closed) -> BoxFuture<'static, ()> + Send + Sync;

/// The closures of each event, in the order in which they were registered.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) on_connect: Vec<Box<OnConnect>>,
    pub(crate) on_open: Vec<Box<OnOpen>>,
    pub(crate) on_message: Vec<Box<OnMessage>>,
    pub(crate) on_disconnect: Vec<Box<OnDisconnect>>,
}

#[async_trait]
impl Connector for Arc<Callbacks> {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        for on_connect in &self.on_connect {
            on_connect(handshake).await?;
        }
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        for on_open in &self.on_open {
            on_open(conn.clone()).await?;
        }
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        for on_message in &self.on_message {
            on_message(conn.clone(), message.clone()).await?;
        }
        Ok(())
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        for on_disconnect in &self.on_disconnect {
            // Each hears of the end, whatever the ones before it do.
            let told = async { on_disconnect(conn.clone(), closed.clone()).await };
            let _ = CatchPanic(Box::pin(told)).await;
        }
    }
}
