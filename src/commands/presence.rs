//! [`Presence`]: who is in which room, counted by user, and told to its members.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
};

use parking_lot::Mutex;
use serde::Serialize;

use crate::conn::Conn;

use super::frame::Outgoing;

/// How many locks the rooms share.
const SHARDS: usize = 16;

/// How many connections of each user are in each room, as far as they joined by commands or at connect.
///
/// What has changed is told under the room's lock, so that the last that a member hears is what is true. A send
/// waits for nobody and runs no code of the application.
pub(super) struct Presence {
    shards: [Mutex<Rooms>; SHARDS],
    hasher: RandomState,
}

type Rooms = HashMap<Box<str>, HashMap<Box<str>, usize>>;

/// The `param` of an `online` command.
#[derive(Serialize)]
struct Online<'a> {
    user: &'a str,
    online: bool,
}

impl Presence {
    pub(super) fn new() -> Self {
        Self { shards: Default::default(), hasher: RandomState::new() }
    }

    fn shard(&self, room: &str) -> &Mutex<Rooms> {
        // The remainder is below `SHARDS`.
        &self.shards[self.hasher.hash_one(room) as usize % SHARDS]
    }

    /// One more connection of `user` is in the room; the others are told if it is the first.
    pub(super) fn enter(&self, conn: &Conn, room: &str, user: &str) {
        let mut rooms = self.shard(room).lock();
        let users = match rooms.get_mut(room) {
            Some(users) => users,
            None => rooms.entry(room.into()).or_default(),
        };
        let count = users.entry(user.into()).or_default();
        *count += 1;
        if *count == 1 {
            tell(conn, room, Online { user, online: true });
        }
    }

    /// One connection of `user` less is in the room; the others are told if it was the last.
    pub(super) fn leave(&self, conn: &Conn, room: &str, user: &str) {
        let mut rooms = self.shard(room).lock();
        let Entry::Occupied(mut users) = rooms.entry(room.into()) else { return };
        let Some(count) = users.get_mut().get_mut(user) else { return };
        *count -= 1;
        if *count == 0 {
            users.get_mut().remove(user);
            if users.get().is_empty() {
                users.remove();
            }
            tell(conn, room, Online { user, online: false });
        }
    }
}

fn tell(conn: &Conn, room: &str, online: Online<'_>) {
    let frame = Outgoing { channel: Some(room), ..Outgoing::new("online", online) };
    if let Err(error) = conn.room(room).except(conn).send_frame(&frame) {
        tracing::error!(%error, "a presence event was not sent");
    }
}
