//! Rooms that keep history: numbered messages, and nobody who misses one without being told.
//!
//! A message of such a room goes to the room's log, of the [adapter](crate::adapter) or of this process, and comes
//! back with its offset; members get it then, on the publishing node too. Each node [follows](room) the logs of the
//! rooms that it has members in: what comes out of its turn waits, what does not come is [read](drive), and what is not
//! there any more is told.

mod counters;
mod drive;
mod entry;
mod feed;
mod framing;
mod join;
mod log;
mod member;
mod part;
mod publish;
mod room;
mod window;

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;

use self::entry::Entry;
#[cfg(feature = "commands")]
pub(crate) use self::framing::{Framed, Framing, LostMessages};
pub(super) use self::room::{Delivered, Followed};
use self::{
    counters::HistoryCounters,
    feed::Bounds,
    framing::{Frame, FrameLost},
    log::Log,
};
pub use self::{counters::HistoryStats, framing::Publication, join::Entered};
pub(crate) use self::{join::Words, publish::Publishing};
use super::cluster::wire::{Sink, Wire, wire};
use crate::adapter::{Gap, Retention};

/// How long the log may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How many bytes of the newest messages a node keeps of each room that it has members in.
const WINDOW_BYTES: usize = 256 * 1024;

/// What a hub knows about rooms that keep history.
pub(super) struct Histories {
    rules: Vec<Rule>,
    /// Those of the nodes, in a process that was told none.
    learned: OnceLock<Vec<Rule>>,
    pub(super) recover_max: usize,
    pub(super) frame: Option<Box<Frame>>,
    pub(super) frame_lost: Option<Box<FrameLost>>,
    log: Log,
    reading: tokio::sync::Semaphore,
    watch: drive::Watch,
    pub(super) counters: HistoryCounters,
}

/// Which rooms keep how much.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    /// The name, or what it begins with.
    pub(super) name: Box<str>,
    pub(super) is_prefix: bool,
    pub(super) retention: Retention,
}

wire! {
    Rule { name, is_prefix, retention }
}

impl Wire for Retention {
    fn write(&self, out: &mut dyn Sink) {
        self.messages().write(out);
        self.age().write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        Some(Self::last(Wire::read(input)?).within(Wire::read(input)?))
    }
}

impl Default for Histories {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            learned: OnceLock::new(),
            recover_max: 1000,
            frame: None,
            frame_lost: None,
            log: Log::default(),
            reading: tokio::sync::Semaphore::new(drive::READS),
            watch: drive::Watch::default(),
            counters: HistoryCounters::default(),
        }
    }
}

impl Histories {
    pub(super) fn add(&mut self, rooms: &str, retention: Retention) {
        let prefix = rooms.strip_suffix('*');
        let name = prefix.unwrap_or(rooms).into();
        self.rules.push(Rule { name, is_prefix: prefix.is_some(), retention });
    }

    /// How much a room keeps: what the first rule for it says; `None` if it keeps nothing.
    pub(super) fn of(&self, room: &str) -> Option<Retention> {
        let applies = |rule: &&Rule| match rule.is_prefix {
            true => room.starts_with(&*rule.name),
            false => room == &*rule.name,
        };
        let learned = self.learned.get().into_iter().flatten();
        self.rules.iter().chain(learned).find(applies).map(|rule| rule.retention)
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        self.rules.clone()
    }

    /// Does as the nodes do, unless it was told what to do.
    pub(super) fn learn(&self, rules: Vec<Rule>) {
        if self.rules.is_empty() {
            let _ = self.learned.set(rules);
        }
    }

    /// What follows a room's log, if it has one.
    pub(super) fn follow(&self, room: &str) -> Option<Followed> {
        let bounds = Bounds { entries: self.recover_max.max(1), bytes: WINDOW_BYTES };
        self.of(room).map(|retention| Followed::new(room, retention, bounds))
    }
}

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
    /// The log cannot be read now, or there is none.
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
