//! Looking things up, in pages.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    adapter::Position,
    conn::{Conn, ConnId, SendError},
    protocol::{close::CloseFrame, message::Message},
    stats::{Stats, Traffic},
};

use super::{ClusterStats, FanOut, HistoryStats, Hub, cluster::Cluster, group::Group, history::Followed};

/// Which part of a list to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many to leave out at the start.
    pub skip: usize,
    /// How many to give at most.
    pub limit: usize,
}

impl Page {
    /// The whole list, however long.
    pub const ALL: Self = Self { skip: 0, limit: usize::MAX };

    /// The first `limit`.
    pub fn first(limit: usize) -> Self {
        Self { skip: 0, limit }
    }
}

/// What is known about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnInfo {
    /// Its name.
    pub id: ConnId,
    /// The name of the handler that opened it.
    pub endpoint: Option<String>,
    /// Whose it is.
    pub user: Option<String>,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// The path of its opening request.
    pub path: String,
    /// The subprotocol.
    pub protocol: Option<String>,
    /// The rooms it is in.
    pub rooms: Vec<String>,
    /// Since when it is registered.
    pub since: SystemTime,
    /// What went over it.
    pub traffic: Traffic,
    /// Bytes in its outbox.
    pub buffered: usize,
    /// The last round trip that was measured.
    pub round_trip: Option<Duration>,
    /// What the application has attached.
    pub metadata: BTreeMap<String, String>,
}

/// What is known about a room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoomInfo {
    /// Its name.
    pub name: String,
    /// How many connections are in it.
    pub members: usize,
    /// Since when somebody is in it.
    pub since: SystemTime,
    /// What was sent to it since then.
    pub fan_out: FanOut,
    /// Where its members stand in its [history](crate::HubBuilder::history), if it keeps one and that is known yet.
    pub position: Option<Position>,
}

impl RoomInfo {
    pub(super) fn of(room: &Group) -> Self {
        Self {
            name: room.name.to_string(),
            members: room.len(),
            since: room.since,
            fan_out: room.fan_out(),
            position: room.followed().and_then(Followed::head),
        }
    }
}

/// What a hub has seen since it was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// How many there are now.
    pub counts: Counts,
    /// What its handlers have seen, added up.
    pub handlers: Stats,
    /// What was sent to rooms, users and everybody.
    pub fan_out: FanOut,
    /// Bytes that wait in all outboxes now.
    pub buffered: usize,
    /// The median of the connections' last round trips, of those that have measured one.
    pub round_trip: Option<Duration>,
    /// What went between this node and the others, if there is an adapter to them.
    pub cluster: Option<ClusterStats>,
    /// What became of messages to rooms that keep history.
    pub history: HistoryStats,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections.
    pub connections: usize,
    /// Rooms with somebody in them.
    pub rooms: usize,
    /// Users with a connection.
    pub users: usize,
    /// How often a message to rooms, users or everybody was encoded: once each, however many got it.
    pub encoded: u64,
    /// How often one was compressed: once for each set of parameters that those who get it have agreed to, and not at
    /// all for those with context takeover, whose connections compress for themselves.
    pub compressed: u64,
}

impl Hub {
    /// A connection by its name.
    pub fn connection(&self, id: ConnId) -> Option<Conn> {
        self.0.everybody.get(id)
    }

    /// Queues a message for one connection of this node, without waiting. It comes after what `on_open` sends. For one
    /// that may be on another node see [`Hub::conn`].
    ///
    /// # Errors
    ///
    /// As [`Conn::try_send`]; [`SendError::Closing`] also for a connection that is not here.
    pub fn send_to(&self, id: ConnId, message: impl Into<Message>) -> Result<(), SendError> {
        match self.connection(id) {
            Some(conn) => conn.try_send_by_id(message.into()),
            None => Err(SendError::Closing(message.into())),
        }
    }

    /// Begins the closing handshake of one connection of this node; `false` if it is not here. For one that may be on
    /// another node see [`Hub::conn`].
    pub fn close(&self, id: ConnId, frame: CloseFrame) -> bool {
        self.connection(id).map(|conn| conn.close_with(frame)).is_some()
    }

    /// How many connections, rooms and users there are.
    pub fn counts(&self) -> Counts {
        let index = self.0.index.read();
        Counts {
            connections: self.0.everybody.len(),
            rooms: index.rooms.len(),
            users: index.users.len(),
            encoded: self.0.encoded.load(Relaxed),
            compressed: self.0.compressed.load(Relaxed),
        }
    }

    /// What the hub has seen. Looks at every connection once, for its outbox and its round trip.
    pub fn stats(&self) -> HubStats {
        let mut handlers = Stats::default();
        for counters in &*self.0.handlers.lock() {
            handlers.add(&counters.read());
        }
        let conns = self.0.everybody.page(0, usize::MAX);
        let buffered = conns.iter().map(Conn::buffered).sum();
        let mut round_trips: Vec<_> = conns.iter().filter_map(Conn::round_trip).collect();
        round_trips.sort_unstable();
        let round_trip = round_trips.get(round_trips.len() / 2).copied();
        let (counts, fan_out) = (self.counts(), self.0.fan_out.read());
        let cluster = self.0.cluster.as_ref().map(Cluster::stats);
        let history = self.0.histories.counters.read();
        HubStats { counts, handlers, fan_out, buffered, round_trip, cluster, history }
    }

    /// Why connections have ended, by [`Closed::label`](crate::Closed::label), and how often.
    pub fn closes(&self) -> BTreeMap<&'static str, u64> {
        self.0.closes.lock().clone()
    }

    /// Connections, by their ids.
    pub fn connections(&self, page: Page) -> Vec<Conn> {
        let mut conns = self.0.everybody.page(0, usize::MAX);
        conns.sort_unstable_by_key(Conn::id);
        paged(conns, page)
    }

    /// Rooms, by name.
    pub fn room_list(&self, page: Page) -> Vec<RoomInfo> {
        let mut rooms: Vec<_> = self.0.index.read().rooms.values().cloned().collect();
        rooms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        paged(rooms, page).iter().map(|room| RoomInfo::of(room)).collect()
    }

    /// Users with a connection, by name.
    pub fn users(&self, page: Page) -> Vec<String> {
        let mut users: Vec<_> = self.0.index.read().users.keys().map(ToString::to_string).collect();
        users.sort_unstable();
        paged(users, page)
    }

    /// Rooms whose names hold a text, by name, and how many connections are in each.
    pub(super) fn room_sizes(&self, search: &str) -> Vec<(String, usize)> {
        let rooms: Vec<_> = self.0.index.read().rooms.values().cloned().collect();
        sizes(&rooms, search)
    }

    /// Users whose names hold a text, by name, and how many connections each has.
    pub(super) fn user_sizes(&self, search: &str) -> Vec<(String, usize)> {
        let users: Vec<_> = self.0.index.read().users.values().cloned().collect();
        sizes(&users, search)
    }

    /// The connections in a room; nobody, if there is no such room.
    pub fn members(&self, room: &str, page: Page) -> Vec<Conn> {
        let room = self.0.index.read().rooms.get(room).cloned();
        room.map(|room| room.page(page.skip, page.limit)).unwrap_or_default()
    }

    /// The connections of a user.
    pub fn connections_of(&self, user: &str, page: Page) -> Vec<Conn> {
        let user = self.0.index.read().users.get(user).cloned();
        user.map(|user| user.page(page.skip, page.limit)).unwrap_or_default()
    }

    /// Whether a user has a connection.
    pub fn is_online(&self, user: &str) -> bool {
        !self.connections_of(user, Page::first(1)).is_empty()
    }
}

impl Conn {
    /// All that is known about the connection.
    pub fn info(&self) -> ConnInfo {
        let member = self.member();
        ConnInfo {
            id: self.id(),
            endpoint: self.endpoint().map(ToOwned::to_owned),
            user: self.user().map(ToOwned::to_owned),
            peer: self.peer(),
            path: self.request().path().to_owned(),
            protocol: self.protocol().map(ToOwned::to_owned),
            rooms: self.rooms(),
            since: UNIX_EPOCH + Duration::from_millis(member.since),
            traffic: self.traffic(),
            buffered: self.buffered(),
            round_trip: self.round_trip(),
            metadata: self.all_metadata(),
        }
    }

    /// Whether the connection is in a room.
    pub fn is_in(&self, room: &str) -> bool {
        self.member().rooms.lock().iter().flatten().any(|it| &*it.name == room)
    }
}

/// Those whose names hold `search`, by name, with how many connections each has.
fn sizes(groups: &[Arc<Group>], search: &str) -> Vec<(String, usize)> {
    let found = groups.iter().filter(|group| group.name.contains(search));
    let mut sizes: Vec<_> = found.map(|group| (group.name.to_string(), group.len())).collect();
    sizes.sort_unstable();
    sizes
}

fn paged<T>(list: Vec<T>, page: Page) -> Vec<T> {
    list.into_iter().skip(page.skip).take(page.limit).collect()
}
