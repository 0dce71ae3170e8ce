//! [`Membership`]: a room that the client is in, or will be again as soon as there is a connection. No I/O.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::Instant};

use super::{
    error::CommandError,
    frame::Frame,
    inbox::{Missed, Teller},
    outbox::after,
    position::{Follower, Position, Verdict},
};

/// After how long a join that failed for a reason that may pass is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What happens in a room.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RoomEvent {
    /// A connection has joined the room: the first one, or a new one.
    Joined,
    /// The client is back in the room, or was told of a loss; before anything of what it missed. There is nothing to tell of
    /// a first visit.
    Recovered(Recovery),
    /// A command that was sent to the room; in a room that keeps history each once, and in order.
    Command(Frame),
    /// The reader was too slow for so many events, which would have been here.
    Missed(u64),
}

/// What became of what was said while the client was away, or of a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Whether everything that was missed comes now.
    pub recovered: bool,
    /// If not, why: `epoch`, `trimmed`, `limit` or `unavailable` (`docs/wire.md`).
    pub reason: Option<Box<str>>,
}

/// An event, and where its reader stands in the room's log once it has it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) event: RoomEvent,
    pub(super) position: Option<Position>,
}

impl From<Missed> for Told {
    fn from(Missed(events): Missed) -> Self {
        // What comes next says where the reader stands.
        Self { event: RoomEvent::Missed(events), position: None }
    }
}

/// How to join a room.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct JoinParam {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<u32>,
}

/// What the server says about a position.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Standing {
    recovered: bool,
    reason: Option<Box<str>>,
    position: Option<Position>,
}

/// Who waits to be in the room.
pub(super) type Entered = oneshot::Sender<Result<(), CommandError>>;

/// A join that is under way.
#[derive(Debug)]
struct Joining {
    id: u64,
    deadline: Instant,
    /// It named a position.
    since: bool,
}

/// What a frame of the room means for the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The application gets it.
    Command,
    /// Nobody does.
    Nothing,
    /// Join again, with the position.
    Renew,
}

/// Why a join has failed.
pub(super) enum Failure {
    /// It will be tried again.
    Later,
    /// The room is left.
    ForGood,
}

#[derive(Debug)]
pub(super) struct Membership {
    options: JoinParam,
    follower: Follower,
    readers: Vec<Teller<Told>>,
    waiting: Vec<Entered>,
    is_member: bool,
    was_member: bool,
    joining: Option<Joining>,
    retry: Option<Instant>,
}

impl Membership {
    pub(super) fn new(options: JoinParam) -> Self {
        let mut follower = Follower::default();
        follower.move_to(options.since.clone());
        Self {
            options,
            follower,
            readers: Vec::new(),
            waiting: Vec::new(),
            is_member: false,
            was_member: false,
            joining: None,
            retry: None,
        }
    }

    /// One more reads what happens here.
    pub(super) fn read_by(&mut self, reader: Teller<Told>, entered: Entered) {
        if self.is_member {
            reader.tell(Told { event: RoomEvent::Joined, position: self.follower.position() });
            drop(entered.send(Ok(())));
        } else {
            self.waiting.push(entered);
        }
        self.readers.push(reader);
    }

    /// Whether nobody reads any more what happens here.
    pub(super) fn is_abandoned(&mut self) -> bool {
        self.readers.retain(|reader| !reader.is_closed());
        self.readers.is_empty()
    }

    /// Whether the server may hold us for a member.
    pub(super) fn is_known(&self) -> bool {
        self.is_member || self.joining.is_some()
    }

    /// Begins to join, on a connection that is new or after a hole: what to ask for, as the request with this id.
    pub(super) fn renew(&mut self, id: u64, timeout: Duration) -> Option<JoinParam> {
        let since = self.follower.position();
        self.joining = Some(Joining { id, deadline: after(timeout), since: since.is_some() });
        self.retry = None;
        let last = if since.is_some() { None } else { self.options.last };
        (since.is_some() || last.is_some()).then_some(JoinParam { since, last })
    }

    /// The connection is gone.
    pub(super) fn disconnected(&mut self) {
        self.is_member = false;
        self.joining = None;
        self.retry = None;
    }

    /// When something is to be done about a join.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.joining.as_ref().map(|joining| joining.deadline).or(self.retry)
    }

    /// Whether a join has got no answer in time.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.joining.as_ref().is_some_and(|joining| joining.deadline <= now)
    }

    /// Whether it is time to try a join again.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.retry.is_some_and(|retry| retry <= now)
    }

    /// Whether this answer is the one to the join that is under way; one to another is too late.
    pub(super) fn awaits(&self, id: u64) -> bool {
        self.joining.as_ref().is_some_and(|joining| joining.id == id)
    }

    /// The server has let the client in.
    pub(super) fn entered(&mut self, reply: &Frame) {
        let since = self.joining.take().is_some_and(|joining| joining.since);
        self.is_member = true;
        let standing: Standing = reply.param().unwrap_or_default();
        // Whoever names a position gets what follows it, and stays there until that comes.
        if !standing.recovered {
            self.stands(standing);
        } else {
            if !since {
                self.follower.replay(standing.position);
            }
            self.recovery(Recovery { recovered: true, reason: None });
        }
        self.was_member = true;
        self.tell(&RoomEvent::Joined);
        for entered in self.waiting.drain(..) {
            drop(entered.send(Ok(())));
        }
    }

    /// The server has not let the client in.
    pub(super) fn failed(&mut self, error: &CommandError) -> Failure {
        self.joining = None;
        if matches!(error.code(), "busy" | "internal" | "closing") {
            self.retry = Some(after(TRY_AGAIN));
            return Failure::Later;
        }
        Failure::ForGood
    }

    /// Who waits to be in the room, which it will not be.
    pub(super) fn give_up(&mut self) -> Vec<Entered> {
        std::mem::take(&mut self.waiting)
    }

    /// A command that was sent to this room.
    pub(super) fn receive(&mut self, frame: &Frame) -> Effect {
        if frame.cmd() == "recovered" {
            self.stands(frame.param().unwrap_or_default());
            return Effect::Nothing;
        }
        match self.follower.judge(frame) {
            Verdict::Hole if self.joining.is_none() => Effect::Renew,
            Verdict::Hole | Verdict::Duplicate => Effect::Nothing,
            Verdict::Next => {
                self.tell(&RoomEvent::Command(frame.clone()));
                Effect::Command
            }
        }
    }

    /// The server cannot give what was missed, and says where the client stands.
    fn stands(&mut self, standing: Standing) {
        self.follower.move_to(standing.position);
        let reason = standing.reason.unwrap_or("unavailable".into());
        self.recovery(Recovery { recovered: false, reason: Some(reason) });
    }

    fn recovery(&mut self, recovery: Recovery) {
        if self.was_member || self.options.since.is_some() {
            self.tell(&RoomEvent::Recovered(recovery));
        }
    }

    fn tell(&self, event: &RoomEvent) {
        let position = self.follower.position();
        for reader in &self.readers {
            reader.tell(Told { event: event.clone(), position: position.clone() });
        }
    }
}
