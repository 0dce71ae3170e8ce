//! [`Feed`]: where a node stands in the log of one room, and what its members are given next.
//!
//! It knows no engine, no clock and no connection. Entries, tops and reads come in; what comes out is in the order
//! in which every member gets it. The rules:
//!
//! - An entry is delivered when it is the next one, and never otherwise. One that comes too early waits in `ahead`.
//! - Only a read moves to another epoch: entries may come late from an old one, reads of one room come one after the
//!   other.
//! - What is missing is read from the log. If the log does not have it, that is said before anything newer.
//! - Whoever joins is admitted at the head, with all that came between its position and the head.

use std::{collections::BTreeMap, mem};

use crate::adapter::{Epoch, Position, ReadFrom};

use super::{
    Lost,
    part::{Known, Part},
    window::{Kept, Window},
};

/// How much a feed keeps and gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Entries that one recovery gives at most, that the window has, and that wait for one before them.
    pub(super) entries: usize,
    /// Bytes of the window.
    pub(super) bytes: usize,
}

/// How often a read may turn out to have been overtaken by the room before whoever waits for it is given up.
const TRIES: u8 = 4;

#[derive(Debug)]
pub(super) struct Feed<E, J> {
    /// Where every member stands; `None` before the first read.
    head: Option<Position>,
    window: Window<E>,
    /// What came before its turn, by offset.
    ahead: BTreeMap<u64, E>,
    ahead_epoch: Option<Epoch>,
    /// The highest offset that was heard of in the epoch of the head.
    known: u64,
    /// Something was heard that only a read can tell the meaning of.
    doubt: bool,
    joining: Vec<Joining<J>>,
    reading: Option<ReadFrom>,
    /// How many reads were begun.
    reads: u64,
    bounds: Bounds,
}

/// Somebody who waits for a read.
#[derive(Debug)]
struct Joining<J> {
    who: J,
    since: ReadFrom,
    /// Reads that were begun before it asked tell nothing.
    after: u64,
    tries: u8,
}

/// What is to be done, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<E, J> {
    /// Every member gets this entry.
    Deliver(u64, E),
    /// Every member is told that it lost messages, and stands here now.
    Lose(Lost, Position),
    /// Somebody is a member from here on.
    Admit(J, Admission<E>),
}

/// How a member begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admission<E> {
    /// Where it stands once it has the entries; `None` if that is not known yet.
    pub(super) position: Option<Position>,
    /// What it missed, or why it does not get it.
    pub(super) missed: Result<Vec<(u64, E)>, Lost>,
}

impl<E: Kept, J> Feed<E, J> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            head: None,
            window: Window::new(bounds.entries, bounds.bytes),
            ahead: BTreeMap::new(),
            ahead_epoch: None,
            known: 0,
            doubt: false,
            joining: Vec::new(),
            reading: None,
            reads: 0,
            bounds,
        }
    }

    /// Where every member stands, once that is known.
    pub(super) fn head(&self) -> Option<Position> {
        self.head
    }

    /// An entry has come from the engine.
    pub(super) fn entry(&mut self, position: Position, entry: E) -> Vec<Step<E, J>> {
        match self.head {
            Some(head) if head.epoch != position.epoch => {
                self.doubt = true;
                return Vec::new();
            }
            Some(head) if position.offset <= head.offset => return Vec::new(),
            Some(_) => self.known = self.known.max(position.offset),
            None if self.ahead_epoch != Some(position.epoch) => {
                self.doubt |= !self.ahead.is_empty();
                self.ahead.clear();
            }
            None => {}
        }
        self.ahead_epoch = Some(position.epoch);
        self.ahead.insert(position.offset, entry);
        if self.ahead.len() > self.bounds.entries {
            // The nearest are worth most; the log has the others.
            self.ahead.pop_last();
            self.doubt |= self.head.is_none();
        }
        self.deliver_ahead()
    }

    /// The engine has said where the log ends; `None` if there is no log.
    pub(super) fn top(&mut self, top: Option<Position>) {
        match (self.head, top) {
            (Some(head), Some(top)) if head.epoch == top.epoch => self.known = self.known.max(top.offset),
            _ => self.doubt = true,
        }
    }

    /// Some seconds have gone by.
    pub(super) fn tick(&mut self) {
        self.window.tick();
    }

    /// Somebody wants in. It is admitted at once if nothing has to be read for it, or by a later step.
    pub(super) fn join(&mut self, who: J, since: ReadFrom) -> Option<Step<E, J>> {
        let since = match since {
            ReadFrom::Last(count) => ReadFrom::Last(count.min(self.bounds.entries)),
            after => after,
        };
        if let Some(entries) = self.in_window(since) {
            return Some(Step::Admit(who, Admission { position: self.head, missed: Ok(entries) }));
        }
        self.joining.push(Joining { who, since, after: self.reads, tries: 0 });
        None
    }

    /// Those who wait and are not wanted any more.
    pub(super) fn forget(&mut self, mut is: impl FnMut(&J) -> bool) {
        self.joining.retain(|joining| !is(&joining.who));
    }

    /// Whether somebody waits for a read.
    pub(super) fn needs_read(&self) -> bool {
        self.head.is_none_or(|head| self.doubt || self.known > head.offset) || !self.joining.is_empty()
    }

    /// What to read, unless nothing is missing or a read is under way. [`slice`](Self::slice) or
    /// [`failed`](Self::failed) must follow.
    pub(super) fn begin_read(&mut self) -> Option<ReadFrom> {
        if self.reading.is_some() || !self.needs_read() {
            return None;
        }
        let all = ReadFrom::Last(self.bounds.entries);
        let from = match (self.head, &*self.joining) {
            (None, []) => ReadFrom::Last(0),
            (None, [one]) => one.since,
            (Some(head), []) => ReadFrom::After(head),
            (Some(head), [one]) => match one.since {
                ReadFrom::After(since) if since.epoch == head.epoch && since.offset < head.offset => {
                    one.since
                }
                ReadFrom::After(_) => ReadFrom::After(head),
                ReadFrom::Last(_) => all,
            },
            // One read for all of them.
            _ => all,
        };
        self.doubt = false;
        self.reads += 1;
        self.reading = Some(from);
        Some(from)
    }

    /// The log was not read.
    pub(super) fn failed(&mut self) -> Vec<Step<E, J>> {
        self.reading = None;
        self.doubt = self.head.is_some();
        let position = self.head;
        let (asked, later) = mem::take(&mut self.joining).into_iter().partition(|it| it.after < self.reads);
        self.joining = later;
        let refused = Admission { position, missed: Err(Lost::Unavailable) };
        asked.into_iter().map(|it| Step::Admit(it.who, refused.clone())).collect()
    }

    /// The log was read.
    pub(super) fn slice(&mut self, top: Position, entries: Result<Vec<(u64, E)>, Lost>) -> Vec<Step<E, J>> {
        let Some(asked) = self.reading.take() else { return Vec::new() };
        let part = Part { asked, max: self.bounds.entries, top, entries };
        let mut steps = self.move_to(&part);
        self.known = self.known.max(top.offset);
        steps.extend(self.deliver_ahead());
        if let Ok(entries) = &part.entries {
            self.window.extend_back(top.offset, entries);
        }
        for mut joining in mem::take(&mut self.joining) {
            joining.tries += u8::from(joining.after < self.reads);
            match self.admit(&joining, &part) {
                Some(missed) => {
                    steps.push(Step::Admit(joining.who, Admission { position: self.head, missed }));
                }
                None => self.joining.push(joining),
            }
        }
        steps
    }

    /// Brings the head to where a read has ended, if it tells what is between.
    fn move_to(&mut self, part: &Part<E>) -> Vec<Step<E, J>> {
        let top = part.top;
        let Some(mut head) = self.head else {
            self.begin_at(top);
            return Vec::new();
        };
        let mut steps = Vec::new();
        if head.epoch != top.epoch {
            head = Position { epoch: top.epoch, offset: 0 };
            self.begin_at(head);
            steps.push(Step::Lose(Lost::Epoch, head));
        }
        match part.after(head) {
            Known::All(missed) => steps.extend(missed.into_iter().map(|(_, entry)| self.next(entry))),
            Known::Lost(lost) => {
                self.begin_at(top);
                steps.push(Step::Lose(lost, top));
            }
            Known::Unsure => {}
        }
        steps
    }

    /// Stands here; what was known of before is not counted on.
    fn begin_at(&mut self, position: Position) {
        let (head, epoch) = (self.head.replace(position), position.epoch);
        self.window.restart(position.offset);
        // What waits is of the epoch before this one, or of the one after it.
        self.doubt |= head.is_none() && !self.ahead.is_empty() && self.ahead_epoch != Some(epoch);
        if self.ahead_epoch != Some(epoch) {
            self.ahead.clear();
        }
        self.known = self.ahead.last_key_value().map_or(0, |(offset, _)| *offset).max(position.offset);
    }

    fn deliver_ahead(&mut self) -> Vec<Step<E, J>> {
        let Some(head) = self.head else { return Vec::new() };
        self.ahead = self.ahead.split_off(&(head.offset + 1));
        let mut steps = Vec::new();
        while let Some(head) = self.head
            && let Some(entry) = self.ahead.remove(&(head.offset + 1))
        {
            steps.push(self.next(entry));
        }
        steps
    }

    /// The next entry.
    fn next(&mut self, entry: E) -> Step<E, J> {
        self.window.push(entry.clone());
        let offset = self.head.as_mut().map_or(0, |head| {
            head.offset += 1;
            head.offset
        });
        Step::Deliver(offset, entry)
    }

    fn in_window(&self, since: ReadFrom) -> Option<Vec<(u64, E)>> {
        let head = self.head?;
        match since {
            ReadFrom::Last(count) => self.window.last(count),
            ReadFrom::After(position) if position.epoch != head.epoch || position.offset > head.offset => {
                None
            }
            ReadFrom::After(position) => self.window.after(position.offset),
        }
    }

    /// What somebody missed, as far as a read has told.
    fn admit(&self, joining: &Joining<J>, part: &Part<E>) -> Option<Result<Vec<(u64, E)>, Lost>> {
        let head = self.head?;
        if let Some(entries) = self.in_window(joining.since) {
            return Some(Ok(entries));
        }
        // Whether the epoch is still another, only a read can tell that was begun after that position was given out.
        let fresh = joining.after < self.reads;
        let known = match joining.since {
            ReadFrom::After(position) if position.epoch != head.epoch => {
                return fresh.then_some(Err(Lost::Epoch));
            }
            ReadFrom::After(position) if position.offset > head.offset.max(part.top.offset) => {
                return fresh.then_some(Err(Lost::Epoch));
            }
            ReadFrom::After(position) => part.after(position),
            ReadFrom::Last(count) => part.last(count),
        };
        // What came after the read is in the window, unless the window has moved on by then.
        match (known, self.window.after(part.top.offset)) {
            (Known::Lost(lost), _) => Some(Err(lost)),
            (Known::All(missed), Some(newer)) => Some(Ok([missed, newer].concat())),
            _ if joining.tries >= TRIES => Some(Err(Lost::Limit)),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
