//! [`Listing`]: connections that are searched and sorted, and only so many of them.

use std::cmp::Ordering;

use crate::conn::Conn;

use super::{ConnInfo, Hub, Page};

/// Which connections are wanted, and in which order; by their ids, if nothing else is said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Listing {
    /// Only those in this room.
    pub(crate) room: Option<String>,
    /// Only those of this user.
    pub(crate) user: Option<String>,
    /// Only those that have this in their id, user, address, path or a room.
    pub(crate) search: String,
    /// The name of a field; an unknown one is that of the id.
    pub(crate) sort: String,
    pub(crate) descending: bool,
    /// How many at most.
    pub(crate) take: usize,
}

impl Listing {
    /// How many there are on one node, and the first of them.
    pub(crate) fn of(&self, hub: &Hub) -> (usize, Vec<ConnInfo>) {
        let mut conns = match (&self.room, &self.user) {
            (Some(room), _) => hub.members(room, Page::ALL),
            (None, Some(user)) => hub.connections_of(user, Page::ALL),
            (None, None) => hub.connections(Page::ALL),
        };
        if self.search.is_empty() && self.sort.is_empty() {
            // As it is asked for again and again, without a look at all of them.
            conns.sort_unstable_by_key(Conn::id);
            if self.descending {
                conns.reverse();
            }
            return (conns.len(), conns.iter().take(self.take).map(Conn::info).collect());
        }
        let mut infos: Vec<_> = conns.iter().map(Conn::info).filter(|info| self.wants(info)).collect();
        let total = infos.len();
        self.order(&mut infos);
        (total, infos)
    }

    /// Sorts, and leaves out what is too much.
    pub(crate) fn order(&self, infos: &mut Vec<ConnInfo>) {
        let compare = |a: &ConnInfo, b: &ConnInfo| self.compare(a, b).then_with(|| a.id.cmp(&b.id));
        infos.sort_unstable_by(|a, b| if self.descending { compare(b, a) } else { compare(a, b) });
        infos.truncate(self.take);
    }

    fn compare(&self, a: &ConnInfo, b: &ConnInfo) -> Ordering {
        match &*self.sort {
            "user" => a.user.cmp(&b.user),
            "peer" => a.peer.cmp(&b.peer),
            "path" => a.path.cmp(&b.path),
            "since" => a.since.cmp(&b.since),
            "received" => a.traffic.messages_received.cmp(&b.traffic.messages_received),
            "sent" => a.traffic.messages_sent.cmp(&b.traffic.messages_sent),
            "buffered" => a.buffered.cmp(&b.buffered),
            "round_trip" => a.round_trip.cmp(&b.round_trip),
            _ => Ordering::Equal,
        }
    }

    fn wants(&self, info: &ConnInfo) -> bool {
        let has = |text: &str| text.contains(&self.search);
        has(&info.id.to_string())
            || info.user.as_deref().is_some_and(has)
            || info.peer.is_some_and(|peer| has(&peer.to_string()))
            || has(&info.path)
            || info.rooms.iter().any(|room| has(room))
    }
}
