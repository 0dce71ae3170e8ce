//! Presence: who is in a room, by user, on every node.
//!
//! A member is a connection, and its node speaks for it. Each node has the members of all nodes in the rooms where it
//! has one itself, tells its connections and taps when a user's first connection comes or the last one goes, and
//! keeps what it knows of others in step with them: see [`sync`].
//!
//! What has changed is told under the room's lock, so that the last that a member hears is what is true. A send waits
//! for nobody, and no code of the application runs meanwhile.

mod linger;
mod room;
mod sync;

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};

pub(crate) use self::room::Change;
use self::{
    linger::{Gone, Linger},
    room::Room,
};
pub(super) use self::{
    room::{Diff, Member, Snapshot},
    sync::Check,
};
use crate::conn::{Conn, ConnId};

use super::{Hub, taps::What};

/// How many locks the rooms share.
const SHARDS: usize = 16;

/// One connection of a user who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Present {
    /// The connection, wherever it is.
    pub id: ConnId,
    /// The [metadata](Conn::set_metadata) that it had when it came in.
    pub meta: BTreeMap<String, String>,
}

pub(super) type RoomFilter = dyn Fn(&str) -> bool + Send + Sync;
type Listener = dyn Fn(&Hub, &str, &Change) + Send + Sync;

/// The presence of a hub.
pub(super) struct Presence {
    /// Which rooms have presence for everybody who joins them.
    rooms: Option<Box<RoomFilter>>,
    grace: Duration,
    shards: [Mutex<Rooms>; SHARDS],
    hasher: RandomState,
    /// Somebody is or was in a room with presence: looked at before anything else is done.
    used: AtomicBool,
    /// Tells the members of a room, in whatever they speak.
    listener: OnceLock<Box<Listener>>,
    linger: Linger,
    /// The last step of this node.
    version: AtomicU64,
    /// Which shard is compared with other nodes next.
    turn: AtomicUsize,
}

pub(super) type Rooms = HashMap<Box<str>, Room>;

impl Presence {
    pub(super) fn new(rooms: Option<Box<RoomFilter>>, grace: Duration) -> Self {
        Self {
            rooms,
            grace,
            shards: Default::default(),
            hasher: RandomState::new(),
            used: AtomicBool::new(false),
            listener: OnceLock::new(),
            linger: Linger::default(),
            version: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
        }
    }

    /// The rooms among which one is, if somebody of this node is seen there.
    pub(super) fn rooms_of(&self, room: &str) -> MutexGuard<'_, Rooms> {
        self.shard(room).lock()
    }

    fn shard(&self, room: &str) -> &Mutex<Rooms> {
        // The remainder is below `SHARDS`.
        &self.shards[self.hasher.hash_one(room) as usize % SHARDS]
    }
}

impl Hub {
    /// Who is in a room, by user, with each of their connections, on every node: as far as the room has
    /// [presence](crate::HubBuilder::presence_in), and a connection of this node is in it. To a node without one see
    /// [`everywhere`](Self::everywhere).
    ///
    /// Who has no user is here by the id of the connection.
    pub fn presence(&self, room: &str) -> BTreeMap<String, Vec<Present>> {
        let rooms = self.0.presence.shard(room).lock();
        let mut users: BTreeMap<String, Vec<Present>> = BTreeMap::new();
        for (id, member) in rooms.get(room).into_iter().flat_map(Room::members) {
            let present = Present { id, meta: member.meta.clone() };
            users.entry(member.user.to_string()).or_default().push(present);
        }
        users
    }

    /// Sets who tells the members of rooms about those who come and go; the first one stays.
    #[cfg(feature = "commands")]
    pub(crate) fn tell_presence(&self, listener: impl Fn(&Self, &str, &Change) + Send + Sync + 'static) {
        let _ = self.0.presence.listener.set(Box::new(listener));
    }

    /// A connection has joined a room: it is seen there if the room has presence.
    pub(super) fn appear_if_wanted(&self, conn: &Conn, room: &str) {
        if self.0.presence.rooms.as_ref().is_some_and(|wanted| wanted(room)) {
            conn.appear(room);
        }
    }

    /// A connection has left a room of its own accord.
    pub(super) fn has_left(&self, id: ConnId, room: &str) {
        if self.0.presence.used.load(Relaxed) && self.disconnect(id, room) {
            self.disappear(id, room);
        }
    }

    /// A connection has ended, and may come back as another one.
    pub(super) fn has_ended(&self, id: ConnId, room: &str) {
        if self.0.presence.used.load(Relaxed) && self.disconnect(id, room) {
            self.let_go_later(Gone::Member(room.into(), id));
        }
    }

    /// Whether the connection was seen in the room.
    fn disconnect(&self, id: ConnId, room: &str) -> bool {
        let mut rooms = self.0.presence.shard(room).lock();
        let Some(room) = rooms.get_mut(room).filter(|room| room.has(id)) else { return false };
        room.connected -= 1;
        true
    }

    /// A connection of this node is not seen in a room any more.
    fn disappear(&self, id: ConnId, name: &str) {
        let mut rooms = self.0.presence.shard(name).lock();
        let Some(room) = rooms.get_mut(name).filter(|room| room.has(id)) else { return };
        let change = room.remove(id);
        room.own -= 1;
        self.step(name, room, id, None);
        if let Some(change) = change {
            self.tell(name, &change);
        }
        // Without a member here it is not this node's affair who is there.
        if room.own == 0 {
            rooms.remove(name);
            self.seen_no_more(name);
        }
    }

    fn tell(&self, room: &str, change: &Change) {
        if let Some(listener) = self.0.presence.listener.get() {
            listener(self, room, change);
        }
        self.happened(None, || Some(What::Presence { room, change }));
    }
}

impl Conn {
    /// It is known now whose connection it is: where it was seen by its id it is seen by its user.
    pub(super) fn reappear(&self) {
        let hub = self.hub();
        for room in self.rooms() {
            if hub.0.presence.used.load(Relaxed) && hub.disconnect(self.id(), &room) {
                hub.disappear(self.id(), &room);
                self.appear(&room);
            }
        }
    }

    /// Is seen in a room from here on, if it is in it.
    pub(crate) fn appear(&self, name: &str) {
        // Held to the end: a leave that comes meanwhile finds it there.
        let rooms = self.member().rooms.lock();
        if !rooms.iter().flatten().any(|room| &*room.name == name) {
            return;
        }
        let hub = self.hub();
        let presence = &hub.0.presence;
        presence.used.store(true, Relaxed);
        let mut rooms = presence.shard(name).lock();
        if rooms.get(name).is_some_and(|room| room.has(self.id())) {
            return;
        }
        let room = rooms.entry(name.into()).or_default();
        let user = self.user().map_or_else(|| self.id().to_string(), ToOwned::to_owned);
        let member = Member { user: user.into(), meta: self.all_metadata() };
        let change = room.insert(self.id(), member.clone());
        room.own += 1;
        room.connected += 1;
        hub.step(name, room, self.id(), Some(member));
        if room.connected == 1 {
            hub.ask_about(name, room);
        }
        if let Some(change) = change {
            hub.tell(name, &change);
        }
    }
}
