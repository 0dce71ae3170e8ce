//! [`Report`]: what became of a message that was sent to many.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{adapter::NotHandedOver, conn::Offered};

/// What became of a message for each of those it was for, on this node, and of its other half, for other nodes.
///
/// Queued is not delivered: a connection that fails loses what is still in its outbox, and counts it as
/// [`unsent`](crate::Traffic::unsent).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Outboxes that took the message.
    pub queued: usize,
    /// Outboxes that were full, where [`SlowReader::DropNewest`](crate::SlowReader) is the choice.
    pub dropped: usize,
    /// Connections that were closed because their outbox was full: [`SlowReader::Disconnect`](crate::SlowReader).
    pub disconnected: usize,
    /// Outboxes that could not hold the message even if they were empty.
    pub too_large: usize,
    /// Connections that were closing already.
    pub closing: usize,
    /// What became of the message for connections on other nodes.
    pub remote: Remote,
}

/// What became of something that concerns other nodes too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remote {
    /// There are no other nodes: the hub has no [adapter](crate::HubBuilder::adapter). Or it concerns none of them.
    #[default]
    None,
    /// The adapter has taken it, no more: a node that loses its link now will not get it.
    HandedOver,
    /// Nobody on another node gets it.
    NotHandedOver(NotHandedOver),
}

/// How many connections something was done to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Affected {
    /// On this node.
    pub here: usize,
    /// What became of it for connections on other nodes.
    pub remote: Remote,
}

/// Why it is not known that the engine has taken a message for other nodes. Those on this node were served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nobody on another node gets it.
    #[error(transparent)]
    NotHandedOver(NotHandedOver),
    /// The engine did not confirm it within a second: some nodes may get it.
    #[error("the link to the other nodes did not confirm it")]
    Unconfirmed,
}

impl Report {
    /// How many connections of this node the message was for.
    pub fn recipients(&self) -> usize {
        self.queued + self.dropped + self.disconnected + self.too_large + self.closing
    }

    pub(crate) fn add(&mut self, offered: Offered) {
        let count = match offered {
            Offered::Queued => &mut self.queued,
            Offered::Dropped => &mut self.dropped,
            Offered::Disconnected => &mut self.disconnected,
            Offered::TooLarge => &mut self.too_large,
            Offered::Closing => &mut self.closing,
        };
        *count += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.queued += other.queued;
        self.dropped += other.dropped;
        self.disconnected += other.disconnected;
        self.too_large += other.too_large;
        self.closing += other.closing;
    }
}

/// What was sent to a room, or to all rooms, users and everybody.
///
/// `messages × recipients = deliveries + dropped`: nothing is lost without a count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FanOut {
    /// Messages, however many got them.
    pub messages: u64,
    /// Bytes of their payloads, each counted once.
    pub bytes: u64,
    /// Outboxes that took one.
    pub deliveries: u64,
    /// Outboxes that did not, for any of the reasons in a [`Report`].
    pub dropped: u64,
}

/// The counters behind [`FanOut`].
#[derive(Debug, Default)]
pub(crate) struct FanOutCounters {
    messages: AtomicU64,
    bytes: AtomicU64,
    deliveries: AtomicU64,
    dropped: AtomicU64,
}

impl FanOutCounters {
    pub(crate) fn add(&self, bytes: usize, report: &Report) {
        self.messages.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.deliveries.fetch_add(report.queued as u64, Relaxed);
        self.dropped.fetch_add((report.recipients() - report.queued) as u64, Relaxed);
    }

    pub(crate) fn read(&self) -> FanOut {
        FanOut {
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            deliveries: self.deliveries.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
        }
    }
}
