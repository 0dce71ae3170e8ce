//! The limits and hooks of a [`Hub`].

use std::sync::Arc;

use parking_lot::RwLock;

use crate::conn::Conn;

use super::{Hub, Index, Inner, group::Group};

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
#[must_use]
pub struct HubBuilder {
    config: HubConfig,
}

impl Default for HubBuilder {
    fn default() -> Self {
        Self { config: HubConfig { max_rooms: 100, max_room_name: 128, on_join: None } }
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

    /// The hub.
    pub fn build(self) -> Hub {
        Hub(Arc::new(Inner {
            config: self.config,
            ids: Default::default(),
            index: RwLock::new(Index::default()),
            everybody: Arc::new(Group::new("")),
            taps: Default::default(),
            fan_out: Default::default(),
            handlers: Default::default(),
            left: Default::default(),
            encoded: Default::default(),
            closes: Default::default(),
        }))
    }
}
