//! [`Tap`]: watching what happens, without being able to slow it down.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc;

use crate::{
    adapter::{Link, NodeId},
    conn::ConnId,
};

use super::{Report, taps::Sleep};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The connection it happened to or that caused it; `None` for a message that no connection sent.
    pub conn: Option<ConnId>,
    /// Whose connection that is.
    pub user: Option<String>,
    /// What it was.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A connection was registered.
    Opened,
    /// A connection is gone; its `on_close` has returned.
    Closed {
        /// The close code, as in [`Closed::code`](crate::Closed::code).
        code: u16,
        /// The reason.
        reason: String,
        /// What went wrong, if something did.
        cause: Option<String>,
    },
    /// A connection joined a room.
    Joined {
        /// The room.
        room: String,
        /// Whether nobody was in it before.
        created: bool,
    },
    /// A connection left a room.
    Left {
        /// The room.
        room: String,
        /// Whether nobody is in it now.
        emptied: bool,
    },
    /// A message came in.
    Received(Preview),
    /// A message was sent to one connection.
    Sent(Preview),
    /// A message was sent to rooms, a user or everybody: once, however many got it.
    Broadcast {
        /// The rooms, if it went to rooms.
        rooms: Vec<String>,
        /// What it was.
        preview: Preview,
        /// What became of it on this node.
        report: Report,
    },
    /// The link to the other nodes is another now.
    Link(Link),
    /// The event's user has come into a room with [presence](crate::HubBuilder::presence_in) with a first connection, or
    /// has gone with the last one, on whatever node.
    Presence {
        /// The room.
        room: String,
        /// Whether the user is there now.
        online: bool,
        /// The [metadata](crate::Conn::set_metadata) that the connection had when it came in.
        meta: BTreeMap<String, String>,
    },
    /// Another node was heard of.
    NodeCame(NodeId),
    /// Another node has left, or was not heard of any more.
    NodeGone(NodeId),
}

/// The beginning of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preview {
    /// Its first bytes, as text; what is no UTF-8 is replaced. Redacted already.
    pub text: String,
    /// How long the whole message is, in bytes.
    pub len: usize,
    /// Whether it is a text message.
    pub is_text: bool,
}

pub(super) type Redact = dyn Fn(&mut String) + Send + Sync;

/// Which events a [`Tap`] gets: all of them, unless it is narrowed down.
#[derive(Clone)]
#[must_use]
pub struct TapFilter {
    pub(super) capacity: usize,
    pub(super) preview: usize,
    pub(super) room: Option<String>,
    pub(super) user: Option<String>,
    pub(super) conn: Option<ConnId>,
    pub(super) contains: Option<String>,
    pub(super) redact: Option<Arc<Redact>>,
}

impl EventKind {
    /// The beginning of the message, if it is about one.
    pub(super) fn preview_mut(&mut self) -> Option<&mut Preview> {
        match self {
            Self::Received(preview) | Self::Sent(preview) | Self::Broadcast { preview, .. } => Some(preview),
            _ => None,
        }
    }
}

impl Default for TapFilter {
    fn default() -> Self {
        Self {
            capacity: 1024,
            preview: 256,
            room: None,
            user: None,
            conn: None,
            contains: None,
            redact: None,
        }
    }
}

impl TapFilter {
    /// How many events may wait, on each node: 1,024 by default. Beyond that they are missed, and counted.
    pub fn capacity(mut self, events: usize) -> Self {
        self.capacity = events.max(1);
        self
    }

    /// How many bytes of each message are shown: 256 by default, 0 for none.
    pub fn preview(mut self, bytes: usize) -> Self {
        self.preview = bytes;
        self
    }

    /// Only what concerns a room: joins, leaves and messages to it.
    pub fn room(mut self, name: impl Into<String>) -> Self {
        self.room = Some(name.into());
        self
    }

    /// Only what concerns connections of a user.
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = Some(name.into());
        self
    }

    /// Only what concerns one connection.
    pub fn conn(mut self, conn: impl Into<ConnId>) -> Self {
        self.conn = Some(conn.into());
        self
    }

    /// Only messages whose preview contains this.
    pub fn contains(mut self, text: impl Into<String>) -> Self {
        self.contains = Some(text.into());
        self
    }

    /// Changes each preview before the event is passed on: takes secrets out.
    pub fn redact(mut self, redact: impl Fn(&mut String) + Send + Sync + 'static) -> Self {
        self.redact = Some(Arc::new(redact));
        self
    }
}

impl fmt::Debug for TapFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TapFilter")
            .field("room", &self.room)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A stream of what happens in a hub, made by [`Hub::tap`](crate::Hub::tap).
///
/// It is bounded and lossy: when it is not read, events are [missed](Self::missed), and nobody waits. A tap without room
/// sleeps until it is read on, and while all taps of a hub sleep, messages are only counted.
#[derive(Debug)]
pub struct Tap {
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) sleep: Arc<Sleep>,
    /// What had gone by unseen before this tap was there.
    pub(super) unseen_before: u64,
}

impl Tap {
    /// The next event; `None` once the hub is gone.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// An event that is here already.
    pub fn try_next(&mut self) -> Option<Event> {
        let event = self.events.try_recv().ok()?;
        self.sleep.end();
        Some(event)
    }

    /// How many events had no room.
    ///
    /// An event that the filter was asked about counts if the filter wants it. While no tap of the hub had room no
    /// filter is asked, and every message counts; a connection's, once its session has handled what it had read.
    pub fn missed(&self) -> u64 {
        self.sleep.missed.load(Relaxed) + self.sleep.watch.unseen() - self.unseen_before
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let event = ready!(self.events.poll_recv(cx));
        self.sleep.end();
        Poll::Ready(event)
    }
}

impl futures_core::Stream for Tap {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // Whoever passes the next event finds out, and forgets the tap.
        self.events.close();
        self.sleep.end();
    }
}
