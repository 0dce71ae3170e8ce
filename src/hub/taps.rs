//! [`Taps`]: who watches a hub, and passing on what happens.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    adapter::{Link, NodeId, Subject},
    conn::{CloseInfo, Conn, ConnId, Watcher, Watching},
    protocol::message::Message,
};

use super::{
    Hub, Member, Report,
    presence::Change,
    tap::{Event, EventKind, Preview, Tap, TapFilter},
};

/// The taps of a hub.
#[derive(Default)]
pub(super) struct Taps {
    watch: Arc<Watch>,
    taps: RwLock<Arc<[Arc<TapSender>]>>,
}

struct TapSender {
    filter: TapFilter,
    events: mpsc::Sender<Event>,
    sleep: Arc<Sleep>,
}

/// What is looked at for each message: whether there are taps, and whether one of them is awake.
#[derive(Debug, Default)]
pub(super) struct Watch {
    any: AtomicBool,
    awake: AtomicUsize,
    /// Messages that went by while all taps slept.
    unseen: AtomicU64,
}

/// Whether a tap has room. One that has none is not asked what it wants before it is read on.
#[derive(Debug)]
pub(super) struct Sleep {
    pub(super) watch: Arc<Watch>,
    /// Events that this tap wanted, when it had no room and another one was awake.
    pub(super) missed: AtomicU64,
    mode: Mutex<Mode>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Awake,
    Asleep,
    /// Its tap was dropped, and it counts no more.
    Gone,
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
    Link(Link),
    NodeCame(NodeId),
    NodeGone(NodeId),
    Presence { room: &'a str, change: &'a Change },
    Broadcast { rooms: &'a [Subject], user: Option<&'a str>, message: &'a Message, report: Report },
}

impl Happening<'_> {
    /// Whom it happened to, on whatever node.
    fn id(&self) -> Option<ConnId> {
        match &self.what {
            What::Presence { change, .. } => Some(change.id),
            _ => self.conn.map(Conn::id),
        }
    }

    fn user(&self) -> Option<&str> {
        match &self.what {
            What::Presence { change, .. } => Some(&change.member.user),
            _ => self.conn.and_then(Conn::user),
        }
    }
}

impl Watch {
    fn watching(&self) -> Watching {
        match (self.any.load(Relaxed), self.awake.load(Relaxed)) {
            (false, _) => Watching::Nobody,
            (true, 0) => Watching::Asleep,
            (true, _) => Watching::Awake,
        }
    }

    pub(super) fn unseen(&self) -> u64 {
        self.unseen.load(Relaxed)
    }
}

impl Sleep {
    fn awake(watch: Arc<Watch>) -> Self {
        watch.awake.fetch_add(1, Relaxed);
        Self { watch, missed: AtomicU64::new(0), mode: Mutex::new(Mode::Awake) }
    }

    /// Sleeps, unless the reader has made room. It does that before it takes the lock to end the sleep: so none is
    /// left asleep with room.
    fn begin(&self, events: &mpsc::Sender<Event>) {
        let mut mode = self.mode.lock();
        if *mode == Mode::Awake && events.capacity() == 0 {
            *mode = Mode::Asleep;
            self.watch.awake.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn end(&self) {
        let mut mode = self.mode.lock();
        if *mode == Mode::Asleep {
            *mode = Mode::Awake;
            self.watch.awake.fetch_add(1, Relaxed);
        }
    }

    fn end_for_good(&self) {
        if std::mem::replace(&mut *self.mode.lock(), Mode::Gone) == Mode::Awake {
            self.watch.awake.fetch_sub(1, Relaxed);
        }
    }
}

impl Taps {
    fn add(&self, filter: TapFilter) -> Tap {
        let (sender, events) = mpsc::channel(filter.capacity);
        let sleep = Arc::new(Sleep::awake(self.watch.clone()));
        let tap = Arc::new(TapSender { filter, events: sender, sleep: sleep.clone() });
        let mut taps = self.taps.write();
        *taps = taps.iter().cloned().chain([tap]).collect();
        self.watch.any.store(true, Relaxed);
        Tap { events, sleep, unseen_before: self.watch.unseen() }
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
                tap.sleep.begin(&tap.events);
                tap.sleep.missed.fetch_add(1, Relaxed);
                continue;
            }
            let Some(event) = tap.filter.event(happening) else { continue };
            match tap.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    tap.sleep.missed.fetch_add(1, Relaxed);
                }
                Err(TrySendError::Closed(_)) => gone = true,
            }
        }
        if gone {
            self.forget();
        }
    }

    /// Removes the taps that were dropped.
    fn forget(&self) {
        let mut taps = self.taps.write();
        let (gone, left): (Vec<_>, Vec<_>) = taps.iter().cloned().partition(|tap| tap.events.is_closed());
        gone.iter().for_each(|tap| tap.sleep.end_for_good());
        self.watch.any.store(!left.is_empty(), Relaxed);
        *taps = left.into();
    }
}

impl TapFilter {
    fn wants(&self, happening: &Happening<'_>) -> bool {
        let conn = happening.conn;
        let user = match happening.what {
            What::Broadcast { user, .. } => user,
            _ => happening.user(),
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
            What::NodeCame(node) => EventKind::NodeCame(*node),
            What::NodeGone(node) => EventKind::NodeGone(*node),
            What::Presence { room, change } => EventKind::Presence {
                room: (*room).to_owned(),
                online: change.online,
                meta: change.member.meta.clone(),
            },
            What::Closed(CloseInfo { code, reason, cause }) => {
                EventKind::Closed { code: *code, reason: reason.clone(), cause: cause.clone() }
            }
            What::Joined { room, created } => {
                EventKind::Joined { room: (*room).to_owned(), created: *created }
            }
            What::Left { room, emptied } => EventKind::Left { room: (*room).to_owned(), emptied: *emptied },
        };
        Some(Event { conn: happening.id(), user: happening.user().map(ToOwned::to_owned), kind })
    }
}

impl Hub {
    /// Watches what happens from here on. Drop the tap to stop.
    pub fn tap(&self, filter: TapFilter) -> Tap {
        self.0.taps.add(filter)
    }

    /// Passes an event to the taps, if there are any. It is a rare one: even taps that sleep are asked.
    pub(super) fn happened<'a>(&self, conn: Option<&Conn>, what: impl FnOnce() -> Option<What<'a>>) {
        if self.0.taps.watch.watching() != Watching::Nobody
            && let Some(what) = what()
        {
            self.0.taps.pass(&Happening { conn, what });
        }
    }

    /// Passes on that a message was sent to a group.
    pub(super) fn was_broadcast(&self, what: What<'_>) {
        match self.0.taps.watch.watching() {
            Watching::Nobody => {}
            Watching::Asleep => self.unseen(1),
            Watching::Awake => self.0.taps.pass(&Happening { conn: None, what }),
        }
    }

    fn unseen(&self, messages: u64) {
        self.0.taps.watch.unseen.fetch_add(messages, Relaxed);
    }
}

/// What the layers below tell.
impl Watcher for Member {
    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }

    fn watching(&self) -> Watching {
        self.hub.0.taps.watch.watching()
    }

    fn received(&self, conn: &Conn, message: &Message) {
        self.hub.0.taps.pass(&Happening { conn: Some(conn), what: What::Received(message) });
    }

    fn sent(&self, conn: &Conn, message: &Message) {
        self.hub.0.taps.pass(&Happening { conn: Some(conn), what: What::Sent(message) });
    }

    fn unseen(&self, messages: u64) {
        self.hub.unseen(messages);
    }
}
