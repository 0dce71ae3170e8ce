//! [`Context`]: what a handler has at hand.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::OwnedMutexGuard;

use crate::{
    adapter::ReadFrom,
    conn::Conn,
    hub::{Hub, JoinError, Joined, Left, Report, Words},
};

use super::{
    error::{ErrorReply, code},
    frame::Outgoing,
    live::Live,
    publish::{PublishCommandError, PublishRequest},
};

/// What a handler has at hand: its connection, the state that belongs to it, and the room the command is for.
///
/// There is one per connection at a time: a context that is moved to another task holds up the next command until
/// it is dropped. What only needs to send can clone [`conn`](Self::conn).
pub struct Context<S = ()> {
    pub(super) live: Arc<Live<S>>,
    pub(super) state: OwnedMutexGuard<S>,
    pub(super) channel: Option<Box<str>>,
}

impl<S: Send + Sync + 'static> Context<S> {
    /// The connection that the command came from.
    pub fn conn(&self) -> &Conn {
        &self.live.conn
    }

    /// The hub of that connection.
    pub fn hub(&self) -> &Hub {
        self.live.conn.hub()
    }

    /// Whose connection it is, if the handshake has said so.
    pub fn user(&self) -> Option<&str> {
        self.live.conn.user()
    }

    /// What `from` says in commands that this connection causes: the user, or else the connection's id.
    pub fn sender(&self) -> &str {
        &self.live.link.sender
    }

    /// The room that the command is for. By default the connection is in it: see
    /// [`Commands::require_membership`](super::Commands::require_membership).
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// The state of this connection.
    pub fn state(&mut self) -> &mut S {
        &mut self.state
    }

    /// Sends a command to everybody in the command's room, this connection included if it is in it. `from` is this
    /// connection's user.
    ///
    /// # Errors
    ///
    /// `no_channel` if the command has none; `internal` if the parameter cannot be encoded.
    pub async fn broadcast<P: Serialize>(&self, cmd: &str, param: P) -> Result<Report, ErrorReply> {
        self.send_to_channel(cmd, param, false).await
    }

    /// As [`broadcast`](Self::broadcast), to everybody but this connection.
    ///
    /// # Errors
    ///
    /// As [`broadcast`](Self::broadcast).
    pub async fn broadcast_others<P: Serialize>(&self, cmd: &str, param: P) -> Result<Report, ErrorReply> {
        self.send_to_channel(cmd, param, true).await
    }

    async fn send_to_channel<P: Serialize>(
        &self,
        cmd: &str,
        param: P,
        others: bool,
    ) -> Result<Report, ErrorReply> {
        let channel = self.need_channel()?;
        let (channel, from) = (Some(channel), Some(self.sender()));
        let mut room = self.conn().room(channel.unwrap_or_default());
        if others {
            room = room.except(self.conn());
        }
        Ok(room.send_frame(&Outgoing { channel, from, ..Outgoing::new(cmd, param) }).await?)
    }

    /// Sends what the client wants to publish, in its name.
    pub(super) async fn publish_to_channel(
        &self,
        cmd: &str,
        param: &serde_json::Value,
        key: Option<String>,
    ) -> Result<Report, PublishCommandError> {
        let (channel, from) = (self.channel(), Some(self.sender()));
        let mut room = self.conn().room(channel.unwrap_or_default());
        if let Some(key) = key {
            room = room.key(key);
        }
        room.publish_frame(&Outgoing { channel, from, ..Outgoing::new(cmd, param) }).await
    }

    /// Whether clients may publish at all.
    pub(super) fn publishes(&self) -> bool {
        self.live.publish_policy().is_some()
    }

    pub(super) fn may_publish(&self, request: &PublishRequest<'_>) -> Result<(), ErrorReply> {
        match self.live.publish_policy() {
            Some(policy) => policy(request),
            None => Err(ErrorReply::new(code::UNKNOWN_COMMAND, "there is no command of that name")),
        }
    }

    /// Whether the command's room keeps history.
    pub(super) fn keeps_history(&self) -> bool {
        self.channel().is_some_and(|channel| self.hub().keeps_history(channel))
    }

    /// As [`join`](Self::join), from a position, with words that come before the room's messages.
    pub(super) async fn join_saying(
        &self,
        room: &str,
        from: ReadFrom,
        hello: impl FnOnce(Joined) -> Words,
    ) -> Result<(), JoinError> {
        let (joined, _) = self.conn().join_saying(room, from, hello).await?;
        if joined != Joined::Already {
            self.live.link.entered(self.conn(), room);
        }
        Ok(())
    }

    pub(super) fn need_channel(&self) -> Result<&str, ErrorReply> {
        self.channel().ok_or_else(|| ErrorReply::new(code::NO_CHANNEL, "the command needs a channel"))
    }

    /// Joins a room and tells its members, as the command `join` does. [`Conn::join`] would tell them only in rooms
    /// where the hub has [presence](crate::HubBuilder::presence_in) itself.
    ///
    /// # Errors
    ///
    /// As [`Conn::join`].
    pub async fn join(&self, room: &str) -> Result<Joined, JoinError> {
        let joined = self.conn().join(room).await?;
        if joined != Joined::Already {
            self.live.link.entered(self.conn(), room);
        }
        Ok(joined)
    }

    /// Leaves a room, as the command `leave` does, and as [`Conn::leave`].
    pub async fn leave(&self, room: &str) -> Left {
        self.conn().leave(room).await
    }
}
