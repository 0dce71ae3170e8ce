//! [`ClusterStats`]: what went between this node and the others.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::adapter::{AdapterTraffic, Link};

/// What went between this node and the others.
///
/// Everything that comes is counted once: `adapter.received = own + deeds + duplicates + entries + other +
/// undecodable + unknown_version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterStats {
    /// How the link to the others is.
    pub link: Link,
    /// Other nodes that were heard of within the last seconds.
    pub nodes: usize,
    /// What the adapter says.
    pub adapter: AdapterTraffic,
    /// Messages, closes, joins and leaves for connections elsewhere that the adapter has taken.
    pub handed_over: u64,
    /// Those that it has not taken: nobody elsewhere gets them.
    pub not_handed_over: u64,
    /// Those of other nodes that were carried out here.
    pub deeds: u64,
    /// Of those, how many found nobody here any more.
    pub nobody: u64,
    /// Those that had been carried out already, since they came for several rooms.
    pub duplicates: u64,
    /// Packets of this node that came back, and that had been carried out before they left.
    pub own: u64,
    /// Entries of the logs of rooms.
    pub entries: u64,
    /// What nodes tell one another for themselves.
    pub other: u64,
    /// Packets that are none.
    pub undecodable: u64,
    /// Packets of another version of gustnado's wire.
    pub unknown_version: u64,
}

/// The counters behind [`ClusterStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) handed_over: Counter,
    pub(super) not_handed_over: Counter,
    pub(super) deeds: Counter,
    pub(super) nobody: Counter,
    pub(super) duplicates: Counter,
    pub(super) own: Counter,
    pub(super) entries: Counter,
    pub(super) other: Counter,
    pub(super) undecodable: Counter,
    pub(super) unknown_version: Counter,
}

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

impl Counters {
    pub(super) fn read(&self, link: Link, nodes: usize, adapter: AdapterTraffic) -> ClusterStats {
        ClusterStats {
            link,
            nodes,
            adapter,
            handed_over: self.handed_over.read(),
            not_handed_over: self.not_handed_over.read(),
            deeds: self.deeds.read(),
            nobody: self.nobody.read(),
            duplicates: self.duplicates.read(),
            own: self.own.read(),
            entries: self.entries.read(),
            other: self.other.read(),
            undecodable: self.undecodable.read(),
            unknown_version: self.unknown_version.read(),
        }
    }
}
