//! [`HistoryStats`]: what became of the messages of rooms that keep history.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Lost;

/// What became of the messages of rooms that keep history, on this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryStats {
    /// Messages that were published here and that the log has taken.
    pub accepted: u64,
    /// Those that nobody will ever see.
    pub rejected: u64,
    /// Those of which the log has not said in time whether it has them.
    pub unknown: u64,
    /// Entries that came from the log's engine.
    pub entries: u64,
    /// Entries that this version cannot read, and that nobody here got.
    pub unreadable: u64,
    /// How often a log was read.
    pub reads: u64,
    /// How often that failed.
    pub failed_reads: u64,
    /// Members that got all they had missed.
    pub recovered: u64,
    /// Members that were told that the log began anew.
    pub lost_epoch: u64,
    /// Members that were told that what they missed is too old.
    pub lost_trimmed: u64,
    /// Members that were told that they missed too much.
    pub lost_limit: u64,
    /// Members that were told that the log cannot be read.
    pub lost_unavailable: u64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters behind [`HistoryStats`].
#[derive(Debug, Default)]
pub(in crate::hub) struct HistoryCounters {
    pub(super) accepted: Counter,
    pub(super) rejected: Counter,
    pub(super) unknown: Counter,
    pub(super) entries: Counter,
    pub(super) unreadable: Counter,
    pub(super) reads: Counter,
    pub(super) failed_reads: Counter,
    recovered: Counter,
    lost_epoch: Counter,
    lost_trimmed: Counter,
    lost_limit: Counter,
    lost_unavailable: Counter,
}

impl HistoryCounters {
    /// Somebody was told how its recovery went, or that it lost messages.
    pub(super) fn recovery(&self, lost: Option<Lost>) {
        let counter = match lost {
            None => &self.recovered,
            Some(Lost::Epoch) => &self.lost_epoch,
            Some(Lost::Trimmed) => &self.lost_trimmed,
            Some(Lost::Limit) => &self.lost_limit,
            Some(Lost::Unavailable) => &self.lost_unavailable,
        };
        counter.add_one();
    }

    pub(in crate::hub) fn read(&self) -> HistoryStats {
        HistoryStats {
            accepted: self.accepted.read(),
            rejected: self.rejected.read(),
            unknown: self.unknown.read(),
            entries: self.entries.read(),
            unreadable: self.unreadable.read(),
            reads: self.reads.read(),
            failed_reads: self.failed_reads.read(),
            recovered: self.recovered.read(),
            lost_epoch: self.lost_epoch.read(),
            lost_trimmed: self.lost_trimmed.read(),
            lost_limit: self.lost_limit.read(),
            lost_unavailable: self.lost_unavailable.read(),
        }
    }
}
