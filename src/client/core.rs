//! [`Core`]: what a client knows. Values in, messages and events out; the driver has the connection.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{future::BoxFuture, stream::FuturesUnordered};
use tokio::{sync::watch, time::Instant};

use crate::{
    commands::{
        ErrorReply, code,
        frame::{ERROR, Id, Outgoing, REPLY},
    },
    protocol::message::Message,
};

use super::{
    answers::{Answered, MAX_ANSWERS, answer, refusal},
    closing::Closed,
    config::Config,
    error::{ClientError, CommandError},
    events::{Event, State},
    frame::Frame,
    inbox::Teller,
    member::{Effect, Entered, Failure, JoinParam, Membership, Told},
    outbox::{Outbox, SendResult, Settle, Waiting},
    requests::{Asked, Requests, settle},
};

/// What handles ask for.
#[derive(Debug)]
pub(super) enum Op {
    Send(Waiting),
    Listen(Teller<Event>),
    Join {
        room: Arc<str>,
        options: JoinParam,
        reader: Teller<Told>,
        entered: Entered,
    },
    /// Somebody has stopped to read this room.
    Left(Arc<str>),
}

/// The present connection is of no use any more.
#[derive(Debug)]
pub(super) struct GiveUp(pub(super) &'static str);

pub(super) struct Core {
    pub(super) config: Arc<Config>,
    ids: Arc<AtomicU64>,
    state: watch::Sender<State>,
    listeners: Vec<Teller<Event>>,
    pub(super) outbox: Outbox,
    /// Joins and answers, which go out on the present connection or not at all, and first.
    urgent: VecDeque<Message>,
    requests: Requests,
    rooms: HashMap<Arc<str>, Membership>,
    pub(super) answers: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// Counts the connections.
    connection: u64,
    is_open: bool,
}

impl Core {
    pub(super) fn new(config: Arc<Config>, ids: Arc<AtomicU64>, state: watch::Sender<State>) -> Self {
        let outbox = Outbox::new(config.outbox_messages, config.outbox_bytes);
        Self {
            config,
            ids,
            state,
            listeners: Vec::new(),
            outbox,
            urgent: VecDeque::new(),
            requests: Requests::default(),
            rooms: HashMap::new(),
            answers: FuturesUnordered::new(),
            connection: 0,
            is_open: false,
        }
    }

    pub(super) fn take(&mut self, op: Op) {
        match op {
            Op::Send(waiting) => self.outbox.push(waiting),
            Op::Listen(listener) => {
                self.listeners.retain(|listener| !listener.is_closed());
                self.listeners.push(listener);
            }
            Op::Join { room, options, reader, entered } => {
                let is_new = !self.rooms.contains_key(&room);
                let member = self.rooms.entry(Arc::clone(&room)).or_insert_with(|| Membership::new(options));
                member.read_by(reader, entered);
                if is_new && self.is_open {
                    self.renew(&room);
                }
            }
            Op::Left(room) => self.leave_if_abandoned(&room),
        }
    }

    /// A connection is open: rooms are joined before anything that waited is sent.
    pub(super) fn opened(&mut self) {
        self.connection += 1;
        self.is_open = true;
        self.become_state(State::Open);
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        for room in rooms {
            self.renew(&room);
        }
    }

    /// The connection has ended, or there was none.
    pub(super) fn disconnected(&mut self) {
        self.is_open = false;
        self.urgent.clear();
        self.requests.disconnected();
        self.rooms.values_mut().for_each(Membership::disconnected);
    }

    /// Nothing happens any more.
    pub(super) fn end(&mut self) {
        self.disconnected();
        self.outbox.clear();
        for (_, mut member) in self.rooms.drain() {
            for entered in member.give_up() {
                drop(entered.send(Err(CommandError::Dropped)));
            }
        }
        self.become_state(State::Closed);
    }

    pub(super) fn become_state(&mut self, state: State) {
        self.state.send_replace(state);
        self.tell(&Event::State(state));
    }

    pub(super) fn closed(&mut self, closed: Closed) {
        self.tell(&Event::Closed(closed));
    }

    pub(super) fn report(&mut self, error: ClientError) {
        self.tell(&Event::Error(Arc::new(error)));
    }

    fn tell(&mut self, event: &Event) {
        self.listeners.retain(|listener| !listener.is_closed());
        for listener in &self.listeners {
            listener.tell(event.clone());
        }
    }

    /// Whether there is anything to write on an open connection.
    pub(super) fn has_outgoing(&self) -> bool {
        !self.urgent.is_empty() || !self.outbox.is_empty()
    }

    /// Whether so much waits to be written that nothing is read that would add to it.
    pub(super) fn is_behind(&self) -> bool {
        self.urgent.len() > 256 + 2 * self.rooms.len()
    }

    /// What the connection, which has room, takes next.
    pub(super) fn next_outgoing(&mut self) -> Option<Message> {
        if let Some(message) = self.urgent.pop_front() {
            return Some(message);
        }
        let Waiting { message, settle, .. } = self.outbox.pop()?;
        match settle {
            Settle::Sender(sender) => drop(sender.send(SendResult::Sent)),
            Settle::Caller(id, caller) => self.requests.insert(id, Asked::Caller(caller)),
        }
        Some(message)
    }

    /// When the time has come for something; looked up anew each time, among some hundred at most.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let rooms = self.rooms.values().filter_map(Membership::deadline);
        rooms.chain(self.outbox.deadline()).min()
    }

    pub(super) fn tick(&mut self, now: Instant) -> Result<(), GiveUp> {
        self.outbox.expire(now);
        if self.rooms.values().any(|member| member.is_late(now)) {
            return Err(GiveUp("no answer to a join"));
        }
        let due: Vec<_> = self
            .rooms
            .iter()
            .filter(|(_, member)| member.is_due(now))
            .map(|(name, _)| name.clone())
            .collect();
        for room in due {
            self.renew(&room);
        }
        Ok(())
    }

    /// A message of the server.
    pub(super) fn receive(&mut self, message: Message) {
        let Some(frame) = Frame::parse(self.config.codec, message) else {
            return self.report(ClientError::NotACommand);
        };
        match (frame.cmd(), frame.id()) {
            (ERROR, None) => self.report(ClientError::Server(CommandError::told(&frame))),
            (REPLY | ERROR, id) => {
                if let Some(Id::Number(id)) = id {
                    self.answered(*id, &frame);
                }
            }
            (_, Some(_)) => self.asked(frame),
            (_, None) => self.deliver(frame),
        }
    }

    fn answered(&mut self, id: u64, frame: &Frame) {
        let is_error = frame.cmd() == ERROR;
        let answer = if is_error { Err(CommandError::told(frame)) } else { Ok(frame.clone()) };
        match self.requests.take(id) {
            None => {} // it came too late
            Some(Asked::Caller(caller)) => settle(caller, answer),
            Some(Asked::Room(room)) => self.join_answered(&room, id, answer),
        }
    }

    fn join_answered(&mut self, room: &Arc<str>, id: u64, answer: Result<Frame, CommandError>) {
        let Some(member) = self.rooms.get_mut(room).filter(|member| member.awaits(id)) else { return };
        match answer {
            Ok(reply) => member.entered(&reply),
            Err(error) => {
                let Failure::ForGood = member.failed(&error) else { return };
                self.cannot_join(room, error);
            }
        }
    }

    fn cannot_join(&mut self, room: &Arc<str>, error: CommandError) {
        let Some(mut member) = self.rooms.remove(room) else { return };
        let mut waiting = member.give_up();
        // Whoever waits for it is told; if nobody does, the events tell it.
        let Some(first) = waiting.pop() else {
            return self.report(ClientError::Join { room: Arc::clone(room), source: Arc::new(error) });
        };
        for entered in waiting {
            drop(entered.send(Err(error.again())));
        }
        drop(first.send(Err(error)));
    }

    fn deliver(&mut self, frame: Frame) {
        let room = frame
            .channel()
            .and_then(|channel| self.rooms.get_key_value(channel))
            .map(|(name, _)| name.clone());
        if let Some(room) = room {
            self.leave_if_abandoned(&room);
            let effect = self.rooms.get_mut(&room).map_or(Effect::Nothing, |member| member.receive(&frame));
            match effect {
                Effect::Command => {}
                Effect::Nothing => return,
                Effect::Renew => return self.renew(&room),
            }
        }
        self.tell(&Event::Command(frame));
    }

    /// The server asks.
    fn asked(&mut self, frame: Frame) {
        let codec = self.config.codec;
        let refused = match self.config.answers.get(frame.cmd()) {
            None => ErrorReply::new(code::UNKNOWN_COMMAND, "unknown_command"),
            Some(_) if self.answers.len() >= MAX_ANSWERS => ErrorReply::new(code::BUSY, "busy"),
            Some(handler) => {
                let answering = handler(frame.clone(), codec);
                return self.answers.push(Box::pin(answer(answering, frame, codec, self.connection)));
            }
        };
        self.urgent.extend(refusal(codec, frame.id(), &refused).ok());
    }

    /// A handler has answered; where the connection of the question is gone, nobody waits for it.
    pub(super) fn answer(&mut self, answered: Answered) {
        if let Some(error) = answered.error {
            self.report(error);
        }
        if self.is_open && answered.connection == self.connection {
            self.urgent.extend(answered.message);
        }
    }

    /// Joins a room, on a connection that is new or after a hole.
    fn renew(&mut self, room: &Arc<str>) {
        let Some(member) = self.rooms.get_mut(room) else { return };
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let param = member.renew(id, self.config.timeout);
        self.requests.insert(id, Asked::Room(Arc::clone(room)));
        self.say("join", room, param, id);
    }

    /// Leaves a room that nobody reads any more.
    fn leave_if_abandoned(&mut self, room: &Arc<str>) {
        if !self.rooms.get_mut(room).is_some_and(Membership::is_abandoned) {
            return;
        }
        let Some(mut member) = self.rooms.remove(room) else { return };
        for entered in member.give_up() {
            drop(entered.send(Err(CommandError::Left)));
        }
        if member.is_known() {
            // The id is one that nobody waits for: whether it is left by this or not, nothing follows from it.
            self.say("leave", room, None, self.ids.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn say(&mut self, cmd: &str, room: &str, param: Option<JoinParam>, id: u64) {
        let frame = Outgoing { channel: Some(room), id: Some(&Id::Number(id)), ..Outgoing::new(cmd, param) };
        self.urgent.extend(self.config.codec.encode(&frame).ok());
    }
}
