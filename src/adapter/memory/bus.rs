//! What the adapters of one process share.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::adapter::{
    AppendError, Appended, Inbox, Link, MemoryLog, NodeId, Position, ReadFrom, Retention, Slice, Subject,
};

use super::Memory;

/// As many packets as wait for one hub.
const QUEUE: usize = 16 * 1024;

/// Connects hubs of one process with one another: for tests of what an application does on several nodes, with what
/// can happen to them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use gustnado::{Hub, Remote, adapter::{Link, MemoryBus, NotHandedOver}};
///
/// let bus = MemoryBus::new();
/// let hub = Hub::builder().adapter(bus.adapter()).build();
/// assert_eq!(hub.room("lobby").send("hello").await.remote, Remote::HandedOver);
///
/// bus.set_link(hub.node(), Link::Down);
/// let remote = hub.room("lobby").send("hello?").await.remote;
/// assert_eq!(remote, Remote::NotHandedOver(NotHandedOver::Down));
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryBus(Arc<Mutex<Bus>>);

type Lose = Box<dyn FnMut(NodeId, &Subject) -> bool + Send>;

#[derive(Default)]
struct Bus {
    nodes: BTreeMap<NodeId, Node>,
    /// The link of those that come, unless it is up.
    links: Option<Link>,
    lose: Option<Lose>,
    log: MemoryLog,
}

/// One end of the bus.
struct Node {
    link: Link,
    /// It had a link once, over which it may have missed something.
    was_up: bool,
    interests: HashSet<Subject>,
    queue: mpsc::Sender<Said>,
    place: Arc<Place>,
}

/// What an adapter knows about itself.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) received: AtomicU64,
    pub(super) reconnects: AtomicU64,
    /// A packet found no room in the queue.
    overflowed: AtomicBool,
}

/// What the inbox is to be told.
enum Said {
    Packet(Subject, Bytes),
    Entry(Subject, Position, Bytes),
    Link(Link),
    Interrupted,
}

impl MemoryBus {
    /// A bus that nobody is connected to.
    pub fn new() -> Self {
        Self::default()
    }

    /// An adapter for one hub.
    pub fn adapter(&self) -> Memory {
        Memory::new(self.clone())
    }

    /// Breaks or mends the link of one hub. While it is degraded nothing comes in, and while it is down nothing goes
    /// out either; what comes for the hub then is lost, and in the end it is told that it was interrupted.
    pub fn set_link(&self, node: NodeId, link: Link) {
        if let Some(node) = self.0.lock().nodes.get_mut(&node) {
            node.set_link(link);
        }
    }

    /// Does the same with the links of all hubs, of those that come later too: the engine is away, or back.
    pub fn set_links(&self, link: Link) {
        let mut bus = self.0.lock();
        bus.links = Some(link);
        bus.nodes.values_mut().for_each(|node| node.set_link(link));
    }

    /// Loses packets and entries without a word: those for which `lose` says so, asked for each node that one would come to. It
    /// must not call the bus.
    pub fn lose(&self, lose: impl FnMut(NodeId, &Subject) -> bool + Send + 'static) {
        self.0.lock().lose = Some(Box::new(lose));
    }

    /// Loses nothing any more.
    pub fn lose_nothing(&self) {
        self.0.lock().lose = None;
    }

    /// Forgets every log, as an engine does that is restarted without its data: they begin anew.
    pub fn forget_logs(&self) {
        self.0.lock().log.clear();
    }

    pub(super) fn append(
        &self,
        room: &str,
        entry: &Bytes,
        key: Option<&str>,
        retention: Retention,
    ) -> Result<Position, AppendError> {
        // Under the lock, so that entries come in the order of their offsets.
        let bus = &mut *self.0.lock();
        let Appended { position, new } = bus.log.append(room, entry.clone(), key, retention)?;
        if new {
            let subject = Subject::room(room);
            bus.say_to_interested(&subject, || Said::Entry(subject.clone(), position, entry.clone()));
        }
        Ok(position)
    }

    pub(super) fn read(&self, room: &str, from: ReadFrom, max: usize, retention: Retention) -> Slice {
        self.0.lock().log.read(room, from, max, retention)
    }

    pub(super) fn tops(&self, rooms: &[&str]) -> Vec<Option<Position>> {
        self.0.lock().log.tops(rooms)
    }

    pub(super) fn enter(&self, node: NodeId, inbox: Arc<dyn Inbox>) -> Arc<Place> {
        let (queue, said) = mpsc::channel(QUEUE);
        let place = Arc::new(Place {
            node,
            received: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            overflowed: AtomicBool::new(false),
        });
        tokio::spawn(tell(inbox, said, place.clone()));
        let mut bus = self.0.lock();
        let link = bus.links.unwrap_or(Link::Up);
        let interests = HashSet::new();
        let end = Node { link, was_up: link == Link::Up, interests, queue, place: place.clone() };
        end.say(Said::Link(link));
        bus.nodes.insert(node, end);
        drop(bus);
        place
    }

    pub(super) fn leave(&self, node: NodeId) {
        self.0.lock().nodes.remove(&node);
    }

    pub(super) fn link(&self, node: NodeId) -> Option<Link> {
        self.0.lock().nodes.get(&node).map(|node| node.link)
    }

    pub(super) fn set_interest(&self, node: NodeId, subject: &Subject, interested: bool) {
        if let Some(node) = self.0.lock().nodes.get_mut(&node) {
            match interested {
                true => node.interests.insert(subject.clone()),
                false => node.interests.remove(subject),
            };
        }
    }

    pub(super) fn is_interested(&self, node: NodeId, subject: &Subject) -> bool {
        self.0.lock().nodes.get(&node).is_some_and(|node| node.interests.contains(subject))
    }

    pub(super) fn deliver(&self, subject: &Subject, packet: &Bytes) {
        self.0.lock().say_to_interested(subject, || Said::Packet(subject.clone(), packet.clone()));
    }
}

impl Bus {
    fn say_to_interested(&mut self, subject: &Subject, said: impl Fn() -> Said) {
        for (id, node) in &self.nodes {
            let comes = node.link == Link::Up && node.interests.contains(subject);
            if comes && !self.lose.as_mut().is_some_and(|lose| lose(*id, subject)) {
                node.say(said());
            }
        }
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").field("nodes", &self.0.lock().nodes.keys()).finish_non_exhaustive()
    }
}

impl Node {
    fn set_link(&mut self, link: Link) {
        if self.link == link {
            return;
        }
        self.link = link;
        self.say(Said::Link(link));
        if link == Link::Up && std::mem::replace(&mut self.was_up, true) {
            self.place.reconnects.fetch_add(1, Relaxed);
            self.say(Said::Interrupted);
        }
    }

    fn say(&self, said: Said) {
        if self.queue.try_send(said).is_err() {
            self.place.overflowed.store(true, Relaxed);
        }
    }
}

/// The task of one end: tells the inbox one thing after the other, until its adapter leaves.
async fn tell(inbox: Arc<dyn Inbox>, mut said: mpsc::Receiver<Said>, place: Arc<Place>) {
    while let Some(next) = said.recv().await {
        match next {
            Said::Packet(subject, packet) => {
                place.received.fetch_add(1, Relaxed);
                inbox.packet(&subject, packet);
            }
            Said::Entry(subject, position, entry) => {
                place.received.fetch_add(1, Relaxed);
                inbox.entry(subject.name(), position, entry);
            }
            Said::Link(link) => inbox.link_changed(link),
            Said::Interrupted => inbox.interrupted(),
        }
        if said.is_empty() && place.overflowed.swap(false, Relaxed) {
            inbox.interrupted();
        }
    }
}
