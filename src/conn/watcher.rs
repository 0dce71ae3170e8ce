//! [`Watcher`]: the layer above, which registers connections and may want to know what goes over them.

use std::{any::Any, sync::atomic::Ordering::Relaxed};

use crate::protocol::message::Message;

use super::Conn;

/// What a connection knows about where it is registered.
pub(crate) trait Watcher: Any + Send + Sync {
    fn as_any(&self) -> &(dyn Any + Send + Sync);

    /// Whether anybody wants to know about messages; asked for each of them.
    fn watching(&self) -> Watching;

    /// A message came in.
    fn received(&self, conn: &Conn, message: &Message);

    /// A message was queued for this connection alone.
    fn sent(&self, conn: &Conn, message: &Message);

    /// So many messages went by that somebody would have wanted to know about.
    fn unseen(&self, messages: u64);
}

/// Whether anybody wants to know about messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watching {
    Nobody,
    /// Only those who have no room for more: a count is all they get.
    Asleep,
    Awake,
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

    /// Tells that a message came in; or that it has to be counted as [unseen](Self::tell_unseen).
    #[inline]
    pub(crate) fn watch_received(&self, message: &Message) -> u32 {
        match self.0.home.watching() {
            Watching::Nobody => 0,
            Watching::Asleep => 1,
            Watching::Awake => {
                self.0.home.received(self, message);
                0
            }
        }
    }

    #[inline]
    pub(super) fn watch_sent(&self, message: &Message) {
        match self.0.home.watching() {
            Watching::Nobody => {}
            // Here, and not where all connections meet: the session takes it there.
            Watching::Asleep => {
                self.0.unseen.fetch_add(1, Relaxed);
            }
            Watching::Awake => self.0.home.sent(self, message),
        }
    }

    /// Tells how many messages nobody saw since this was last called, `received` of them those that came in.
    pub(crate) fn tell_unseen(&self, mut received: u64) {
        if self.0.unseen.load(Relaxed) > 0 {
            received += self.0.unseen.swap(0, Relaxed);
        }
        if received > 0 {
            self.0.home.unseen(received);
        }
    }
}
