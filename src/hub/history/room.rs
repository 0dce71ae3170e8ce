//! [`Followed`]: a room's feed and its members, under one lock.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, OnceLock},
};

use indexmap::IndexMap;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    adapter::{Position, ReadFrom, Retention},
    conn::{Conn, ConnId, Offered},
    protocol::{
        close::{CloseCode, CloseFrame},
        frame::Encoded,
        message::Message,
        text::Text,
    },
};

use super::{
    Entered, Lost,
    counters::HistoryCounters,
    entry::{Form, Published},
    feed::{Admission, Bounds, Feed, Step},
    framing::{FrameLost, Framed, Framing, LostMessages, Notices},
};
use crate::hub::report::Report;

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
    members: IndexMap<ConnId, Standing>,
    /// A task reads the log.
    driven: bool,
    /// Nobody is in the room any more.
    over: bool,
}

/// A member, and where it stands.
#[derive(Debug)]
struct Standing {
    conn: Conn,
    framing: Option<&'static dyn Framing>,
    notices: Option<Arc<Notices>>,
    /// The last message that it was meant to get; `None` while the log could not be read.
    last: Option<u64>,
}

/// Somebody on the way in.
#[derive(Debug)]
pub(super) struct Joiner {
    pub(super) conn: Conn,
    pub(super) notices: Option<Arc<Notices>>,
    pub(super) since: ReadFrom,
    /// Makes what it is told ahead of the messages.
    pub(super) hello: Hello,
    pub(super) placed: oneshot::Sender<Placed>,
}

/// What somebody is told when it is in.
pub(super) enum Hello {
    /// Whatever the layer above says, which runs no code of the application.
    First(Box<dyn FnOnce(&Entered) -> Option<Message> + Send>),
    /// It was told before, and gets what is left; only a loss is told.
    Again,
}

/// How far somebody has come.
#[derive(Debug)]
pub(super) enum Placed {
    /// It is a member.
    In(Entered),
    /// Its outbox has no room: these come first, and then what comes after `at`.
    Behind { entered: Entered, queue: VecDeque<Message>, at: Position },
    /// It is not in the room any more.
    Left,
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
                joiner.conn.offer(&Encoded::new(hello));
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
            let encoded = Encoded::new(&message);
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
                let offered = member.conn.offer(&encoded);
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
        let mut member = Standing { conn, framing, notices, last: start };
        let mut queue =
            VecDeque::from_iter(hello.say(&entered, &self.room, framing, member.notices.as_deref()));
        let Some(position) = position else {
            // It is told where it stands when that is known.
            for hello in &queue {
                member.conn.offer(&Encoded::new(hello));
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

impl Hello {
    fn say(
        self,
        entered: &Entered,
        room: &str,
        framing: Option<&'static dyn Framing>,
        notices: Option<&Notices>,
    ) -> Option<Message> {
        match (self, entered) {
            (Self::First(hello), entered) => hello(entered),
            (Self::Again, Entered { position: Some(position), missed: Err(why) }) => {
                let lost = LostMessages { room, why: *why, position: *position };
                let notice = || notices.map(|notices| notices.get(*why).clone());
                framing.map(|framing| framing.lost(&lost)).or_else(notice)
            }
            (Self::Again, _) => None,
        }
    }
}

impl Standing {
    /// The form of an entry that this member is to get; `None` if it has it, or is not meant to.
    fn form_of(&self, id: ConnId, offset: u64, entry: &Published) -> Option<Form> {
        let last = self.last.filter(|last| *last < offset && entry.is_for(id))?;
        Some(entry.form(&self.conn, self.framing, last))
    }

    /// Puts messages into the outbox as long as it has room; whether it had for all of them.
    fn push(&self, queue: &mut VecDeque<Message>) -> bool {
        while let Some(first) = queue.front() {
            if !self.conn.offer_if_room(&Encoded::new(first)) {
                return false;
            }
            queue.pop_front();
        }
        true
    }

    fn tell_lost(&mut self, room: &str, why: Lost, position: Position, counters: &HistoryCounters) {
        counters.recovery(Some(why));
        self.last = Some(position.offset);
        let framed = self.framing.map(|framing| framing.lost(&LostMessages { room, why, position }));
        let notice = || self.notices.as_ref().map(|notices| notices.get(why).clone());
        if let Some(message) = framed.or_else(notice) {
            self.conn.offer(&Encoded::new(&message));
        }
    }

    /// A message is larger than its outbox: it is told that it lost it, or it could not go on.
    fn cannot_have(&mut self, room: &str, head: Option<Position>, offset: u64, counters: &HistoryCounters) {
        match (self.framing, head) {
            (Some(_), Some(head)) => {
                self.tell_lost(room, Lost::Limit, Position { offset, ..head }, counters);
            }
            _ => {
                let reason = Text::from_static("a message is larger than the outbox");
                self.conn.close_with(CloseFrame::sendable(CloseCode::MESSAGE_TOO_BIG, reason));
            }
        }
    }
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::First(_) => "First",
            Self::Again => "Again",
        })
    }
}
