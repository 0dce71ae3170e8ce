//! [`Tap`]: watching what happens, without being able to slow it down.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use parking_lot::RwLock;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    adapter::{Link, NodeId, Subject},
    conn::{CloseInfo, Conn, ConnId, Watcher},
    protocol::message::Message,
};

use super::{Hub, Member, Report, presence::Change};

/// Something that happened.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
        /// The [metadata](Conn::set_metadata) that the connection had when it came in.
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

type Redact = dyn Fn(&mut String) + Send + Sync;

/// Which events a [`Tap`] gets: all of them, unless it is narrowed down.
#[derive(Clone)]
#[must_use]
pub struct TapFilter {
    capacity: usize,
    preview: usize,
    room: Option<String>,
    user: Option<String>,
    conn: Option<ConnId>,
    contains: Option<String>,
    redact: Option<Arc<Redact>>,
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
    /// How many events may wait: 1,024 by default. Beyond that they are missed, and counted.
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

/// A stream of what happens in a hub, made by [`Hub::tap`].
///
/// It is bounded and lossy: when it is not read, events are [missed](Self::missed), and nobody waits.
#[derive(Debug)]
pub struct Tap {
    events: mpsc::Receiver<Event>,
    missed: Arc<AtomicU64>,
}

impl Tap {
    /// The next event; `None` once the hub is gone.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// An event that is here already.
    pub fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// How many events had no room.
    pub fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }
}

impl futures_core::Stream for Tap {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(cx)
    }
}

/// The taps of a hub.
#[derive(Default)]
pub(super) struct Taps {
    /// Whether there are any: looked at before anything else is done.
    any: AtomicBool,
    taps: RwLock<Arc<[Arc<TapSender>]>>,
}

struct TapSender {
    filter: TapFilter,
    events: mpsc::Sender<Event>,
    missed: Arc<AtomicU64>,
}

/// An event that nobody has asked about yet: nothing is copied before a tap wants it.
struct Happening<'a> {
    conn: Option<&'a Conn>,
    what: What<'a>,
}

impl Happening<'_> {
    fn id(&self) -> Option<ConnId> {
        match &self.what {
            What::Presence { change, .. } => Some(change.id),
            _ => self.conn.map(Conn::id),
        }
    }
}

pub(super) enum What<'a> {
    Opened,
    Closed(CloseInfo),
    Joined { room: &'a str, created: bool },
    Left { room: &'a str, emptied: bool },
    Received(&'a Message),
    Sent(&'a Message),
    Link(Link),
    Presence { room: &'a str, change: &'a Change },
    NodeCame(NodeId),
    NodeGone(NodeId),
    Broadcast { rooms: &'a [Subject], user: Option<&'a str>, message: &'a Message, report: Report },
}

impl Taps {
    pub(super) fn any(&self) -> bool {
        self.any.load(Relaxed)
    }

    fn add(&self, filter: TapFilter) -> Tap {
        let (sender, events) = mpsc::channel(filter.capacity);
        let missed = Arc::new(AtomicU64::new(0));
        let tap = Arc::new(TapSender { filter, events: sender, missed: missed.clone() });
        let mut taps = self.taps.write();
        *taps = taps.iter().cloned().chain([tap]).collect();
        self.any.store(true, Relaxed);
        Tap { events, missed }
    }

    /// Passes an event to the taps that want it.
    fn pass(&self, happening: &Happening<'_>) {
        // Redaction is code of the application, and runs under no lock.
        let taps = self.taps.read().clone();
        let mut gone = false;
        for tap in taps.iter().filter(|tap| tap.filter.wants(happening)) {
            // A tap that is not read costs a count and no copy.
            if tap.events.capacity() == 0 {
                gone |= tap.events.is_closed();
                tap.missed.fetch_add(1, Relaxed);
                continue;
            }
            let Some(event) = tap.filter.event(happening) else { continue };
            match tap.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    tap.missed.fetch_add(1, Relaxed);
                }
                Err(TrySendError::Closed(_)) => gone = true,
            }
        }
        if gone {
            let mut taps = self.taps.write();
            *taps = taps.iter().filter(|tap| !tap.events.is_closed()).cloned().collect();
            self.any.store(!taps.is_empty(), Relaxed);
        }
    }
}

impl TapFilter {
    fn wants(&self, happening: &Happening<'_>) -> bool {
        let conn = happening.conn;
        let user = match happening.what {
            What::Broadcast { user, .. } => user,
            What::Presence { change, .. } => Some(&*change.member.user),
            _ => conn.and_then(Conn::user),
        };
        let in_room = |name: &String| match &happening.what {
            What::Joined { room, .. } | What::Left { room, .. } | What::Presence { room, .. } => room == name,
            What::Broadcast { rooms, .. } => rooms.iter().any(|room| room.name() == name),
            _ => conn.is_some_and(|conn| conn.is_in(name)),
        };
        self.conn.is_none_or(|id| happening.id() == Some(id))
            && self.user.as_deref().is_none_or(|name| user == Some(name))
            && self.room.as_ref().is_none_or(in_room)
    }

    /// The event as this tap gets it; `None` if it is about a message without what the tap looks for.
    fn event(&self, happening: &Happening<'_>) -> Option<Event> {
        let preview = |message: &Message| {
            let bytes = message.as_bytes();
            let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(self.preview)]).into_owned();
            if let Some(redact) = &self.redact {
                redact(&mut text);
            }
            let wanted = self.contains.as_ref().is_none_or(|part| text.contains(part));
            wanted.then_some(Preview { text, len: message.len(), is_text: message.is_text() })
        };
        let kind = match &happening.what {
            What::Received(message) => EventKind::Received(preview(message)?),
            What::Sent(message) => EventKind::Sent(preview(message)?),
            What::Broadcast { rooms, message, report, .. } => {
                let rooms = rooms.iter().map(|room| room.name().to_owned()).collect();
                EventKind::Broadcast { rooms, preview: preview(message)?, report: *report }
            }
            _ if self.contains.is_some() => return None,
            What::Opened => EventKind::Opened,
            What::Link(link) => EventKind::Link(*link),
            What::Presence { room, change } => EventKind::Presence {
                room: (*room).to_owned(),
                online: change.online,
                meta: change.member.meta.clone(),
            },
            What::NodeCame(node) => EventKind::NodeCame(*node),
            What::NodeGone(node) => EventKind::NodeGone(*node),
            What::Closed(CloseInfo { code, reason, cause }) => {
                EventKind::Closed { code: *code, reason: reason.clone(), cause: cause.clone() }
            }
            What::Joined { room, created } => {
                EventKind::Joined { room: (*room).to_owned(), created: *created }
            }
            What::Left { room, emptied } => EventKind::Left { room: (*room).to_owned(), emptied: *emptied },
        };
        let user = match &happening.what {
            What::Presence { change, .. } => Some(&*change.member.user),
            _ => happening.conn.and_then(Conn::user),
        };
        Some(Event { conn: happening.id(), user: user.map(ToOwned::to_owned), kind })
    }
}

impl Hub {
    /// Watches what happens from here on. Drop the tap to stop.
    pub fn tap(&self, filter: TapFilter) -> Tap {
        self.0.taps.add(filter)
    }

    /// Passes an event to the taps, if there are any.
    pub(super) fn happened<'a>(&self, conn: Option<&Conn>, what: impl FnOnce() -> Option<What<'a>>) {
        if self.0.taps.any()
            && let Some(what) = what()
        {
            self.0.taps.pass(&Happening { conn, what });
        }
    }
}

/// What the layers below tell.
impl Watcher for Member {
    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }

    fn is_watching(&self) -> bool {
        self.hub.0.taps.any()
    }

    fn received(&self, conn: &Conn, message: &Message) {
        self.hub.happened(Some(conn), || Some(What::Received(message)));
    }

    fn sent(&self, conn: &Conn, message: &Message) {
        self.hub.happened(Some(conn), || Some(What::Sent(message)));
    }
}
