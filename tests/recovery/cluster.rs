//! [`Cluster`]: nodes that can be killed, over a bus whose links and logs can be broken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use gustnado::{
    Handler, Hub, Shutdown,
    adapter::{Adapter, History, Inbox, Link, MemoryBus, NodeId, Position, ReadFrom, Retention, Subject},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    checker::{
        What,
        workload::{self, Io},
    },
    faulty::{Bug, Faulty},
    support,
};

pub(super) const NODES: usize = 3;

struct Node {
    hub: Hub,
    handler: Handler,
}

pub(super) struct Cluster {
    bus: MemoryBus,
    nodes: Mutex<Vec<Option<Node>>>,
    random: Mutex<StdRng>,
    kept: Retention,
    recover_max: usize,
    bug: Bug,
}

impl Cluster {
    /// Of which every node runs.
    pub(super) fn new(seed: u64, kept: Retention, recover_max: usize, bug: Bug) -> Self {
        let nodes = Mutex::new((0..NODES).map(|_| None).collect());
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        let cluster = Self { bus: MemoryBus::new(), nodes, random, kept, recover_max, bug };
        cluster.mend();
        cluster
    }

    pub(super) fn start(&self, at: usize) {
        let adapter = Faulty::new(self.bus.adapter(), self.bug);
        let hub = Hub::builder()
            .adapter(adapter)
            .history("news/*", self.kept)
            .recover_max(self.recover_max)
            .build();
        let handler = workload::handler(&hub);
        self.nodes.lock().expect("no panic")[at] = Some(Node { hub, handler });
    }

    pub(super) fn dial(&self) -> Option<Box<dyn Io>> {
        let nodes = self.nodes.lock().expect("no panic");
        let at = self.random(0..NODES);
        let node = nodes[at].as_ref()?;
        Some(Box::new(support::serve(node.handler.clone())))
    }

    fn random(&self, range: std::ops::Range<usize>) -> usize {
        self.random.lock().expect("no panic").random_range(range)
    }

    fn with_link(&self, at: usize, link: Link) {
        if let Some(node) = &self.nodes.lock().expect("no panic")[at] {
            self.bus.set_link(node.hub.node(), link);
        }
    }

    /// Without a word to anybody.
    pub(super) async fn kill(&self, at: usize) {
        self.with_link(at, Link::Down);
        let node = self.nodes.lock().expect("no panic")[at].take();
        if let Some(node) = node {
            node.hub.shutdown(Shutdown::default().deadline(Duration::ZERO)).await;
        }
    }

    /// Breaks something, and says what.
    pub(super) async fn break_something(&self) -> &'static str {
        let at = self.random(0..NODES);
        match self.random(0..10) {
            0 | 1 => self.with_link(at, Link::Down),
            2 => self.with_link(at, Link::Degraded),
            3 | 4 => self.with_link(at, Link::Up),
            5 | 6 => {
                let mut random = StdRng::seed_from_u64(self.random(0..usize::MAX) as u64);
                self.bus.lose(move |_, _| random.random_bool(0.3));
                return "packets";
            }
            7 => self.bus.lose_nothing(),
            8 => {
                self.kill(at).await;
                return "node";
            }
            _ if self.random(0..3) == 0 => {
                self.bus.forget_logs();
                return "log";
            }
            _ => {}
        }
        "link"
    }

    pub(super) fn mend(&self) {
        self.bus.lose_nothing();
        for at in 0..NODES {
            let is_there = self.nodes.lock().expect("no panic")[at].is_some();
            if is_there { self.with_link(at, Link::Up) } else { self.start(at) }
        }
    }

    /// What is in the log in the end, by the ids that the workload has put into its messages.
    pub(super) async fn final_log(&self, room: &str) -> What {
        let reader = self.bus.adapter();
        reader.start(NodeId::new(u64::MAX), Arc::new(Nobody));
        let log = Faulty::new(reader, self.bug);
        let slice =
            log.read(room, ReadFrom::Last(usize::MAX), usize::MAX, self.kept).await.expect("it is there");
        let id = |entry: &[u8]| {
            let text = String::from_utf8_lossy(entry).into_owned();
            let id = text.split("\"id\":\"").nth(1).and_then(|it| it.split('"').next());
            id.expect("an id in every message").to_owned()
        };
        let entries = slice.entries.expect("the last").iter().map(|(at, entry)| (*at, id(entry))).collect();
        What::Final { room: room.into(), epoch: slice.top.epoch.to_string(), entries }
    }
}

/// Hears nothing.
struct Nobody;

impl Inbox for Nobody {
    fn packet(&self, _: &Subject, _: Bytes) {}
    fn entry(&self, _: &str, _: Position, _: Bytes) {}
    fn link_changed(&self, _: Link) {}
    fn interrupted(&self) {}
}
