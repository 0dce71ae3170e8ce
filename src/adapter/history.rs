//! [`History`]: the numbered messages of rooms that keep some.

use std::{fmt, num::NonZeroUsize, str::FromStr, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::Unavailable;

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

/// How much of a room's log is kept: so many messages, and none that is older.
///
/// ```
/// use gustnado::adapter::Retention;
/// use std::time::Duration;
///
/// let five_minutes = Retention::last(1_000).within(Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    messages: NonZeroUsize,
    age: Duration,
}

impl Retention {
    /// At most so many messages, one at least, for an hour.
    pub const fn last(messages: usize) -> Self {
        let messages = match NonZeroUsize::new(messages) {
            Some(messages) => messages,
            None => NonZeroUsize::MIN,
        };
        Self { messages, age: Duration::from_secs(3600) }
    }

    /// None that is older than this.
    #[must_use]
    pub const fn within(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// How many messages are kept.
    pub const fn messages(&self) -> usize {
        self.messages.get()
    }

    /// How long they are kept.
    pub const fn age(&self) -> Duration {
        self.age
    }
}

/// What to read of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// What comes after a position.
    After(Position),
    /// So many of the newest; 0 for the position alone.
    Last(usize),
}

impl From<Position> for ReadFrom {
    fn from(position: Position) -> Self {
        Self::After(position)
    }
}

/// A part of a log, up to its top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Where the log ends, read together with the entries.
    pub top: Position,
    /// Offsets and entries, rising, without holes, and up to the top. Of the last so many it may be fewer, but only if
    /// the log holds no more; of those after a position it is all of them, or why it is none.
    pub entries: Result<Vec<(u64, Bytes)>, Gap>,
}

/// Why a log cannot give all that comes after a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Gap {
    /// The position is of another epoch, or beyond the top.
    #[error("the log has begun anew")]
    Epoch,
    /// Some of it is gone.
    #[error("the log was trimmed")]
    Trimmed,
    /// It is more than was asked for.
    #[error("too many entries")]
    Limit,
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

    /// Reads top and entries in one step, `max` entries at most. A log that is not there yet begins here, with an
    /// epoch of its own.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], after a second at most.
    async fn read(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        retention: Retention,
    ) -> Result<Slice, Unavailable>;

    /// Where the logs of several rooms end, in one round trip: as many as rooms, `None` where there is no log.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], after a second at most.
    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable>;
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
