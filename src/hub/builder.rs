//! The limits and hooks of a [`Hub`].

use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;

use crate::{
    adapter::{Adapter, Retention},
    conn::{Conn, ConnIds},
    protocol::message::Message,
};

use super::{
    Hub, Index, Inner, Lost, Publication,
    cluster::Cluster,
    group::Group,
    history::Histories,
    presence::{Presence, RoomFilter},
    tap::Redact,
};

type JoinHook = dyn Fn(&JoinRequest<'_>) -> Result<(), String> + Send + Sync;

/// A connection that wants to join a room, as the [join hook](HubBuilder::on_join) sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinRequest<'a> {
    /// The room's name, which is a valid one.
    pub room: &'a str,
    /// Whose connection it is.
    pub user: Option<&'a str>,
    /// The connection, once it is open; `None` during its handshake.
    pub conn: Option<&'a Conn>,
}

pub(super) struct HubConfig {
    pub(super) max_rooms: usize,
    pub(super) max_room_name: usize,
    pub(super) on_join: Option<Box<JoinHook>>,
    pub(super) redact: Option<Arc<Redact>>,
}

/// Builds a [`Hub`].
///
/// | knob | default |
/// |---|---|
/// | [`max_rooms`](Self::max_rooms) | 100 per connection |
/// | [`max_room_name`](Self::max_room_name) | 128 bytes |
/// | [`on_join`](Self::on_join) | lets everybody in |
/// | [`history`](Self::history) | no room keeps any |
/// | [`recover_max`](Self::recover_max) | 1,000 messages |
/// | [`adapter`](Self::adapter) | none: the hub is alone |
/// | [`presence_in`](Self::presence_in) | no room, but where [commands](crate::commands) have presence |
/// | [`presence_grace`](Self::presence_grace) | none |
/// | [`redact`](Self::redact) | other nodes are shown the beginnings of messages as they are |
#[must_use]
pub struct HubBuilder {
    config: HubConfig,
    histories: Histories,
    adapter: Option<Arc<dyn Adapter>>,
    quiet: bool,
    presence_in: Option<Box<RoomFilter>>,
    grace: Duration,
}

impl Default for HubBuilder {
    fn default() -> Self {
        Self {
            config: HubConfig { max_rooms: 100, max_room_name: 128, on_join: None, redact: None },
            histories: Histories::default(),
            adapter: None,
            quiet: false,
            presence_in: None,
            grace: Duration::ZERO,
        }
    }
}

impl HubBuilder {
    /// How many rooms one connection may be in.
    pub fn max_rooms(mut self, rooms: usize) -> Self {
        self.config.max_rooms = rooms;
        self
    }

    /// The longest name of a room, in bytes. Control characters are never allowed.
    pub fn max_room_name(mut self, bytes: usize) -> Self {
        self.config.max_room_name = bytes;
        self
    }

    /// Is asked before a connection joins a room, also at connect; an `Err` refuses, with a reason. No lock is held
    /// while it runs.
    pub fn on_join(
        mut self,
        hook: impl Fn(&JoinRequest<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.config.on_join = Some(Box::new(hook));
        self
    }

    /// Rooms that keep history: of this name, or, with a `*` at its end, of names that begin so. Of several rules the
    /// first one that fits counts.
    ///
    /// Every message of such a room is numbered, and a member gets it once and in order, or is told that it did not: see
    /// [`Conn::join_from`] for coming back, on any node, and [`frame`](Self::frame) for how clients learn where they are;
    /// [`commands`](crate::commands) tells them by itself. A member whose outbox is full is disconnected with 1013,
    /// whatever its handler's [`SlowReader`](crate::SlowReader) is, and recovers.
    ///
    /// All nodes must have the same rules; a [`Publisher`](crate::Publisher) learns them.
    ///
    /// The log is the adapter's, and what it survives is said there. Without an adapter it is in this process' memory:
    /// it survives a client's disconnect and no restart, and holds 64 MiB for all rooms together.
    ///
    /// It costs a round trip to the log for each message, and on each node up to 256 KiB and 1,000 messages of the last half
    /// minute for each room with members there.
    ///
    /// ```
    /// use gustnado::{Hub, adapter::Retention};
    /// use std::time::Duration;
    ///
    /// let hub = Hub::builder().history("news/*", Retention::last(1_000).within(Duration::from_secs(300))).build();
    /// ```
    pub fn history(mut self, rooms: &str, kept: Retention) -> Self {
        self.histories.add(rooms, kept);
        self
    }

    /// How many messages one recovery gives back: 1,000 by default. Who missed more is told so, and gets none of them.
    pub fn recover_max(mut self, messages: usize) -> Self {
        self.histories.recover_max = messages.max(1);
        self
    }

    /// How messages of rooms with history look to members whose connector is not [`commands`](crate::commands), so that
    /// they learn positions. By default they look as they were sent. Called once for each message on each node.
    ///
    /// ```
    /// use gustnado::{Hub, Publication};
    ///
    /// let frame = |it: &Publication<'_>| {
    ///     let text = it.message.text().unwrap_or_default();
    ///     format!("{} {} {text}", it.position.epoch, it.position.offset).into()
    /// };
    /// let hub = Hub::builder().frame(frame).build();
    /// ```
    pub fn frame(mut self, frame: impl Fn(&Publication<'_>) -> Message + Send + Sync + 'static) -> Self {
        self.histories.frame = Some(Box::new(frame));
        self
    }

    /// What such members are told when they lost messages of a room on an open connection, ahead of newer ones. By
    /// default nothing: then only [`Conn::join_from`] tells. Called once for each room and reason.
    pub fn frame_lost(mut self, frame: impl Fn(&str, Lost) -> Message + Send + Sync + 'static) -> Self {
        self.histories.frame_lost = Some(Box::new(frame));
        self
    }

    /// Connects the hub to those of other nodes: what is sent to rooms, users, ids and everybody reaches connections
    /// there too. Each hub needs an adapter of its own.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use gustnado::{Hub, adapter::MemoryBus};
    ///
    /// let bus = MemoryBus::new();
    /// let one = Hub::builder().adapter(bus.adapter()).build();
    /// let other = Hub::builder().adapter(bus.adapter()).build();
    /// // Also for members of the lobby who are connected to the other.
    /// one.room("lobby").send("hello").await;
    /// # }
    /// ```
    pub fn adapter(mut self, adapter: impl Adapter) -> Self {
        self.adapter = Some(Arc::new(adapter));
        self
    }

    /// In which rooms it is known and told who is there, by user: [`Hub::presence`], and events of a
    /// [tap](Hub::tap). Others cost nothing. It is asked with a room's name at each join; no lock is held.
    ///
    /// A node knows of those rooms where it has a connection itself. Each join and leave costs a message to every
    /// node that has one there too.
    ///
    /// ```
    /// use gustnado::Hub;
    ///
    /// let hub = Hub::builder().presence_in(|room| room.starts_with("chat/")).build();
    /// ```
    pub fn presence_in(mut self, rooms: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.presence_in = Some(Box::new(rooms));
        self
    }

    /// How long somebody whose connection has ended is still counted as present: none by default. Who connects again
    /// within that time, to this node or to another, has neither gone nor come. Who leaves a room has gone at once.
    pub fn presence_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Changes what [taps of other nodes](crate::Everywhere::tap) are shown of the messages of this one: takes secrets
    /// out, or with `String::clear` everything. Whoever can speak to the engine can ask for such a tap. Called for each
    /// preview of up to 4 KiB, and only while somebody watches.
    pub fn redact(mut self, redact: impl Fn(&mut String) + Send + Sync + 'static) -> Self {
        self.config.redact = Some(Arc::new(redact));
        self
    }

    /// Is no node to the others: it has no connections.
    pub(super) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The hub.
    ///
    /// # Panics
    ///
    /// With an [adapter](Self::adapter), outside a tokio runtime: it begins to connect.
    pub fn build(self) -> Hub {
        let ids = ConnIds::default();
        let cluster = self.adapter.map(|adapter| Cluster::new(ids.node(), adapter, self.quiet));
        let hub = Hub(Arc::new(Inner {
            config: self.config,
            ids,
            histories: self.histories,
            cluster,
            presence: Presence::new(self.presence_in, self.grace),
            index: RwLock::new(Index::default()),
            everybody: Arc::new(Group::new("", None)),
            taps: Default::default(),
            fan_out: Default::default(),
            handlers: Default::default(),
            left: Default::default(),
            encoded: Default::default(),
            closes: Default::default(),
            compressed: Default::default(),
        }));
        if let Some(cluster) = &hub.0.cluster {
            cluster.start(&Arc::downgrade(&hub.0));
        }
        hub
    }
}
