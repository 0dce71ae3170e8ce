//! [`Target`]: whom a message is for.

use std::collections::HashSet;

use indexmap::IndexSet;

use crate::{
    adapter::Subject,
    conn::{Conn, ConnId},
    protocol::{close::CloseFrame, message::Message},
};

use super::{Affected, Hub, PublishError, Remote, Report, cluster::Act};

/// Whom a message is for: a room, several rooms, a user, one connection, or everybody; on every node, if the hub has
/// an [adapter](crate::HubBuilder::adapter).
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send`"]
pub struct Target {
    pub(super) hub: Hub,
    pub(super) to: To,
    pub(super) except: Vec<ConnId>,
    pub(super) key: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum To {
    /// By their subjects, each once.
    Rooms(Vec<Subject>),
    User(Subject),
    Conn(ConnId),
    Everybody,
}

impl Target {
    /// Leaves a connection out. A sender who is a member gets its own message unless it is left out.
    pub fn except(mut self, conn: impl Into<ConnId>) -> Self {
        self.except.push(conn.into());
        self
    }

    /// Leaves several connections out: at most 65,536 on other nodes.
    pub fn except_all(mut self, conns: impl IntoIterator<Item = ConnId>) -> Self {
        self.except.extend(conns);
        self
    }

    /// Names what is sent, for rooms that keep [history](crate::HubBuilder::history): the same key within five minutes
    /// makes one message, so that a publisher who got no answer may repeat it. Elsewhere it does nothing.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Puts the message into the outbox of everybody it is for on this node, and hands it over for the others. It
    /// waits for no peer and no engine: what happens to a full outbox is each handler's
    /// [`SlowReader`](crate::SlowReader) choice. A connection that is in several of the rooms gets it once.
    ///
    /// A room that keeps [history](crate::HubBuilder::history) gets it through its log, which this waits for, for a
    /// second at most; [`publish`](Self::publish) says why the log has not taken it.
    pub async fn send(&self, message: impl Into<Message>) -> Report {
        self.send_both(message.into(), None, false).await
    }

    /// As [`send`](Self::send), with the message's form for those who speak another subprotocol.
    pub(crate) async fn send_both(
        &self,
        message: Message,
        other: Option<(String, Message)>,
        framed: bool,
    ) -> Report {
        let mut report = Report::default();
        // What has failed is in the report.
        let _ = self.send_parted(message, other, framed, &mut report).await;
        report
    }

    /// As [`send`](Self::send), and waits until the engine between the nodes has taken the message. It is sent once,
    /// whatever this returns.
    ///
    /// For a room that keeps [history](crate::HubBuilder::history) `Ok` says that the log has it, and
    /// [`Report::position`] where.
    ///
    /// # Errors
    ///
    /// [`PublishError`], within a second; connections of this node were served then.
    pub async fn publish(&self, message: impl Into<Message>) -> Result<Report, PublishError> {
        self.publish_both(message.into(), None, false).await
    }

    /// As [`publish`](Self::publish), with the message's form for those who speak another subprotocol.
    pub(crate) async fn publish_both(
        &self,
        message: Message,
        other: Option<(String, Message)>,
        framed: bool,
    ) -> Result<Report, PublishError> {
        let mut report = Report::default();
        self.send_parted(message, other, framed, &mut report).await?;
        match (report.remote, &self.hub.0.cluster) {
            (Remote::NotHandedOver(reason), _) => Err(PublishError::NotHandedOver(reason)),
            (Remote::HandedOver, Some(cluster)) => {
                cluster.flush().await.map(|()| report).map_err(|_| PublishError::Unconfirmed)
            }
            _ => Ok(report),
        }
    }

    /// Closes the connections of everybody it is for; tells how many were open.
    pub async fn close(&self, frame: CloseFrame) -> Affected {
        self.do_everywhere(&Act::Close(frame))
    }

    /// Puts the connections of everybody it is for into a room, as if each of them [joined](Conn::join). Those that
    /// may not are left out.
    pub async fn join(&self, room: &str) -> Affected {
        self.do_everywhere(&Act::Join(room.into()))
    }

    /// Takes the connections of everybody it is for out of a room.
    pub async fn leave(&self, room: &str) -> Affected {
        self.do_everywhere(&Act::Leave(room.into()))
    }

    /// The connections of this node that it is for, each once.
    pub fn connections(&self) -> Vec<Conn> {
        let mut seen = HashSet::new();
        let members = self.groups().into_iter().flat_map(|group| group.page(0, usize::MAX));
        let members = members.chain(self.one());
        members.filter(|conn| !self.except.contains(&conn.id()) && seen.insert(conn.id())).collect()
    }
}

impl Hub {
    /// A room, to send to. One that nobody is in is nobody.
    pub fn room(&self, name: impl Into<String>) -> Target {
        self.to(To::Rooms(vec![room(name)]))
    }

    /// Several rooms, to send to; a connection that is in more than one gets a message once.
    pub fn rooms<N: Into<String>>(&self, names: impl IntoIterator<Item = N>) -> Target {
        let names: IndexSet<_> = names.into_iter().map(room).collect();
        self.to(To::Rooms(names.into_iter().collect()))
    }

    /// All connections of a user, to send to.
    pub fn user(&self, name: impl Into<String>) -> Target {
        let name: String = name.into();
        self.to(To::User(Subject::User(name.into())))
    }

    /// One connection by its id, to send to, on whichever node it is. One that is gone is nobody.
    pub fn conn(&self, id: impl Into<ConnId>) -> Target {
        self.to(To::Conn(id.into()))
    }

    /// Every connection, to send to.
    pub fn everybody(&self) -> Target {
        self.to(To::Everybody)
    }

    pub(super) fn to(&self, to: To) -> Target {
        Target { hub: self.clone(), to, except: Vec::new(), key: None }
    }
}

impl Conn {
    /// A room of this connection's hub, to send to; the connection need not be in it.
    pub fn room(&self, name: impl Into<String>) -> Target {
        self.hub().room(name)
    }
}

fn room(name: impl Into<String>) -> Subject {
    let name: String = name.into();
    Subject::Room(name.into())
}
