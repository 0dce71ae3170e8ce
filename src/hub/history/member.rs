//! [`Member`]: who gets a room's messages, where it stands, and how it comes in.

use std::{collections::VecDeque, fmt, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    adapter::{Position, ReadFrom},
    conn::{Conn, ConnId, Later},
    protocol::{
        close::{CloseCode, CloseFrame},
        encoded::Encoded,
        message::Message,
        text::Text,
    },
};

use super::{
    Entered, Lost, Words,
    counters::HistoryCounters,
    entry::{Form, Published},
    framing::{Framing, LostMessages, Notices},
};

/// A member, and where it stands.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) conn: Conn,
    pub(super) framing: Option<&'static dyn Framing>,
    pub(super) notices: Option<Arc<Notices>>,
    /// The last message that it was meant to get; `None` while the log could not be read.
    pub(super) last: Option<u64>,
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
    First(Words),
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

impl Hello {
    pub(super) fn say(
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

impl Member {
    /// The form of an entry that this member is to get; `None` if it has it, or is not meant to.
    pub(super) fn form_of(&self, id: ConnId, offset: u64, entry: &Published) -> Option<Form> {
        let last = self.last.filter(|last| *last < offset && entry.is_for(id))?;
        Some(entry.form(&self.conn, self.framing, last))
    }

    /// Puts messages into the outbox as long as it has room; whether it had for all of them.
    pub(super) fn push(&self, queue: &mut VecDeque<Message>) -> bool {
        while let Some(first) = queue.front() {
            if !self.conn.offer_if_room(&Encoded::new(first)) {
                return false;
            }
            queue.pop_front();
        }
        true
    }

    pub(super) fn tell_lost(
        &mut self,
        room: &str,
        why: Lost,
        position: Position,
        counters: &HistoryCounters,
    ) {
        counters.recovery(Some(why));
        self.last = Some(position.offset);
        let framed = self.framing.map(|framing| framing.lost(&LostMessages { room, why, position }));
        let notice = || self.notices.as_ref().map(|notices| notices.get(why).clone());
        if let Some(message) = framed.or_else(notice) {
            self.conn.offer(&Encoded::new(&message), &mut Later::default());
        }
    }

    /// A message is larger than its outbox: it is told that it lost it, or it could not go on.
    pub(super) fn cannot_have(
        &mut self,
        room: &str,
        head: Option<Position>,
        offset: u64,
        counters: &HistoryCounters,
    ) {
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

impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First(_) => "First",
            Self::Again => "Again",
        })
    }
}
