//! [`Target`]: whom a message is for.

use std::{collections::HashSet, convert::Infallible, sync::Arc};

use indexmap::IndexSet;

use crate::{
    adapter::Subject,
    conn::{Conn, ConnId, Later},
    protocol::{close::CloseFrame, deflate::Outgoing, encoded::Encoded, message::Message},
};

use super::{
    Affected, Hub, Left, PublishError, Remote, Report, cluster::Act, group::Group, history::Publishing,
    taps::What,
};

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

    /// The one connection that it is for, if it is here.
    fn one(&self) -> Option<Conn> {
        match &self.to {
            To::Conn(id) => self.hub.connection(*id),
            _ => None,
        }
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        let index = self.hub.0.index.read();
        match &self.to {
            To::Rooms(rooms) => {
                rooms.iter().filter_map(|room| index.rooms.get(room.name())).cloned().collect()
            }
            To::User(user) => index.users.get(user.name()).into_iter().cloned().collect(),
            To::Conn(_) => Vec::new(),
            To::Everybody => vec![self.hub.0.everybody.clone()],
        }
    }

    fn do_everywhere(&self, act: &Act) -> Affected {
        Affected { here: self.do_here(act), remote: self.hand_over(act) }
    }

    /// Does something to those it is for on this node; to how many.
    pub(super) fn do_here(&self, act: &Act) -> usize {
        let each = |act: &dyn Fn(&Conn) -> bool| self.connections().iter().filter(|conn| act(conn)).count();
        match act {
            Act::Send { .. } => self.send_here(act).recipients(),
            Act::Close(frame) => each(&|conn| {
                let open = !conn.is_closing();
                if open {
                    conn.close_with(frame.clone());
                }
                open
            }),
            Act::Join(room) => each(&|conn| conn.join_now(room).is_ok()),
            Act::Leave(room) => each(&|conn| conn.leave_now(room) != Left::NotThere),
        }
    }

    /// Sends to rooms that keep history through their logs, and to the others at once.
    async fn send_parted(
        &self,
        message: Message,
        other: Option<(String, Message)>,
        framed: bool,
        report: &mut Report,
    ) -> Result<(), PublishError> {
        if !self.keeps_history() {
            *report = self.send_act(&Act::Send { message, other });
            return Ok(());
        }
        let (logged, rest) = self.parted();
        if let Some(rest) = rest {
            *report = rest.send_act(&Act::Send { message: message.clone(), other: other.clone() });
        }
        if logged.is_empty() {
            return Ok(());
        }
        self.append_to(&logged, Publishing { message, other, framed }, report).await
    }

    fn send_act(&self, act: &Act) -> Report {
        let mut report = self.send_here(act);
        report.remote = self.hand_over(act);
        report
    }

    /// Gives it to the adapter, for the nodes that it may concern.
    fn hand_over(&self, act: &Act) -> Remote {
        match &self.hub.0.cluster {
            Some(cluster) if self.concerns_others() => cluster.hand_over(&self.to, &self.except, act),
            _ => Remote::None,
        }
    }

    fn concerns_others(&self) -> bool {
        !matches!(&self.to, To::Conn(id) if id.node() == self.hub.node())
    }

    fn send_here(&self, act: &Act) -> Report {
        let Act::Send { message, other } = act else { return Report::default() };
        let (protocol, form) = match other {
            Some((protocol, other)) => (Some(protocol.as_str()), other),
            None => (None, message),
        };
        let Ok(report) = self.offer_forms(message, protocol, || Ok::<_, Infallible>(form.clone()));
        self.tell_taps(message, report);
        report
    }

    /// Puts a message into the outboxes of this node. Those who speak `protocol` get another form of it, after the
    /// others, which is made for the first of them.
    pub(crate) fn offer_forms<E>(
        &self,
        message: &Message,
        protocol: Option<&str>,
        other: impl FnOnce() -> Result<Message, E>,
    ) -> Result<Report, E> {
        let mut report = Report::default();
        let mut others = Vec::new();
        let somebody = self.offer(message, &mut report, |conn| {
            let speaks_other = protocol.is_some() && conn.protocol() == protocol;
            if speaks_other {
                others.push(conn.clone());
            }
            !speaks_other
        });
        if !others.is_empty() {
            let other = other()?;
            let encoded = self.hub.encode(&other, others.iter().filter_map(Conn::outgoing).copied());
            let mut later = Later::default();
            others.iter().for_each(|conn| report.add(conn.offer(&encoded, &mut later)));
        }
        if somebody {
            self.hub.0.fan_out.add(message.len(), &report);
        }
        Ok(report)
    }

    /// Offers a message to those who are `wanted`; whether there is anybody. Locks are held while that is asked.
    fn offer(&self, message: &Message, report: &mut Report, mut wanted: impl FnMut(&Conn) -> bool) -> bool {
        let (groups, one) = (self.groups(), self.one());
        if groups.is_empty() && one.is_none() {
            return false;
        }
        let outgoing = groups.iter().flat_map(|group| group.outgoing());
        let outgoing = outgoing.chain(one.as_ref().and_then(Conn::outgoing).copied());
        let encoded = self.hub.encode(message, outgoing);
        let mut later = Later::default();
        let mut seen = (groups.len() > 1).then(HashSet::new);
        for group in groups {
            group.send(&encoded, &self.except, seen.as_mut(), &mut wanted, report, &mut later);
        }
        if let Some(conn) = one.filter(|conn| !self.except.contains(&conn.id()) && wanted(conn)) {
            report.add(conn.offer(&encoded, &mut later));
        }
        true
    }

    pub(crate) fn tell_taps(&self, message: &Message, report: Report) {
        let (rooms, user) = match &self.to {
            To::Rooms(rooms) => (rooms.as_slice(), None),
            To::User(user) => (&[][..], Some(user.name())),
            To::Conn(_) | To::Everybody => (&[][..], None),
        };
        self.hub.was_broadcast(What::Broadcast { rooms, user, message, report });
    }

    /// As [`send`](Self::send), with the form that those get who speak `protocol`: other nodes cannot make it.
    #[cfg(feature = "commands")]
    pub(crate) fn send_forms(&self, message: Message, protocol: &str, other: Message) -> Report {
        self.send_act(&Act::Send { message, other: Some((protocol.to_owned(), other)) })
    }

    /// Whether there are other nodes.
    #[cfg(feature = "commands")]
    pub(crate) fn is_clustered(&self) -> bool {
        self.hub.0.cluster.is_some()
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

    /// All forms of a message, made before any group is locked.
    fn encode<'a>(&self, message: &'a Message, all: impl Iterator<Item = Outgoing>) -> Encoded<'a> {
        let mut encoded = Encoded::new(message);
        let compressed = all.filter(|outgoing| encoded.compress(outgoing)).count();
        self.0.encoded(compressed);
        encoded
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
