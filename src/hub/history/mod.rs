//! Rooms that keep history: numbered messages, and nobody who misses one without being told.

mod feed;
mod part;
mod window;

use crate::adapter::Gap;

/// Why a member does not get messages that it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// The log has begun anew: the position is of another life of it.
    #[error("the log has begun anew")]
    Epoch,
    /// They are older than what the room keeps.
    #[error("too old")]
    Trimmed,
    /// They are more than the hub gives back, or larger than an outbox.
    #[error("too many")]
    Limit,
    /// The log cannot be read now.
    #[error("the log cannot be read")]
    Unavailable,
}

impl From<Gap> for Lost {
    fn from(gap: Gap) -> Self {
        match gap {
            Gap::Epoch => Self::Epoch,
            Gap::Trimmed => Self::Trimmed,
            Gap::Limit => Self::Limit,
        }
    }
}
