//! How members are told where in the log a message stands.

use std::fmt;

use crate::{adapter::Position, protocol::message::Message};

use super::Lost;

/// A message of a room that keeps history, as [`HubBuilder::frame`](crate::HubBuilder::frame) sees it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Publication<'a> {
    /// The room.
    pub room: &'a str,
    /// Where in the room's log it stands: what a client comes back with.
    pub position: Position,
    /// What was sent.
    pub message: &'a Message,
}

/// A member of a room has lost messages.
#[cfg_attr(not(feature = "commands"), allow(dead_code, reason = "only commands frame it"))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct LostMessages<'a> {
    pub(crate) room: &'a str,
    pub(crate) why: Lost,
    /// Where the member stands now: what it gets next comes after this.
    pub(crate) position: Position,
}

pub(in crate::hub) type Frame = dyn Fn(&Publication<'_>) -> Message + Send + Sync;
pub(in crate::hub) type FrameLost = dyn Fn(&str, Lost) -> Message + Send + Sync;

/// How a connector's layer frames what its connections get: attached to the handshake as a [`Framed`].
pub(crate) trait Framing: fmt::Debug + Sync {
    /// A frame with its offset, and with `prev` if it is not the one before.
    fn entry(&self, frame: &Message, offset: u64, prev: Option<u64>) -> Message;

    fn lost(&self, lost: &LostMessages<'_>) -> Message;
}

/// What the application says to members that lost messages, whose connector says nothing itself: made beforehand, since
/// no code of the application runs under a lock.
#[derive(Debug)]
pub(super) struct Notices([Message; 4]);

impl Notices {
    pub(super) fn new(room: &str, frame_lost: &FrameLost) -> Self {
        Self([Lost::Epoch, Lost::Trimmed, Lost::Limit, Lost::Unavailable].map(|why| frame_lost(room, why)))
    }

    pub(super) fn get(&self, why: Lost) -> &Message {
        match why {
            Lost::Epoch => &self.0[0],
            Lost::Trimmed => &self.0[1],
            Lost::Limit => &self.0[2],
            Lost::Unavailable => &self.0[3],
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Framed(pub(crate) &'static dyn Framing);
