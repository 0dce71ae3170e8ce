//! [`Hub`]: every connection there is, the rooms they are in and the users they belong to.
//!
//! The index has one lock, and each [group](group) of connections one of its own. They are taken in this order: a
//! connection's list of rooms, [presence], the index, a group. No code of the application runs under any of them, and none is
//! held across an await.

mod agreements;
mod builder;
mod cluster;
mod everywhere;
mod group;
mod history;
mod listing;
mod presence;
mod publisher;
mod query;
mod reach;
mod report;
mod rooms;
mod shutdown;
#[cfg(feature = "admin")]
mod survey;
mod tap;
mod tap_everywhere;
mod taps;
mod target;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, UNIX_EPOCH},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

#[cfg(feature = "commands")]
pub(crate) use self::history::{Framed, Framing, LostMessages, Words};
#[cfg(feature = "commands")]
pub(crate) use self::presence::Change;
use self::{
    builder::HubConfig,
    cluster::Cluster,
    group::{Added, Group, Removed},
    history::Histories,
    presence::Presence,
    report::FanOutCounters,
    taps::{Taps, What},
};
pub use self::{
    builder::{HubBuilder, JoinRequest},
    cluster::ClusterStats,
    everywhere::{Everywhere, Gathered},
    history::{Entered, HistoryStats, Lost, Publication},
    presence::Present,
    publisher::Publisher,
    query::{ConnInfo, Counts, HubStats, Page, RoomInfo},
    report::{Affected, FanOut, PublishError, Remote, Report},
    rooms::{JoinError, Joined, Left},
    shutdown::{Shutdown, ShutdownReport},
    tap::{Event, EventKind, Preview, Tap, TapFilter},
    tap_everywhere::TapEverywhere,
    target::Target,
};
#[cfg(feature = "admin")]
pub(crate) use self::{listing::Listing, survey::Sizes};
use crate::{
    adapter::Subject,
    conn::{Conn, ConnId, ConnIds},
    stats::HandlerCounters,
};

/// Every connection of one or several handlers, with its rooms and its user: cheap to clone, and usable from any
/// task, with no connection at hand.
///
/// A connection is in it from before its handshake is answered until its `on_close` has returned.
///
/// ```
/// # async fn example() {
/// use gustnado::{Handler, Hub};
/// # use gustnado::{Connector, async_trait};
/// # struct Chat;
/// # #[async_trait] impl Connector for Chat {}
///
/// let hub = Hub::new();
/// let handler = Handler::new(|| Chat).hub(&hub);
/// // Later, from anywhere:
/// let report = hub.user("alice").send("your build is green").await;
/// println!("{} of alice's devices will see it", report.queued);
/// # }
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    config: HubConfig,
    ids: ConnIds,
    index: RwLock<Index>,
    everybody: Arc<Group>,
    taps: Taps,
    /// What was sent to groups.
    fan_out: FanOutCounters,
    /// Of every handler that registers its connections here.
    handlers: Mutex<Vec<Arc<HandlerCounters>>>,
    /// Told when a connection has been unregistered.
    left: Notify,
    /// How often a message was encoded for others than one connection.
    encoded: AtomicU64,
    /// Why connections ended: [`Closed::label`](crate::Closed::label), and how often.
    closes: Mutex<BTreeMap<&'static str, u64>>,
    /// The rooms that keep history.
    histories: Histories,
    /// Who is in which room, on every node.
    presence: Presence,
    /// How often one was compressed for them.
    compressed: AtomicU64,
    /// The other nodes, if there is an adapter to them.
    cluster: Option<Cluster>,
}

#[derive(Default)]
struct Index {
    /// A shutdown has begun: nobody is registered any more, and clients are told to wait this long.
    draining: Option<Duration>,
    rooms: Groups,
    users: Groups,
}

type Groups = HashMap<Box<str>, Arc<Group>>;

/// What the hub knows about one connection; the connection refers to it.
pub(crate) struct Member {
    hub: Hub,
    /// Named at the handshake, or by the first message.
    user: OnceLock<Box<str>>,
    /// In milliseconds since 1970.
    since: u64,
    /// Boxed, since most connections have none.
    #[allow(clippy::box_collection, reason = "an empty map is larger than no box")]
    metadata: Mutex<Option<Box<BTreeMap<String, String>>>>,
    /// `None` once the connection has been unregistered, so that nothing is joined after the end.
    rooms: Mutex<Option<Vec<Arc<Group>>>>,
}

impl Hub {
    /// A hub with the default limits; see [`HubBuilder`] for others.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A hub with limits and hooks of your own.
    pub fn builder() -> HubBuilder {
        HubBuilder::default()
    }

    /// Adds up what this handler has seen with the others.
    pub(crate) fn adopt(&self, counters: &Arc<HandlerCounters>) {
        let mut handlers = self.0.handlers.lock();
        if !handlers.iter().any(|known| Arc::ptr_eq(known, counters)) {
            handlers.push(counters.clone());
        }
    }

    pub(crate) fn next_id(&self) -> ConnId {
        self.0.ids.next()
    }

    /// What a new connection refers to.
    pub(crate) fn member(&self, user: Option<Box<str>>, metadata: BTreeMap<String, String>) -> Arc<Member> {
        let user = user.map(OnceLock::from).unwrap_or_default();
        let since = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
        let metadata = Mutex::new((!metadata.is_empty()).then(|| Box::new(metadata)));
        Arc::new(Member { hub: self.clone(), user, since, metadata, rooms: Mutex::new(Some(Vec::new())) })
    }

    /// Enters a connection, until what this returns is dropped; `None` if the hub is being shut down.
    pub(crate) fn register(&self, conn: &Conn) -> Option<Registration> {
        {
            // Under the lock, so that none comes in once a shutdown has begun.
            let index = self.0.index.read();
            if index.draining.is_some() {
                return None;
            }
            self.0.everybody.add(conn);
        }
        if let Some(user) = conn.user() {
            self.enter_user(conn, user);
        }
        self.happened(Some(conn), || Some(What::Opened));
        Some(Registration { conn: conn.clone() })
    }

    fn enter_user(&self, conn: &Conn, user: &str) {
        while self.group(Kind::Users, user).add(conn) == Added::Retired {}
    }

    fn unregister(&self, conn: &Conn) {
        let rooms = conn.member().rooms.lock().take().unwrap_or_default();
        for room in &rooms {
            let left = self.leave(conn, room);
            self.tell_left(conn, room, left);
            self.has_ended(conn.id(), &room.name);
        }
        let user = conn.user().and_then(|user| self.0.index.read().users.get(user).cloned());
        if let Some(user) = user
            && user.remove(conn.id()) == Removed::Last
        {
            self.retire(Kind::Users, &user);
        }
        if let Some(closed) = conn.ended() {
            *self.0.closes.lock().entry(closed.label()).or_default() += 1;
        }
        self.0.everybody.remove(conn.id());
        self.happened(Some(conn), || conn.close_info().map(What::Closed));
        self.0.left.notify_waiters();
    }

    /// The group of that name, made if there is none.
    fn group(&self, kind: Kind, name: &str) -> Arc<Group> {
        // Most joins are of rooms that are there: those do not keep others from the index.
        if let Some(group) = self.0.index.read().groups(kind).get(name) {
            return group.clone();
        }
        let mut index = self.0.index.write();
        let new = || {
            self.set_interest(|| kind.subject(name), true);
            let followed = if kind == Kind::Rooms { self.0.histories.follow(name) } else { None };
            Arc::new(Group::new(name, followed))
        };
        index.groups_mut(kind).entry(name.into()).or_insert_with(new).clone()
    }

    /// Takes a group that was found empty out of the index, if it is still empty.
    fn retire(&self, kind: Kind, group: &Arc<Group>) {
        let name = &group.name;
        let present = (kind == Kind::Rooms).then(|| self.0.presence.rooms_of(name));
        let mut index = self.0.index.write();
        let groups = index.groups_mut(kind);
        if group.retire() && groups.get(name).is_some_and(|it| Arc::ptr_eq(it, group)) {
            groups.remove(name);
            // Who may come back is still seen there, and other nodes ask for them by the room's subject.
            if !present.is_some_and(|rooms| rooms.contains_key(name)) {
                self.set_interest(|| kind.subject(name), false);
            }
            if let Some(followed) = group.followed() {
                followed.end();
            }
        }
    }

    /// Nobody of this node is seen in a room any more. Called under the lock of its presence.
    fn seen_no_more(&self, room: &str) {
        let index = self.0.index.write();
        if !index.rooms.contains_key(room) {
            self.set_interest(|| Subject::room(room), false);
        }
    }
}

/// What groups with a name there are.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rooms,
    Users,
}

impl Kind {
    fn subject(self, name: &str) -> Subject {
        match self {
            Self::Rooms => Subject::room(name),
            Self::Users => Subject::user(name),
        }
    }
}

impl Index {
    fn groups(&self, kind: Kind) -> &Groups {
        match kind {
            Kind::Rooms => &self.rooms,
            Kind::Users => &self.users,
        }
    }

    fn groups_mut(&mut self, kind: Kind) -> &mut Groups {
        match kind {
            Kind::Rooms => &mut self.rooms,
            Kind::Users => &mut self.users,
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// A connection's place in the hub. Dropping it unregisters the connection, whatever happened before.
pub(crate) struct Registration {
    conn: Conn,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.conn.hub().unregister(&self.conn);
    }
}

impl Conn {
    /// The hub that the connection is registered in.
    pub fn hub(&self) -> &Hub {
        &self.member().hub
    }

    /// Whose connection it is, if `on_connect` has said so.
    pub fn user(&self) -> Option<&str> {
        self.member().user.get().map(AsRef::as_ref)
    }

    /// Says in a callback, which is before it is unregistered, whose connection it is; whether it is nobody else's.
    pub(crate) fn name_user(&self, user: &str) -> bool {
        let new = self.member().user.set(user.into()).is_ok();
        if new {
            self.hub().enter_user(self, user);
            self.reappear();
        }
        new || self.user() == Some(user)
    }

    /// A value that the application has attached to the connection.
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.member().metadata.lock().as_ref()?.get(key).cloned()
    }

    /// Attaches a value to the connection, for queries; a new one replaces the old one.
    pub fn set_metadata(&self, key: impl Into<String>, value: impl Into<String>) {
        self.member().metadata.lock().get_or_insert_default().insert(key.into(), value.into());
    }

    fn all_metadata(&self) -> BTreeMap<String, String> {
        self.member().metadata.lock().as_deref().cloned().unwrap_or_default()
    }

    fn member(&self) -> &Member {
        self.home().downcast_ref().expect("every connection is made with a member of its hub")
    }
}

impl Inner {
    fn encoded(&self, compressed: usize) {
        self.encoded.fetch_add(1, Relaxed);
        if compressed > 0 {
            self.compressed.fetch_add(compressed as u64, Relaxed);
        }
    }
}
