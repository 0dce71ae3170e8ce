//! [`Cluster`]: this hub's side of the pipe to the hubs of other nodes.

mod ask;
mod counters;
mod event;
mod inbox;
mod lent;
mod liveness;
mod nodes;
mod packet;
mod window;
pub(super) mod wire;

use std::{
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

pub use self::counters::ClusterStats;
use self::{
    ask::Questions,
    counters::Counters,
    inbox::HubInbox,
    lent::Lent,
    nodes::Nodes,
    packet::{encode, encode_deed},
    window::Window,
};
pub(super) use self::{
    ask::{Answer, Asked, Question},
    lent::{MAX_EVENTS, Wish},
    packet::{Act, Packet},
};
use crate::{
    adapter::{Adapter, NodeId, NotHandedOver, Subject, Unavailable},
    conn::ConnId,
};

use super::{Hub, Inner, Remote, target::To};

/// How long an engine may take to say that it has taken what was published.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);

/// The senders of which it is known what has come for several rooms: others than nodes send too.
const MAX_WINDOWS: usize = 1024;

pub(super) struct Cluster {
    node: NodeId,
    pub(super) adapter: Arc<dyn Adapter>,
    counters: Counters,
    /// Of the next deed.
    serial: AtomicU64,
    /// What has come for several rooms, by sender.
    windows: Mutex<HashMap<NodeId, Window>>,
    questions: Arc<Questions>,
    /// Taps of this hub that others read.
    lent: Mutex<Lent>,
    nodes: Mutex<Nodes>,
    /// Only asks and sends, and is no node to the others.
    pub(super) quiet: bool,
    /// It has left the others.
    stopped: AtomicBool,
}

impl Cluster {
    pub(super) fn new(node: NodeId, adapter: Arc<dyn Adapter>, quiet: bool) -> Self {
        Self {
            quiet,
            questions: Arc::default(),
            lent: Mutex::default(),
            nodes: Mutex::new(Nodes::new(node, Instant::now())),
            stopped: AtomicBool::new(false),
            node,
            adapter,
            counters: Counters::default(),
            serial: AtomicU64::new(1),
            windows: Mutex::default(),
        }
    }

    /// Begins to connect, and to be heard of.
    pub(super) fn start(&self, hub: &Weak<Inner>) {
        self.adapter.start(self.node, Arc::new(HubInbox(hub.clone())));
        self.adapter.set_interest(&Subject::Everybody, true);
        self.adapter.set_interest(&Subject::Node(self.node), true);
        tokio::spawn(liveness::run(hub.clone()));
    }

    pub(super) fn stats(&self) -> ClusterStats {
        self.counters.read(self.adapter.link(), self.nodes.lock().len(), self.adapter.traffic())
    }

    /// Hands a deed over to the nodes that it may concern. Waits for nothing.
    pub(super) fn hand_over(&self, to: &To, except: &[ConnId], act: &Act) -> Remote {
        let serial = self.serial.fetch_add(1, Relaxed);
        let done = match encode_deed(self.node, serial, to, except, act) {
            Some(packet) => self.publish_to(to, packet),
            None => Err(NotHandedOver::TooLarge),
        };
        match done {
            Ok(()) => {
                self.counters.handed_over.add_one();
                Remote::HandedOver
            }
            Err(reason) => {
                self.counters.not_handed_over.add_one();
                Remote::NotHandedOver(reason)
            }
        }
    }

    fn publish_to(&self, to: &To, packet: Bytes) -> Result<(), NotHandedOver> {
        match to {
            To::Everybody => self.adapter.publish(&Subject::Everybody, packet),
            To::User(user) => self.adapter.publish(user, packet),
            To::Conn(id) => self.adapter.publish(&Subject::Node(id.node()), packet),
            To::Rooms(rooms) => match rooms.as_slice() {
                // A clone would allocate.
                [room] => self.adapter.publish(room, packet),
                // All of them, even if one fails: what can be served is.
                rooms => rooms
                    .iter()
                    .map(|room| self.adapter.publish(room, packet.clone()))
                    .fold(Ok(()), Result::and),
            },
        }
    }

    /// Waits until the engine has taken what was handed over.
    pub(super) async fn flush(&self) -> Result<(), Unavailable> {
        let flushed = tokio::time::timeout(PUBLISH_TIMEOUT, self.adapter.flush()).await;
        flushed.unwrap_or(Err(Unavailable))
    }

    /// Tells other nodes something; whether the adapter has taken it.
    pub(super) fn tell(&self, subject: &Subject, packet: &Packet) -> bool {
        let packet = encode(self.node, packet);
        packet.is_some_and(|packet| self.adapter.publish(subject, packet).is_ok())
    }

    /// Whether a deed for several rooms comes for the first time.
    fn is_new(&self, sender: NodeId, serial: u64) -> bool {
        let mut windows = self.windows.lock();
        if windows.len() >= MAX_WINDOWS && !windows.contains_key(&sender) {
            // Most of them are gone; of the others, only what is on its way now might come twice.
            windows.clear();
        }
        windows.entry(sender).or_default().is_new(serial)
    }
}

impl Hub {
    /// Tells the adapter that somebody is here for whom its packets are. Called under the lock of the index, so that
    /// the last call says what the index says.
    pub(super) fn set_interest(&self, subject: impl FnOnce() -> Subject, interested: bool) {
        if let Some(cluster) = &self.0.cluster {
            cluster.adapter.set_interest(&subject(), interested);
        }
    }

    /// What this node is called by the others.
    pub fn node(&self) -> NodeId {
        self.0.ids.node()
    }
}
