//! Joining and leaving.

use std::sync::Arc;

use crate::{adapter::ReadFrom, conn::Conn, connector::Handshake};

use super::{
    Hub, JoinRequest, Kind,
    group::{Added, Group, Removed},
    taps::What,
};

/// Why a connection did not join a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The connection is closing or gone.
    #[error("the connection is closing")]
    Closing,
    /// A name is 1 to 128 bytes (see [`HubBuilder::max_room_name`](crate::HubBuilder::max_room_name)) without control
    /// characters.
    #[error("not the name of a room")]
    Name,
    /// The connection is in as many rooms as it may be.
    #[error("in {limit} rooms already")]
    TooManyRooms {
        /// The limit.
        limit: usize,
    },
    /// The [join hook](crate::HubBuilder::on_join) refused, with its reason.
    #[error("not allowed: {0}")]
    Refused(String),
}

/// Whether a connection was in the room before it joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// Nobody was in the room.
    Created,
    /// Others were in the room.
    Joined,
    /// The connection was in it already; nothing has changed.
    Already,
}

/// What became of a room that a connection left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nobody is in the room any more, and it is gone.
    Emptied,
    /// Others are in the room.
    Left,
    /// The connection was not in it; nothing has changed.
    NotThere,
}

impl Conn {
    /// Joins a room; what is sent to it from here on comes to this connection too.
    ///
    /// # Errors
    ///
    /// [`JoinError`] for a connection that is closing, for a name that is none, at the limit of rooms, and when the
    /// join hook refuses.
    pub async fn join(&self, room: &str) -> Result<Joined, JoinError> {
        let (joined, _) = self.join_saying(room, ReadFrom::Last(0), |_| Box::new(|_| None)).await?;
        Ok(joined)
    }

    pub(super) fn join_now(&self, room: &str) -> Result<Joined, JoinError> {
        let member = self.member();
        let hub = &member.hub;
        hub.may_join(&JoinRequest { room, user: self.user(), conn: Some(self) })?;
        hub.join(self, room)
    }

    /// Leaves a room. Rooms are left by themselves after `on_close`.
    pub async fn leave(&self, room: &str) -> Left {
        self.leave_now(room)
    }

    pub(super) fn leave_now(&self, room: &str) -> Left {
        let member = self.member();
        let (room, left) = {
            let mut rooms = member.rooms.lock();
            let Some(rooms) = rooms.as_mut() else { return Left::NotThere };
            let Some(at) = rooms.iter().position(|it| &*it.name == room) else { return Left::NotThere };
            let room = rooms.swap_remove(at);
            let left = member.hub.leave(self, &room);
            (room, left)
        };
        member.hub.tell_left(self, &room, left);
        member.hub.has_left(self.id(), &room.name);
        left
    }

    /// The names of the rooms that the connection is in.
    pub fn rooms(&self) -> Vec<String> {
        let rooms = self.member().rooms.lock();
        rooms.iter().flatten().map(|room| room.name.to_string()).collect()
    }
}

impl Handshake {
    /// Joins a room as the connection opens: what is sent to it from then on comes to this connection too, after
    /// what `on_open` sends. If the handshake fails, nobody was in the room.
    ///
    /// # Errors
    ///
    /// As [`Conn::join`]. The join hook knows the user that was [set](Self::set_user) before.
    pub fn join(&mut self, room: &str) -> Result<(), JoinError> {
        let Some(hub) = self.home.downcast_ref::<Hub>() else { return Err(JoinError::Closing) };
        hub.may_join(&JoinRequest { room, user: self.user(), conn: None })?;
        if self.rooms.iter().any(|it| it == room) {
            return Ok(());
        }
        let limit = hub.0.config.max_rooms;
        if self.rooms.len() >= limit {
            return Err(JoinError::TooManyRooms { limit });
        }
        self.rooms.push(room.to_owned());
        Ok(())
    }
}

impl Hub {
    /// Asks all that can be asked before a connection is in a room.
    pub(super) fn may_join(&self, request: &JoinRequest<'_>) -> Result<(), JoinError> {
        let fits = (1..=self.0.config.max_room_name).contains(&request.room.len());
        if !fits || request.room.contains(char::is_control) {
            return Err(JoinError::Name);
        }
        match &self.0.config.on_join {
            Some(on_join) => on_join(request).map_err(JoinError::Refused),
            None => Ok(()),
        }
    }

    /// Puts a connection into a room that it may join.
    pub(crate) fn join(&self, conn: &Conn, name: &str) -> Result<Joined, JoinError> {
        let (joined, room) = self.enter(conn, name)?;
        self.follow_soon(conn, &room);
        Ok(joined)
    }

    /// As [`join`](Self::join), but that what the room keeps is the caller's to follow.
    pub(super) fn enter(&self, conn: &Conn, name: &str) -> Result<(Joined, Arc<Group>), JoinError> {
        let (joined, room) = self.add(conn, name)?;
        if joined != Joined::Already {
            let created = joined == Joined::Created;
            self.happened(Some(conn), || Some(What::Joined { room: name, created }));
            self.appear_if_wanted(conn, name);
        }
        Ok((joined, room))
    }

    fn add(&self, conn: &Conn, name: &str) -> Result<(Joined, Arc<Group>), JoinError> {
        let member = conn.member();
        // Held to the end: joins and leaves of one connection come one after the other, and none after its end.
        let mut rooms = member.rooms.lock();
        let rooms = rooms.as_mut().filter(|_| !conn.is_closing()).ok_or(JoinError::Closing)?;
        if let Some(room) = rooms.iter().find(|room| &*room.name == name) {
            return Ok((Joined::Already, room.clone()));
        }
        let limit = self.0.config.max_rooms;
        if rooms.len() >= limit {
            return Err(JoinError::TooManyRooms { limit });
        }
        loop {
            let room = self.group(Kind::Rooms, name);
            let joined = match room.add(conn) {
                Added::First => Joined::Created,
                Added::Another => Joined::Joined,
                Added::Already => Joined::Already,
                Added::Retired => continue,
            };
            if let Some(followed) = room.followed() {
                followed.enter(conn.id());
            }
            // Most connections are in few rooms.
            if rooms.is_empty() {
                rooms.reserve_exact(1);
            }
            rooms.push(room.clone());
            return Ok((joined, room));
        }
    }

    pub(super) fn leave(&self, conn: &Conn, room: &Arc<Group>) -> Left {
        let removed = room.remove(conn.id());
        if let Some(followed) = room.followed() {
            followed.leave(conn.id());
        }
        match removed {
            Removed::NotThere => Left::NotThere,
            Removed::NotLast => Left::Left,
            Removed::Last => {
                self.retire(Kind::Rooms, room);
                Left::Emptied
            }
        }
    }

    /// Apart from the leaving, which happens under a lock.
    pub(super) fn tell_left(&self, conn: &Conn, room: &Group, left: Left) {
        if left != Left::NotThere {
            let emptied = left == Left::Emptied;
            self.happened(Some(conn), || Some(What::Left { room: &room.name, emptied }));
        }
    }
}
