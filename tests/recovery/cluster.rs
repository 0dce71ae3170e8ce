//! [`Cluster`]: nodes that can be killed, over a bus whose links and logs can be broken.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gustnado::{
    Handler, Hub, Shutdown,
    adapter::{Adapter, Link, MemoryBus, NodeId},
    async_trait,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    checker::{
        What,
        schedule::{NODES, Nobody, Plan, Site, read_log},
        workload::{self, Dialed, Io},
    },
    faulty::{Bug, Faulty},
    support,
};

struct Node {
    hub: Hub,
    handler: Handler,
}

pub(super) struct Cluster {
    bus: MemoryBus,
    nodes: Mutex<Vec<Option<Node>>>,
    plan: Plan,
    bug: Bug,
}

impl Cluster {
    /// Of which every node runs.
    pub(super) fn new(plan: Plan, bug: Bug) -> Self {
        let nodes = Mutex::new((0..NODES).map(|_| None).collect());
        let cluster = Self { bus: MemoryBus::new(), nodes, plan, bug };
        cluster.mend_all();
        cluster
    }

    fn start(&self, at: usize) {
        let adapter = Faulty::new(self.bus.adapter(), self.bug);
        let hub = workload::hub(adapter, self.plan.kept, self.plan.recover_max);
        let handler = workload::handler(&hub);
        self.nodes.lock().expect("no panic")[at] = Some(Node { hub, handler });
    }

    fn with_link(&self, at: usize, link: Link) {
        if let Some(node) = &self.nodes.lock().expect("no panic")[at] {
            self.bus.set_link(node.hub.node(), link);
        }
    }

    fn mend_all(&self) {
        self.bus.lose_nothing();
        for at in 0..NODES {
            let is_there = self.nodes.lock().expect("no panic")[at].is_some();
            if is_there { self.with_link(at, Link::Up) } else { self.start(at) }
        }
    }
}

#[async_trait]
impl Site for Cluster {
    fn dial(&self, node: usize) -> Dialed {
        let handler = self.nodes.lock().expect("no panic")[node].as_ref().map(|node| node.handler.clone());
        Box::pin(async move { handler.map(|handler| Box::new(support::serve(handler)) as Box<dyn Io>) })
    }

    fn choose(&self, random: &mut StdRng) -> &'static str {
        match random.random_range(0..30) {
            0..6 => "link down",
            6..9 => "link degraded",
            9..15 => "link up",
            15..21 => "packets lost",
            21..24 => "no packets lost",
            24..27 => "node killed",
            27..29 => "nothing",
            _ => "log forgotten",
        }
    }

    async fn break_it(&self, fault: &str, random: &mut StdRng) {
        let at = random.random_range(0..NODES);
        match fault {
            "link down" => self.with_link(at, Link::Down),
            "link degraded" => self.with_link(at, Link::Degraded),
            "link up" => self.with_link(at, Link::Up),
            "packets lost" => {
                let mut random = StdRng::seed_from_u64(random.random());
                self.bus.lose(move |_, _| random.random_bool(0.3));
            }
            "no packets lost" => self.bus.lose_nothing(),
            "node killed" => self.kill(at).await,
            "log forgotten" => self.bus.forget_logs(),
            _ => {}
        }
    }

    async fn mend(&self, all: bool, random: &mut StdRng) {
        if all || random.random_bool(0.4) {
            self.mend_all();
        }
    }

    /// Without a word to anybody.
    async fn kill(&self, at: usize) {
        self.with_link(at, Link::Down);
        let node = self.nodes.lock().expect("no panic")[at].take();
        if let Some(node) = node {
            node.hub.shutdown(Shutdown::default().deadline(Duration::ZERO)).await;
        }
    }

    async fn log(&self, room: &str) -> What {
        let reader = Faulty::new(self.bus.adapter(), self.bug);
        reader.start(NodeId::new(u64::MAX), Arc::new(Nobody));
        read_log(&reader, room, self.plan.kept).await
    }
}
