//! A connector from a closure, for quick work.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{conn::Conn, protocol::message::Message};

use super::{Connector, Disconnect};

/// Calls the same closure for each message of each connection.
pub(crate) struct OnMessage<F>(pub(crate) Arc<F>);

#[async_trait]
impl<F, Fut> Connector for OnMessage<F>
where
    F: Fn(Conn, Message) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Disconnect>> + Send,
{
    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        (self.0)(conn.clone(), message).await
    }
}
