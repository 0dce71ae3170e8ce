//! [`Taps`]: who watches a hub, and passing on what happens.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use parking_lot::RwLock;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    conn::{CloseInfo, Conn, Watcher},
    protocol::message::Message,
};

use super::{
    Hub, Member, Report,
    tap::{Event, EventKind, Preview, Tap, TapFilter},
};

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

pub(super) enum What<'a> {
    Opened,
    Closed(CloseInfo),
    Joined { room: &'a str, created: bool },
    Left { room: &'a str, emptied: bool },
    Received(&'a Message),
    Sent(&'a Message),
    Broadcast { rooms: &'a [String], user: Option<&'a str>, message: &'a Message, report: Report },
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
            _ => conn.and_then(Conn::user),
        };
        let in_room = |name: &String| match &happening.what {
            What::Joined { room, .. } | What::Left { room, .. } => room == name,
            What::Broadcast { rooms, .. } => rooms.contains(name),
            _ => conn.is_some_and(|conn| conn.is_in(name)),
        };
        self.conn.is_none_or(|id| conn.is_some_and(|conn| conn.id() == id))
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
                EventKind::Broadcast { rooms: rooms.to_vec(), preview: preview(message)?, report: *report }
            }
            _ if self.contains.is_some() => return None,
            What::Opened => EventKind::Opened,
            What::Closed(CloseInfo { code, reason, cause }) => {
                EventKind::Closed { code: *code, reason: reason.clone(), cause: cause.clone() }
            }
            What::Joined { room, created } => {
                EventKind::Joined { room: (*room).to_owned(), created: *created }
            }
            What::Left { room, emptied } => EventKind::Left { room: (*room).to_owned(), emptied: *emptied },
        };
        let conn = happening.conn;
        Some(Event { conn: conn.map(Conn::id), user: conn.and_then(Conn::user).map(ToOwned::to_owned), kind })
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
