//! [`MemoryLog`]: the logs of rooms, within this process.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::random::random;

use super::{AppendError, Epoch, Gap, Position, ReadFrom, Retention, Slice};

/// How long a key makes one message of several appends.
const KEY_AGE: Duration = Duration::from_secs(300);

/// How long a log without entries is kept, so that its epoch lives on, after it was last used.
const IDLE: Duration = Duration::from_secs(3600);

/// What an entry, a key and a room cost beside their bytes, roughly.
const ENTRY_COST: usize = 64;
const KEY_COST: usize = 128;
const ROOM_COST: usize = 512;

/// The logs of rooms, within this process: they survive every disconnect, and not the process.
///
/// Nothing here waits. What is older than its room keeps it is dropped by whatever is asked next, of any room: there
/// are no tasks and no timers. All logs together hold 64 MiB, or what [`with_limit`](Self::with_limit) says; beyond
/// that the oldest entries go first, and readers that need them are told [`Gap::Trimmed`]. Keys are never given up:
/// when they alone fill it, an append is [rejected](AppendError::Rejected).
#[derive(Debug)]
pub struct MemoryLog(Mutex<Logs>);

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Where the entry is.
    pub position: Position,
    /// Whether it was not there before: the key was not used yet.
    pub new: bool,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::with_limit(64 << 20)
    }
}

impl MemoryLog {
    /// Logs that hold so many bytes together.
    pub fn with_limit(bytes: usize) -> Self {
        Self(Mutex::new(Logs { rooms: HashMap::new(), due: BTreeSet::new(), held: 0, limit: bytes }))
    }

    /// Appends an entry, or finds the one that has its key already.
    ///
    /// # Errors
    ///
    /// [`AppendError::Rejected`] when the memory is full of what may not be dropped.
    pub fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        retention: Retention,
    ) -> Result<Appended, AppendError> {
        let now = Instant::now();
        let mut logs = self.0.lock();
        logs.sweep(now);
        let cost = entry.len() + ENTRY_COST + key.map_or(0, |key| key.len() + KEY_COST);
        if let Some(known) = key.and_then(|key| logs.find(room, key)) {
            return Ok(Appended { position: known, new: false });
        }
        logs.room(room, retention, now);
        if !logs.make_room(cost, room) {
            return Err(AppendError::Rejected("the log's memory is full".into()));
        }
        let position = logs.change(room, retention, now, |log| log.push(entry, key, now));
        Ok(Appended { position, new: true })
    }

    /// Reads as [`History::read`](super::History::read) does.
    pub fn read(&self, room: &str, from: ReadFrom, max: usize, retention: Retention) -> Slice {
        let now = Instant::now();
        let mut logs = self.0.lock();
        logs.sweep(now);
        logs.change(room, retention, now, |log| {
            log.expire(now);
            log.read(from, max)
        })
    }

    /// Where the logs of several rooms end.
    pub fn tops(&self, rooms: &[&str]) -> Vec<Option<Position>> {
        let now = Instant::now();
        let mut logs = self.0.lock();
        logs.sweep(now);
        let mut top = |room: &&str| {
            let log = logs.rooms.get_mut(*room)?;
            log.used = now;
            Some(log.top())
        };
        rooms.iter().map(&mut top).collect()
    }

    /// Forgets everything, as a restart would: every log begins anew.
    pub fn clear(&self) {
        let mut logs = self.0.lock();
        *logs = Logs { rooms: HashMap::new(), due: BTreeSet::new(), held: 0, limit: logs.limit };
    }

    /// The bytes that are held, overheads included.
    pub fn held(&self) -> usize {
        self.0.lock().held
    }
}

#[derive(Debug)]
struct Logs {
    rooms: HashMap<Arc<str>, Log>,
    /// When to look at each room next: no later than something of it expires.
    due: BTreeSet<(Instant, Arc<str>)>,
    held: usize,
    limit: usize,
}

/// The log of one room.
#[derive(Debug)]
struct Log {
    name: Arc<str>,
    epoch: Epoch,
    top: u64,
    /// The newest ones, up to the top.
    entries: VecDeque<(Instant, Bytes)>,
    keys: HashMap<Arc<str>, u64>,
    keys_by_age: VecDeque<(Instant, Arc<str>)>,
    /// In bytes.
    cost: usize,
    retention: Retention,
    used: Instant,
    /// Where it is in the list of those that are due.
    due: Instant,
}

impl Logs {
    fn find(&mut self, room: &str, key: &str) -> Option<Position> {
        let log = self.rooms.get(room)?;
        Some(Position { epoch: log.epoch, offset: *log.keys.get(key)? })
    }

    /// The log of a room, made if there is none.
    fn room(&mut self, room: &str, retention: Retention, now: Instant) -> &mut Log {
        if !self.rooms.contains_key(room) {
            let name: Arc<str> = room.into();
            let log = Log::new(name.clone(), retention, now);
            self.held += log.cost;
            self.due.insert((log.due, name.clone()));
            self.rooms.insert(name, log);
        }
        let log = self.rooms.get_mut(room).expect("it was made if it was missing");
        log.used = now;
        log.retention = retention;
        log
    }

    /// Does something with the log of a room, and notes what has become of it.
    fn change<T>(
        &mut self,
        room: &str,
        retention: Retention,
        now: Instant,
        change: impl FnOnce(&mut Log) -> T,
    ) -> T {
        let log = self.room(room, retention, now);
        let (before, due) = (log.cost, log.due);
        let done = change(log);
        let (after, name, next) = (log.cost, log.name.clone(), log.next_due());
        if next < due {
            log.due = next;
            self.due.remove(&(due, name.clone()));
            self.due.insert((next, name));
        }
        self.held = self.held + after - before;
        done
    }

    /// Drops what has expired by now.
    fn sweep(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(due, _)| *due <= now)
            && let Some((_, name)) = self.due.pop_first()
        {
            let Some(log) = self.rooms.get_mut(&name) else { continue };
            let before = log.cost;
            log.expire(now);
            if log.is_over(now) {
                self.held -= before;
                self.rooms.remove(&name);
            } else {
                // Later than now, or this would not end.
                log.due = log.next_due().max(now + Duration::from_millis(1));
                self.held = self.held + log.cost - before;
                self.due.insert((log.due, name));
            }
        }
    }

    /// Drops the oldest entries until so many bytes more fit; `false` if they never will. The log of `keep` stays,
    /// even if it becomes empty.
    fn make_room(&mut self, bytes: usize, keep: &str) -> bool {
        if self.held + bytes <= self.limit {
            return true;
        }
        // More than is needed, so that not every append has to look at all rooms.
        let wanted = self.limit.saturating_sub(bytes + self.limit / 16);
        let rooms: Vec<_> = self.due.iter().map(|(_, name)| name.clone()).collect();
        for name in rooms {
            if self.held <= wanted {
                break;
            }
            let Some(log) = self.rooms.get_mut(&name) else { continue };
            let before = log.cost;
            log.drop_oldest(self.held - wanted);
            self.held = self.held + log.cost - before;
            if log.entries.is_empty() && log.keys.is_empty() && &*name != keep {
                self.held -= log.cost;
                self.due.remove(&(log.due, name.clone()));
                self.rooms.remove(&name);
            }
        }
        self.held + bytes <= self.limit
    }
}

impl Log {
    fn new(name: Arc<str>, retention: Retention, now: Instant) -> Self {
        Self {
            cost: ROOM_COST + name.len(),
            due: now + IDLE,
            name,
            epoch: Epoch::new(random()),
            top: 0,
            entries: VecDeque::new(),
            keys: HashMap::new(),
            keys_by_age: VecDeque::new(),
            retention,
            used: now,
        }
    }

    fn top(&self) -> Position {
        Position { epoch: self.epoch, offset: self.top }
    }

    fn push(&mut self, entry: Bytes, key: Option<&str>, now: Instant) -> Position {
        self.top += 1;
        if let Some(key) = key {
            let key: Arc<str> = key.into();
            self.cost += key.len() + KEY_COST;
            self.keys.insert(key.clone(), self.top);
            self.keys_by_age.push_back((now, key));
        }
        self.cost += entry.len() + ENTRY_COST;
        self.entries.push_back((now, entry));
        self.expire(now);
        self.top()
    }

    fn read(&self, from: ReadFrom, max: usize) -> Slice {
        let missing = match from {
            ReadFrom::Last(count) => Ok(count.min(max).min(self.entries.len())),
            ReadFrom::After(position) => self.missing_after(position, max),
        };
        let entries = missing.map(|count| {
            let first = self.entries.len() - count;
            let offsets = self.top + 1 - count as u64..;
            offsets.zip(self.entries.range(first..).map(|(_, entry)| entry.clone())).collect()
        });
        Slice { top: self.top(), entries }
    }

    fn missing_after(&self, position: Position, max: usize) -> Result<usize, Gap> {
        if position.epoch != self.epoch || position.offset > self.top {
            return Err(Gap::Epoch);
        }
        match usize::try_from(self.top - position.offset) {
            Ok(count) if count > self.entries.len() => Err(Gap::Trimmed),
            Ok(count) if count <= max => Ok(count),
            _ => Err(Gap::Limit),
        }
    }

    fn expire(&mut self, now: Instant) {
        let (messages, age) = (self.retention.messages(), self.retention.age());
        while let Some((at, _)) = self.entries.front()
            && (self.entries.len() > messages || now.duration_since(*at) > age)
        {
            self.drop_first();
        }
        while let Some((at, _)) = self.keys_by_age.front()
            && now.duration_since(*at) > KEY_AGE
            && let Some((_, key)) = self.keys_by_age.pop_front()
        {
            self.cost -= key.len() + KEY_COST;
            self.keys.remove(&key);
        }
    }

    fn drop_first(&mut self) -> usize {
        let freed = self.entries.pop_front().map_or(0, |(_, entry)| entry.len() + ENTRY_COST);
        self.cost -= freed;
        freed
    }

    fn drop_oldest(&mut self, bytes: usize) {
        let mut freed = 0;
        while freed < bytes && !self.entries.is_empty() {
            freed += self.drop_first();
        }
    }

    /// When something of it expires next.
    fn next_due(&self) -> Instant {
        let entry = self.entries.front().map(|(at, _)| *at + self.retention.age());
        let key = self.keys_by_age.front().map(|(at, _)| *at + KEY_AGE);
        entry.into_iter().chain(key).min().unwrap_or(self.used + IDLE)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.entries.is_empty() && self.keys.is_empty() && now.duration_since(self.used) >= IDLE
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
