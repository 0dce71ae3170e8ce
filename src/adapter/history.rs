//! [`History`]: the numbered messages of rooms that keep some.

use std::{fmt, num::NonZeroUsize, str::FromStr, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

/// Names one life of a room's log. A log that lost entries it had given out (a restart, a restore, a failover, a
/// flush) begins anew, under another epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u128);

impl Epoch {
    /// The epoch with that number.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// 32 hexadecimal digits, as `Display` writes them.
impl FromStr for Epoch {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}

/// Names one message of a room: never two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the log.
    pub epoch: Epoch,
    /// 1, 2, 3 .. without holes; 0 before the first.
    pub offset: u64,
}

/// How much of a room's log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// At most so many messages.
    pub messages: NonZeroUsize,
    /// None older than this.
    pub age: Duration,
}

/// What to read of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// What comes after a position.
    After(Position),
    /// So many of the newest; 0 for the position alone.
    Last(usize),
}

/// A part of a log, up to its top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Where the log ends, read together with the entries.
    pub top: Position,
    /// Offsets and entries, rising, without holes, and up to the top; fewer than asked if the log holds no more.
    pub entries: Vec<(u64, Bytes)>,
}

/// The logs of an engine, one for each room.
#[async_trait]
pub trait History: Send + Sync {
    /// Appends an entry and gives it to every node that is interested in the room
    /// ([`Inbox::entry`](super::Inbox::entry)), as one step. With a `key` that was used within five minutes in this epoch nothing is
    /// appended, and the position is the one of then.
    ///
    /// # Errors
    ///
    /// [`AppendError`], after a second at most.
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        retention: Retention,
    ) -> Result<Position, AppendError>;

    /// Reads top and entries in one step. A log that is not there yet begins here, with an epoch of its own.
    ///
    /// # Errors
    ///
    /// [`ReadError`], after a second at most.
    async fn read(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        retention: Retention,
    ) -> Result<Slice, ReadError>;

    /// Where the logs of several rooms end, in one round trip: as many as rooms, `None` where there is no log.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unavailable`], after a second at most.
    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, ReadError>;
}

/// Why an entry has no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Nobody will ever see it.
    #[error("rejected: {0}")]
    Rejected(String),
    /// The answer was lost: it may be seen, or not. Repeating it with the same key tells.
    #[error("no answer from the log")]
    Unknown,
}

/// Why a log was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The position is of another epoch.
    #[error("the log has begun anew")]
    Epoch,
    /// Entries after the position are gone.
    #[error("the log was trimmed")]
    Trimmed,
    /// More entries than asked for.
    #[error("too many entries")]
    Limit,
    /// The engine did not answer in time, or is away.
    #[error("the log is not available")]
    Unavailable,
}
