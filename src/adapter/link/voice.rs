//! [`Voice`]: what the inbox is told, one thing after the other, and what is known of the servers.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use parking_lot::{Mutex, ReentrantMutex, ReentrantMutexGuard};

use super::Payload;
use crate::adapter::{Inbox, Link, Subject};

/// A server as it is known here; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::adapter) struct ShardId(pub(in crate::adapter) u64);

/// Speaks to the inbox. No lock of a queue or of subscriptions may be held meanwhile: the hub may call the adapter
/// under its own locks, and is called here.
pub(in crate::adapter) struct Voice {
    /// Held while it is told something. That may let go of the last hub, and so of the adapter, which hushes this.
    inbox: ReentrantMutex<Arc<dyn Inbox>>,
    hushed: AtomicBool,
    status: Mutex<Status>,
    pub(in crate::adapter) received: AtomicU64,
    pub(in crate::adapter) reconnects: AtomicU64,
}

struct Status {
    shards: HashMap<ShardId, Shard>,
    /// Every slot has a server.
    complete: bool,
    /// Something may have been lost since the inbox was last told.
    gap: bool,
    link: Link,
}

/// What works of a server.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::adapter) struct Shard {
    pub(in crate::adapter) publishing: bool,
    /// Every subscription that was there before is there again.
    pub(in crate::adapter) listening: bool,
}

impl Status {
    fn link(&self) -> Link {
        let all = self.complete && !self.shards.is_empty();
        if all && self.shards.values().all(|shard| shard.publishing && shard.listening) {
            Link::Up
        } else if self.shards.values().any(|shard| shard.publishing) {
            Link::Degraded
        } else {
            Link::Down
        }
    }
}

impl Voice {
    pub(in crate::adapter) fn new(inbox: Arc<dyn Inbox>) -> Self {
        let status = Status { shards: HashMap::new(), complete: false, gap: false, link: Link::Down };
        Self {
            inbox: ReentrantMutex::new(inbox),
            hushed: AtomicBool::new(false),
            status: Mutex::new(status),
            received: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
        }
    }

    /// Gives the inbox what came for a subject.
    pub(in crate::adapter) fn deliver(&self, subject: &Subject, payload: Payload) {
        let Some(inbox) = self.speak() else { return };
        self.received.fetch_add(1, Relaxed);
        match (payload, subject) {
            (Payload::Packet(packet), _) => inbox.packet(subject, packet),
            (Payload::Entry(position, entry), Subject::Room(room)) => inbox.entry(room, position, entry),
            (Payload::Entry(..), _) => {}
        }
    }

    pub(in crate::adapter) fn link(&self) -> Link {
        self.status.lock().link
    }

    /// The link will depend on one more server. Tells nobody, so it may be called under a lock.
    pub(in crate::adapter) fn expect(&self, id: ShardId) {
        self.status.lock().shards.insert(id, Shard::default());
    }

    /// Something of a server has changed; nothing if it is forgotten.
    pub(in crate::adapter) fn shard(&self, id: ShardId, change: impl FnOnce(&mut Shard)) {
        self.change(|status| {
            status.shards.get_mut(&id).map(change);
        });
    }

    /// A server's subscriptions were cut, or moved: what was published meanwhile may be lost.
    pub(in crate::adapter) fn cut(&self, id: ShardId) {
        self.change(|status| {
            status.gap = true;
            if let Some(shard) = status.shards.get_mut(&id) {
                shard.listening = false;
            }
        });
    }

    pub(in crate::adapter) fn forget(&self, id: ShardId) {
        self.change(|status| {
            status.shards.remove(&id);
        });
    }

    pub(in crate::adapter) fn complete(&self, complete: bool) {
        self.change(|status| status.complete = complete);
    }

    /// Nothing is told from here on. Waits for what is being told by another thread.
    pub(in crate::adapter) fn hush(&self) {
        self.hushed.store(true, Relaxed);
        drop(self.inbox.lock());
        self.status.lock().link = Link::Down;
    }

    fn speak(&self) -> Option<ReentrantMutexGuard<'_, Arc<dyn Inbox>>> {
        let inbox = self.inbox.lock();
        (!self.hushed.load(Relaxed)).then_some(inbox)
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        // Taken first, so that changes are told in the order in which they are made.
        let Some(inbox) = self.speak() else { return };
        let (changed, interrupted) = {
            let mut status = self.status.lock();
            change(&mut status);
            let link = status.link();
            let changed = (link != status.link).then_some(link);
            status.link = link;
            let whole = status.complete && status.shards.values().all(|shard| shard.listening);
            (changed, whole && std::mem::take(&mut status.gap))
        };
        if let Some(link) = changed {
            tracing::info!(target: "gustnado", ?link, "the link to other nodes is another");
            inbox.link_changed(link);
        }
        if interrupted {
            inbox.interrupted();
        }
    }

    pub(in crate::adapter) fn receive(&self, subject: &Subject, payload: &Bytes) {
        if let Some(payload) = Payload::parse(payload) {
            self.deliver(subject, payload);
        }
    }
}
