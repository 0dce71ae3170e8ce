//! The limits and hooks of a [`Hub`].

use std::sync::Arc;

use parking_lot::RwLock;

use crate::{
    adapter::Adapter,
    conn::{Conn, ConnIds},
};

use super::{Hub, Index, Inner, cluster::Cluster, group::Group};

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
}

/// Builds a [`Hub`].
///
/// | knob | default |
/// |---|---|
/// | [`max_rooms`](Self::max_rooms) | 100 per connection |
/// | [`max_room_name`](Self::max_room_name) | 128 bytes |
/// | [`on_join`](Self::on_join) | lets everybody in |
/// | [`adapter`](Self::adapter) | none: the hub is alone |
#[must_use]
pub struct HubBuilder {
    config: HubConfig,
    adapter: Option<Arc<dyn Adapter>>,
    quiet: bool,
}

impl Default for HubBuilder {
    fn default() -> Self {
        Self {
            config: HubConfig { max_rooms: 100, max_room_name: 128, on_join: None },
            adapter: None,
            quiet: false,
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
            cluster,
            index: RwLock::new(Index::default()),
            everybody: Arc::new(Group::new("")),
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
