//! Presence on the wire: who comes and goes is told by `online` commands, and asked by the command `presence`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    conn::Conn,
    hub::{Change, Hub},
};

use super::frame::Outgoing;

/// The `param` of an `online` command.
#[derive(Serialize)]
struct Online<'a> {
    user: &'a str,
    online: bool,
    /// Of the connection that came first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: &'a BTreeMap<String, String>,
}

/// The `param` of the reply to `presence`.
#[derive(Serialize)]
pub(super) struct Users {
    users: BTreeMap<String, Vec<Device>>,
}

#[derive(Serialize)]
struct Device {
    id: String,
    meta: BTreeMap<String, String>,
}

/// From here on the members of a room are told by commands who comes and goes; the first who asks for it makes it so
/// for the whole hub.
pub(super) fn tell_members(hub: &Hub) {
    hub.tell_presence(|hub, room, change| {
        let frame = Outgoing { channel: Some(room), ..Outgoing::new("online", Online::new(change)) };
        if let Err(error) = hub.room(room).except(change.id).send_frame_here(&frame) {
            tracing::error!(%error, "a presence event was not sent");
        }
    });
}

impl<'a> Online<'a> {
    fn new(change: &'a Change) -> Self {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        let meta = if change.online { change.meta() } else { &NONE };
        Self { user: change.user(), online: change.online, meta }
    }
}

impl Users {
    pub(super) fn in_room(conn: &Conn, room: &str) -> Self {
        let devices = |list: Vec<_>| {
            let list = list.into_iter();
            list.map(|it: crate::hub::Present| Device { id: it.id.to_string(), meta: it.meta }).collect()
        };
        let users = conn.hub().presence(room).into_iter();
        Self { users: users.map(|(user, list)| (user, devices(list))).collect() }
    }
}
