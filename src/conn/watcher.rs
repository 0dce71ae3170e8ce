//! [`Watcher`]: the layer above, which registers connections and may want to know what goes over them.

use std::any::Any;

use crate::protocol::message::Message;

use super::Conn;

/// What a connection knows about where it is registered.
pub(crate) trait Watcher: Any + Send + Sync {
    fn as_any(&self) -> &(dyn Any + Send + Sync);

    /// Whether anybody wants to know about messages.
    fn is_watching(&self) -> bool;

    /// A message came in.
    fn received(&self, conn: &Conn, message: &Message);

    /// A message was queued for this connection alone.
    fn sent(&self, conn: &Conn, message: &Message);
}

/// How a connection ended, in short.
#[derive(Debug, Clone)]
pub(crate) struct CloseInfo {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) cause: Option<String>,
}

impl Conn {
    /// How the connection ended; `None` while it has not.
    pub(crate) fn close_info(&self) -> Option<CloseInfo> {
        let closed = self.0.closed.get()?;
        Some(CloseInfo {
            code: closed.code().as_u16(),
            reason: closed.reason().to_owned(),
            cause: closed.cause().map(ToString::to_string),
        })
    }

    pub(crate) fn watch_received(&self, message: &Message) {
        if self.0.home.is_watching() {
            self.0.home.received(self, message);
        }
    }

    pub(super) fn watch_sent(&self, message: &Message) {
        if self.0.home.is_watching() {
            self.0.home.sent(self, message);
        }
    }
}
