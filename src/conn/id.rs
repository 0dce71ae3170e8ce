//! [`ConnId`]: the name of a connection.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Names one connection among all of all nodes; its text is for logs and for looking it up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    node: u64,
    number: u64,
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.node, self.number)
    }
}

/// Hands out the ids of one node.
#[derive(Debug)]
pub(crate) struct ConnIds {
    node: u64,
    next: AtomicU64,
}

impl Default for ConnIds {
    fn default() -> Self {
        // The standard library's hasher keys are random per instance.
        Self { node: RandomState::new().hash_one(0), next: AtomicU64::new(1) }
    }
}

impl ConnIds {
    pub(crate) fn next(&self) -> ConnId {
        ConnId { node: self.node, number: self.next.fetch_add(1, Relaxed) }
    }
}
