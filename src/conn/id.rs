//! [`ConnId`]: the name of a connection.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::adapter::NodeId;

/// Names one connection among all of all nodes; its text is for logs and for looking it up again.
///
/// ```
/// use gustnado::ConnId;
///
/// let id: ConnId = "00c0ffee00c0ffee-7".parse()?;
/// assert_eq!(id.to_string(), "00c0ffee00c0ffee-7");
/// # Ok::<(), gustnado::InvalidConnId>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    node: NodeId,
    number: u64,
}

/// A text that names no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a connection")]
pub struct InvalidConnId;

impl ConnId {
    pub(crate) const fn new(node: NodeId, number: u64) -> Self {
        Self { node, number }
    }

    /// The node that the connection is on.
    pub const fn node(self) -> NodeId {
        self.node
    }

    pub(crate) const fn number(self) -> u64 {
        self.number
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.node, self.number)
    }
}

/// The node in hexadecimal digits, a hyphen, a number: as `Display` writes it.
impl FromStr for ConnId {
    type Err = InvalidConnId;

    fn from_str(text: &str) -> Result<Self, InvalidConnId> {
        let (node, number) = text.split_once('-').ok_or(InvalidConnId)?;
        let node = u64::from_str_radix(node, 16).map_err(|_| InvalidConnId)?;
        let number = number.parse().map_err(|_| InvalidConnId)?;
        Ok(Self { node: NodeId::new(node), number })
    }
}

/// Hands out the ids of one node.
#[derive(Debug)]
pub(crate) struct ConnIds {
    node: NodeId,
    next: AtomicU64,
}

impl Default for ConnIds {
    fn default() -> Self {
        // The standard library's hasher keys are random per instance.
        Self { node: NodeId::new(RandomState::new().hash_one(0)), next: AtomicU64::new(1) }
    }
}

impl ConnIds {
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    pub(crate) fn next(&self) -> ConnId {
        ConnId { node: self.node, number: self.next.fetch_add(1, Relaxed) }
    }
}
