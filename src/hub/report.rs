//! [`Report`]: what became of a message that was sent to many.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{
    adapter::{NotHandedOver, Position},
    conn::Offered,
};

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
    /// Where the message stands in the log of the room, or of the last of them that keeps
    /// [history](crate::HubBuilder::history): its members get it from there, and are not counted here.
    pub position: Option<Position>,
    /// Rooms that keep history and whose log has not taken the message, or has not said so in time.
    pub not_logged: usize,
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nobody on another node gets it.
    #[error(transparent)]
    NotHandedOver(NotHandedOver),
    /// The engine did not confirm it within a second: some nodes may get it.
    #[error("the link to the other nodes did not confirm it")]
    Unconfirmed,
    /// The log of a room that keeps history has not taken it: nobody will ever see it.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The log of a room that keeps history has not said in time whether it has it: it may be seen, or not. Publishing
    /// it again with the same [key](crate::Target::key) makes one message of both.
    #[error("no answer from the log")]
    Unknown,
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
    /// Outboxes that did not: `full + disconnected + too_large + closing`.
    pub dropped: u64,
    /// Of those: they were full, where [`SlowReader::DropNewest`](crate::SlowReader) is the choice.
    pub full: u64,
    /// Their connection was closed because they were full.
    pub disconnected: u64,
    /// They could not hold the message even if they were empty.
    pub too_large: u64,
    /// Their connection was closing already.
    pub closing: u64,
}

/// The counters behind [`FanOut`].
#[derive(Debug, Default)]
pub(crate) struct FanOutCounters {
    messages: AtomicU64,
    bytes: AtomicU64,
    deliveries: AtomicU64,
    full: AtomicU64,
    disconnected: AtomicU64,
    too_large: AtomicU64,
    closing: AtomicU64,
}

impl FanOutCounters {
    pub(crate) fn add(&self, bytes: usize, report: &Report) {
        self.add_many(1, bytes, report);
    }

    pub(crate) fn add_many(&self, messages: usize, bytes: usize, report: &Report) {
        self.messages.fetch_add(messages as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
        let outcomes = [
            (&self.deliveries, report.queued),
            (&self.full, report.dropped),
            (&self.disconnected, report.disconnected),
            (&self.too_large, report.too_large),
            (&self.closing, report.closing),
        ];
        for (counter, more) in outcomes.into_iter().filter(|(_, more)| *more > 0) {
            counter.fetch_add(more as u64, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> FanOut {
        let mut fan_out = FanOut {
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            deliveries: self.deliveries.load(Relaxed),
            dropped: 0,
            full: self.full.load(Relaxed),
            disconnected: self.disconnected.load(Relaxed),
            too_large: self.too_large.load(Relaxed),
            closing: self.closing.load(Relaxed),
        };
        fan_out.dropped = fan_out.full + fan_out.disconnected + fan_out.too_large + fan_out.closing;
        fan_out
    }
}
