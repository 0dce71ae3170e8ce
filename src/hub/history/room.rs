//! [`Followed`]: a room's feed and its members, under one lock.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, OnceLock},
};

use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::{
    adapter::{Position, ReadFrom, Retention},
    conn::{ConnId, Later, Offered},
    hub::report::Report,
    protocol::encoded::Encoded,
};

use super::{
    Entered, Lost,
    counters::HistoryCounters,
    entry::Published,
    feed::{Admission, Bounds, Feed, Step},
    framing::{FrameLost, Framed, Notices},
    member::{Joiner, Member, Placed},
};

/// A room that keeps history, as this node follows its log.
///
/// Its lock comes after that of the group. What members get is put into their outboxes under it, so that all of them
/// see the log's order; no code of the application runs under it.
#[derive(Debug)]
pub(in crate::hub) struct Followed {
    pub(super) retention: Retention,
    notices: OnceLock<Arc<Notices>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    room: Box<str>,
    feed: Feed<Published, Box<Joiner>>,
    /// Who is in the room, though it may not be given anything yet.
    present: HashSet<ConnId>,
    members: IndexMap<ConnId, Member>,
    /// A task reads the log.
    driven: bool,
    /// Nobody is in the room any more.
    over: bool,
}

/// What was put into outboxes.
#[derive(Debug, Default)]
pub(in crate::hub) struct Delivered {
    pub(in crate::hub) messages: usize,
    pub(in crate::hub) bytes: usize,
    /// How often a message was framed for members.
    pub(in crate::hub) encoded: usize,
    pub(in crate::hub) report: Report,
}

impl Followed {
    pub(super) fn new(room: &str, retention: Retention, bounds: Bounds) -> Self {
        let state = State {
            room: room.into(),
            feed: Feed::new(bounds),
            present: HashSet::new(),
            members: IndexMap::new(),
            driven: false,
            over: false,
        };
        Self { retention, notices: OnceLock::new(), state: Mutex::new(state) }
    }

    /// What the application says to members that lost messages.
    pub(super) fn notices(&self, room: &str, frame_lost: &FrameLost) -> Arc<Notices> {
        self.notices.get_or_init(|| Arc::new(Notices::new(room, frame_lost))).clone()
    }

    /// An entry has come.
    pub(super) fn entry(
        &self,
        position: Position,
        entry: Published,
        counters: &HistoryCounters,
    ) -> Delivered {
        let state = &mut *self.state.lock();
        let steps = state.feed.entry(position, entry);
        state.take(steps, counters)
    }

    /// Where its members stand, once that is known.
    pub(in crate::hub) fn head(&self) -> Option<Position> {
        self.state.lock().feed.head()
    }

    pub(super) fn top(&self, top: Option<Position>) {
        self.state.lock().feed.top(top);
    }

    pub(super) fn tick(&self) {
        self.state.lock().feed.tick();
    }

    /// Whether a task must be made that reads the log; it is the caller's.
    pub(super) fn take_drive(&self) -> bool {
        let state = &mut *self.state.lock();
        let drive = !state.driven && !state.over && state.feed.needs_read();
        state.driven |= drive;
        drive
    }

    /// What the task is to read; `None` when it is to end. And whether the log was read before.
    pub(super) fn begin_read(&self) -> Option<(ReadFrom, bool)> {
        let state = &mut *self.state.lock();
        let from = if state.over { None } else { state.feed.begin_read() };
        state.driven = from.is_some();
        from.map(|from| (from, state.feed.head().is_some()))
    }

    pub(super) fn slice(
        &self,
        top: Position,
        entries: Result<Vec<(u64, Published)>, Lost>,
        counters: &HistoryCounters,
    ) -> Delivered {
        let state = &mut *self.state.lock();
        let steps = state.feed.slice(top, entries);
        state.take(steps, counters)
    }

    pub(super) fn failed(&self, counters: &HistoryCounters) {
        let state = &mut *self.state.lock();
        let steps = state.feed.failed();
        state.take(steps, counters);
    }

    /// Somebody wants in, or, if it is in, to be given again what comes after its position.
    pub(super) fn join(&self, joiner: Joiner, counters: &HistoryCounters) {
        let state = &mut *self.state.lock();
        joiner.conn.lose_nothing();
        let is_in = state.members.contains_key(&joiner.conn.id());
        if is_in && joiner.since == ReadFrom::Last(0) {
            let entered = Entered { position: state.feed.head(), missed: Ok(()) };
            let hello = joiner.hello.say(&entered, &state.room, None, None);
            if let Some(hello) = &hello {
                joiner.conn.offer(&Encoded::new(hello), &mut Later::default());
            }
            let _ = joiner.placed.send(Placed::In(entered));
            return;
        }
        state.members.swap_remove(&joiner.conn.id());
        let since = joiner.since;
        let steps = state.feed.join(Box::new(joiner), since);
        state.take(steps.into_iter().collect(), counters);
    }

    /// The connection is in the room, and will [join](Self::join).
    pub(in crate::hub) fn enter(&self, id: ConnId) {
        self.state.lock().present.insert(id);
    }

    /// The connection has left the room.
    pub(in crate::hub) fn leave(&self, id: ConnId) {
        let state = &mut *self.state.lock();
        state.present.remove(&id);
        state.members.swap_remove(&id);
        state.feed.forget(|joiner| joiner.conn.id() == id);
    }

    /// Nobody is in the room.
    pub(in crate::hub) fn end(&self) {
        self.state.lock().over = true;
    }
}

impl State {
    fn take(&mut self, steps: Vec<Step<Published, Box<Joiner>>>, counters: &HistoryCounters) -> Delivered {
        let mut delivered = Delivered::default();
        for step in steps {
            match step {
                Step::Deliver(offset, entry) => self.deliver(offset, &entry, counters, &mut delivered),
                Step::Lose(why, position) => self.lose(why, position, counters),
                Step::Admit(joiner, admission) => self.admit(*joiner, admission, counters),
            }
        }
        self.place_the_unplaced(counters);
        delivered
    }

    fn deliver(
        &mut self,
        offset: u64,
        entry: &Published,
        counters: &HistoryCounters,
        delivered: &mut Delivered,
    ) {
        if !entry.is_readable() {
            counters.unreadable.add_one();
        }
        delivered.messages += 1;
        // Most members get the same bytes: one pass, and one more for each other form.
        let mut next = self.members.iter().find_map(|(id, member)| member.form_of(*id, offset, entry));
        while let Some(form) = next.take() {
            let message = entry.message(form);
            let (encoded, mut later) = (Encoded::shared(&message), Later::default());
            delivered.bytes += message.len();
            delivered.encoded += 1;
            for (id, member) in &mut self.members {
                match member.form_of(*id, offset, entry) {
                    Some(its) if its == form => {}
                    its => {
                        next = next.or(its);
                        continue;
                    }
                }
                let offered = member.conn.offer(&encoded, &mut later);
                delivered.report.add(offered);
                member.last = Some(offset);
                if offered == Offered::TooLarge {
                    member.cannot_have(&self.room, self.feed.head(), offset, counters);
                }
            }
        }
    }

    fn lose(&mut self, why: Lost, position: Position, counters: &HistoryCounters) {
        for member in self.members.values_mut().filter(|member| member.last.is_some()) {
            member.tell_lost(&self.room, why, position, counters);
        }
    }

    /// Members from when the log could not be read begin where it is now.
    fn place_the_unplaced(&mut self, counters: &HistoryCounters) {
        let Some(head) = self.feed.head() else { return };
        for member in self.members.values_mut().filter(|member| member.last.is_none()) {
            member.tell_lost(&self.room, Lost::Unavailable, head, counters);
        }
    }

    fn admit(&mut self, joiner: Joiner, admission: Admission<Published>, counters: &HistoryCounters) {
        let Joiner { conn, notices, since, hello, placed } = joiner;
        if !self.present.contains(&conn.id()) {
            let _ = placed.send(Placed::Left);
            return;
        }
        let Admission { position, missed } = admission;
        let entered = Entered { position, missed: missed.as_ref().map(|_| ()).map_err(|why| *why) };
        if since != ReadFrom::Last(0) || missed.is_err() {
            counters.recovery(entered.missed.err());
        }
        let start = match (since, &missed) {
            (ReadFrom::After(since), Ok(_)) => Some(since.offset),
            (_, Ok(entries)) if let Some((first, _)) = entries.first() => Some(first - 1),
            _ => position.map(|it| it.offset),
        };
        let framing = conn.extension::<Framed>().map(|framed| framed.0);
        let mut member = Member { conn, framing, notices, last: start };
        let mut queue =
            VecDeque::from_iter(hello.say(&entered, &self.room, framing, member.notices.as_deref()));
        let Some(position) = position else {
            // It is told where it stands when that is known.
            for hello in &queue {
                member.conn.offer(&Encoded::new(hello), &mut Later::default());
            }
            self.members.insert(member.conn.id(), member);
            let _ = placed.send(Placed::In(entered));
            return;
        };
        let mut entries = missed.unwrap_or_default().into_iter();
        // The last entry that was looked at, whether this member gets it or not.
        let mut at = start.unwrap_or(position.offset);
        let mut has_room = member.push(&mut queue);
        while has_room && let Some((offset, entry)) = entries.next() {
            at = offset;
            if let Some(form) = member.form_of(member.conn.id(), offset, &entry) {
                queue.push_back(entry.message(form));
                member.last = Some(offset);
                has_room = member.push(&mut queue);
            }
        }
        let _ = placed.send(if has_room {
            self.members.insert(member.conn.id(), member);
            Placed::In(entered)
        } else {
            Placed::Behind { entered, queue, at: Position { offset: at, ..position } }
        });
    }
}
