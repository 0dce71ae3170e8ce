//! [`Target`]: whom a message is for.

use std::{collections::HashSet, sync::Arc};

use indexmap::IndexSet;

use crate::{
    conn::{Conn, ConnId, Later},
    protocol::{close::CloseFrame, frame::Encoded, message::Message},
};

use super::{Hub, group::Group, report::Report, taps::What};

/// Whom a message is for: a room, several rooms, a user, or everybody.
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct Target {
    hub: Hub,
    to: To,
    except: Vec<ConnId>,
}

#[derive(Debug, Clone)]
enum To {
    Rooms(Vec<String>),
    User(String),
    Everybody,
}

impl Target {
    fn new(hub: &Hub, to: To) -> Self {
        Self { hub: hub.clone(), to, except: Vec::new() }
    }

    /// Leaves a connection out. A sender who is a member gets its own message unless it is left out.
    pub fn except(mut self, conn: impl Into<ConnId>) -> Self {
        self.except.push(conn.into());
        self
    }

    /// Leaves several connections out.
    pub fn except_all(mut self, conns: impl IntoIterator<Item = ConnId>) -> Self {
        self.except.extend(conns);
        self
    }

    /// Puts the message into the outbox of everybody it is for. It waits for no peer: what happens to a full outbox
    /// is each handler's [`SlowReader`](crate::SlowReader) choice. A connection that is in several of the rooms gets
    /// it once.
    pub async fn send(&self, message: impl Into<Message>) -> Report {
        self.send_where(&message.into(), |_| true)
    }

    /// Closes the connections of everybody it is for; returns how many were open.
    pub async fn close(&self, frame: CloseFrame) -> usize {
        let mut closed = 0;
        for conn in self.connections() {
            if !conn.is_closing() {
                conn.close_with(frame.clone());
                closed += 1;
            }
        }
        closed
    }

    /// The connections it is for, each once.
    pub fn connections(&self) -> Vec<Conn> {
        let mut seen = HashSet::new();
        let members = self.groups().into_iter().flat_map(|group| group.page(0, usize::MAX));
        members.filter(|conn| !self.except.contains(&conn.id()) && seen.insert(conn.id())).collect()
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        let index = self.hub.0.index.read();
        match &self.to {
            To::Rooms(rooms) => {
                rooms.iter().filter_map(|room| index.rooms.get(room.as_str())).cloned().collect()
            }
            To::User(user) => index.users.get(user.as_str()).into_iter().cloned().collect(),
            To::Everybody => vec![self.hub.0.everybody.clone()],
        }
    }

    /// As [`send`](Self::send), to those who are `wanted`. Locks are held while that is asked.
    pub(crate) fn send_where(&self, message: &Message, mut wanted: impl FnMut(&Conn) -> bool) -> Report {
        let groups = self.groups();
        let mut report = Report::default();
        if groups.is_empty() {
            return report;
        }
        let encoded = self.hub.encode(message);
        let mut later = Later::default();
        let mut seen = (groups.len() > 1).then(HashSet::new);
        for group in groups {
            group.send(&encoded, &self.except, seen.as_mut(), &mut wanted, &mut report, &mut later);
        }
        drop(later);
        self.hub.0.fan_out.add(message.len(), &report);
        let (rooms, user) = match &self.to {
            To::Rooms(rooms) => (rooms.as_slice(), None),
            To::User(user) => (&[][..], Some(user.as_str())),
            To::Everybody => (&[][..], None),
        };
        self.hub.was_broadcast(What::Broadcast { rooms, user, message, report });
        report
    }

    /// Puts a message into the outboxes of some whom [`send_where`](Self::send_where) did not want.
    #[cfg(feature = "commands")]
    pub(crate) fn offer_to(&self, conns: &[Conn], message: &Message, report: &mut Report) {
        let encoded = self.hub.encode(message);
        let mut later = Later::default();
        for conn in conns {
            report.add(conn.offer(&encoded, &mut later));
        }
    }
}

impl Hub {
    /// A room, to send to. One that nobody is in is nobody.
    pub fn room(&self, name: impl Into<String>) -> Target {
        Target::new(self, To::Rooms(vec![name.into()]))
    }

    /// Several rooms, to send to; a connection that is in more than one gets a message once.
    pub fn rooms<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Target {
        let names: IndexSet<String> = names.into_iter().map(Into::into).collect();
        Target::new(self, To::Rooms(names.into_iter().collect()))
    }

    /// All connections of a user, to send to.
    pub fn user(&self, name: impl Into<String>) -> Target {
        Target::new(self, To::User(name.into()))
    }

    /// Every connection, to send to.
    pub fn everybody(&self) -> Target {
        Target::new(self, To::Everybody)
    }

    fn encode<'a>(&self, message: &'a Message) -> Encoded<'a> {
        self.0.encoded();
        Encoded::new(message)
    }
}

impl Conn {
    /// A room of this connection's hub, to send to; the connection need not be in it.
    pub fn room(&self, name: impl Into<String>) -> Target {
        self.hub().room(name)
    }
}
