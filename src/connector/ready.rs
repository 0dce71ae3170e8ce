//! Connectors that are ready to use: for a first try, and for tests.

use async_trait::async_trait;

use crate::{conn::Conn, protocol::message::Message};

use super::{Connector, Disconnect};

/// Sends every message back.
///
/// ```
/// use gustnado::{Echo, Handler};
///
/// let app: axum::Router = axum::Router::new().route_service("/echo", Handler::new(|| Echo));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

#[async_trait]
impl Connector for Echo {
    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}

/// Logs that messages came, their kind and length, and not what they say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Log;

#[async_trait]
impl Connector for Log {
    async fn on_message(&mut self, _: &Conn, message: Message) -> Result<(), Disconnect> {
        tracing::info!(is_text = message.is_text(), len = message.len(), "message");
        Ok(())
    }
}
