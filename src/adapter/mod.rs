//! [`Adapter`]: the pipe between the nodes of a cluster.
//!
//! It knows subjects and packets. What a packet means, who is in which room and what becomes of a message is the
//! hub's, and written once for every engine.

mod history;
#[cfg(any(feature = "nats", feature = "redis"))]
#[cfg_attr(not(feature = "redis"), allow(dead_code, unused_imports, reason = "some is for several servers"))]
mod link;
mod log;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
mod subject;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(feature = "nats")]
pub use self::nats::{InvalidNatsUrl, Nats};
#[cfg(feature = "redis")]
pub use self::redis::{InvalidRedisUrl, Redis};
pub use self::{
    history::{AppendError, Epoch, Gap, History, Position, ReadFrom, Retention, Slice},
    log::{Appended, MemoryLog},
    memory::{Memory, MemoryBus},
    subject::Subject,
};

/// Names one node for as long as its hub lives; a hub made anew is another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u64);

impl NodeId {
    /// The node with that number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A pipe to the other nodes, over an engine that is there already.
///
/// A hub calls it once per broadcast and once per change of interest, never once per peer. Nothing here waits for the
/// engine unless it says so, and everything that waits ends within a second while the engine is away.
///
/// What does not wait may be called under a lock of the hub, so that what comes first there comes first here: it must
/// not call the [`Inbox`], which is told from a task of the adapter.
///
/// Packets of one node for one subject arrive in the order in which it published them, on each node at most once;
/// those for different subjects may take different ways. A node gets only what it is interested in, and also what it
/// published itself.
#[async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// Begins to connect, as `node`. From here on the adapter tells `inbox` what comes, until it is dropped or
    /// [stopped](Self::stop). Called once, within a runtime.
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>);

    /// Hands a packet over for every node that is interested in the subject. Returns at once: `Ok` means that
    /// the adapter has taken it into a bounded queue, no more.
    ///
    /// # Errors
    ///
    /// [`NotHandedOver`]: nobody will get it.
    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver>;

    /// Waits until the engine has taken everything that was published before.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], after a second at most: some of it may be lost.
    async fn flush(&self) -> Result<(), Unavailable>;

    /// Whether packets for this subject are wanted here. Returns at once; the last call for a subject counts, and holds
    /// through every reconnect.
    fn set_interest(&self, subject: &Subject, interested: bool);

    /// Waits until the engine has confirmed the interest in a subject: what is published from here on comes, unless
    /// [`Inbox::interrupted`] is called.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], after a second at most; and if there is no interest.
    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable>;

    /// How the link is now; [`Inbox::link_changed`] tells when that changes.
    fn link(&self) -> Link;

    /// What went through the pipe so far.
    fn traffic(&self) -> AdapterTraffic;

    /// The logs of rooms, if the engine keeps some.
    fn history(&self) -> Option<&dyn History> {
        None
    }

    /// Hands over what is queued, within a second, and lets go of the engine. Nothing comes after it.
    async fn stop(&self);
}

/// What an [`Adapter`] tells: implemented by the hub.
///
/// The calls of one adapter come one after the other, and return soon.
pub trait Inbox: Send + Sync {
    /// A packet for a subject has come.
    fn packet(&self, subject: &Subject, packet: Bytes);

    /// An entry was [appended](History::append) to a room's log.
    fn entry(&self, room: &str, position: Position, entry: Bytes);

    /// The link is another now.
    fn link_changed(&self, link: Link);

    /// Packets may have been lost: the subscriptions were away, and every one of them is back and confirmed.
    fn interrupted(&self);
}

#[async_trait]
impl<A: Adapter + ?Sized> Adapter for Arc<A> {
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>) {
        (**self).start(node, inbox);
    }

    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver> {
        (**self).publish(subject, packet)
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        (**self).flush().await
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        (**self).set_interest(subject, interested);
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        (**self).confirmed(subject).await
    }

    fn link(&self) -> Link {
        (**self).link()
    }

    fn traffic(&self) -> AdapterTraffic {
        (**self).traffic()
    }

    fn history(&self) -> Option<&dyn History> {
        (**self).history()
    }

    async fn stop(&self) {
        (**self).stop().await;
    }
}

/// How an adapter's link to its engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Link {
    /// Publishing and every subscription work.
    Up,
    /// Some of it works: subscriptions are being made again, or one of several servers is away.
    Degraded,
    /// Nothing can be handed over; it is being connected again.
    Down,
}

/// Why a packet was not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotHandedOver {
    /// The engine is away.
    #[error("the link to the other nodes is down")]
    Down,
    /// So much waits for the engine that nothing more is taken.
    #[error("the queue to the other nodes is full")]
    Full,
    /// The packet is larger than the engine takes.
    #[error("too large for the link to the other nodes")]
    TooLarge,
}

/// The engine did not answer in time, or is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link to the other nodes is not available")]
pub struct Unavailable;

/// What went through an adapter.
///
/// `published = taken by the engine + lost + queued`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdapterTraffic {
    /// Packets that were handed over.
    pub published: u64,
    /// Packets that were handed over, and of which the engine has not said that it took them.
    pub lost: u64,
    /// Packets that were refused: [`NotHandedOver`].
    pub refused: u64,
    /// Packets and entries that came.
    pub received: u64,
    /// Bytes that wait for the engine.
    pub queued_bytes: u64,
    /// How often the link was made again.
    pub reconnects: u64,
}
