//! Reaching those whom a [`Target`] is for: on this node, and by the adapter to the others.

use std::{collections::HashSet, convert::Infallible, sync::Arc};

use crate::{
    conn::{Conn, Later},
    protocol::{deflate::Outgoing, encoded::Encoded, message::Message},
};

use super::{
    Affected, Hub, Left, PublishError, Remote, Report, Target, cluster::Act, group::Group,
    history::Publishing, taps::What, target::To,
};

impl Target {
    /// The one connection that it is for, if it is here.
    pub(super) fn one(&self) -> Option<Conn> {
        match &self.to {
            To::Conn(id) => self.hub.connection(*id),
            _ => None,
        }
    }

    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
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

    pub(super) fn do_everywhere(&self, act: &Act) -> Affected {
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
    pub(super) async fn send_parted(
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
    /// All forms of a message, made before any group is locked.
    fn encode<'a>(&self, message: &'a Message, all: impl Iterator<Item = Outgoing>) -> Encoded<'a> {
        let mut encoded = Encoded::shared(message);
        let compressed = all.filter(|outgoing| encoded.compress(outgoing)).count();
        self.0.encoded(compressed);
        encoded
    }
}
