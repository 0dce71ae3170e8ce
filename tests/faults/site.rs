//! [`Processes`]: nodes as child processes over a real engine.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use gustnado::{
    adapter::{Adapter, Link, NodeId},
    async_trait,
};
use rand::{Rng, rngs::StdRng, seq::IndexedMutRandom};
use tokio::{net::TcpStream, task::block_in_place};

use crate::{
    checker::{
        What,
        schedule::{NODES, Nobody, Plan, Site, read_log},
        workload::{Dialed, Io},
    },
    engine::{Engine, Kind},
    faulty::{Bug, Faulty},
    node::Settings,
    servers::{Server, free_port},
};

/// As likely together as those of an engine.
const NODE_FAULTS: [&str; 6] =
    ["node killed", "node killed", "node stopped", "node frozen", "node frozen", "node frozen"];

pub(crate) struct Processes {
    plan: Plan,
    kind: Kind,
    bug: Bug,
    ports: Vec<u16>,
    url: String,
    faults: Vec<&'static str>,
    parts: Mutex<Parts>,
    /// How many connections of clients end with a reset.
    pub(crate) resets: Arc<AtomicUsize>,
}

struct Parts {
    // Dropped first.
    nodes: Vec<Server>,
    engine: Box<dyn Engine>,
}

impl Processes {
    /// All of which run. They write their logs to the folder.
    pub(crate) fn start(plan: Plan, kind: Kind, bug: Bug, folder: &Path) -> Self {
        let engine = kind.start();
        let url = engine.url();
        let start = |number: usize| {
            let settings = Settings {
                port: free_port(),
                engine: kind,
                url: url.clone(),
                kept: plan.kept.messages(),
                recover_max: plan.recover_max,
                bug,
                log: folder.join(format!("node-{number}.log")),
            };
            Server::of_this_program(settings.port, settings.to_arguments())
        };
        let nodes: Vec<_> = (0..NODES).map(start).collect();
        let ports = nodes.iter().map(|node| node.port).collect();
        let faults = NODE_FAULTS.iter().chain(engine.faults()).copied().collect();
        let parts = Mutex::new(Parts { nodes, engine });
        Self { plan, kind, bug, ports, url, faults, parts, resets: Arc::default() }
    }

    fn parts<R>(&self, with: impl FnOnce(&mut Parts) -> R) -> R {
        // A process is waited for.
        block_in_place(|| with(&mut self.parts.lock().expect("no panic")))
    }
}

#[async_trait]
impl Site for Processes {
    /// Half of the connections end with a reset when the client lets go of them.
    fn dial(&self, node: usize) -> Dialed {
        let (port, resets) = (self.ports[node], self.resets.clone());
        Box::pin(async move {
            let io = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            if rand::random() {
                io.set_zero_linger().ok()?;
                resets.fetch_add(1, Relaxed);
            }
            Some(Box::new(io) as Box<dyn Io>)
        })
    }

    fn choose(&self, random: &mut StdRng) -> &'static str {
        let is_up = self.parts(|parts| parts.engine.is_up());
        let faults = if is_up { &self.faults } else { &self.faults[..NODE_FAULTS.len()] };
        faults[random.random_range(0..faults.len())]
    }

    async fn break_it(&self, fault: &str, random: &mut StdRng) {
        self.parts(|parts| match (fault, parts.nodes.choose_mut(random)) {
            ("node killed", Some(node)) => node.kill(),
            ("node frozen", Some(node)) => node.freeze(true),
            ("node stopped", Some(node)) => node.stop(),
            _ => parts.engine.break_it(fault, random),
        });
    }

    async fn mend(&self, all: bool, random: &mut StdRng) {
        self.parts(|parts| {
            let mut now = |chance| all || random.random_bool(chance);
            if now(0.5) {
                parts.engine.mend();
            }
            for node in &mut parts.nodes {
                if now(0.3) {
                    node.mend();
                }
            }
        });
    }

    async fn kill(&self, node: usize) {
        self.parts(|parts| parts.nodes[node].kill());
    }

    async fn log(&self, room: &str) -> What {
        let reader = Faulty::new(self.kind.adapter(&self.url).expect("a URL"), self.bug);
        reader.start(NodeId::new(u64::MAX), Arc::new(Nobody));
        while reader.link() != Link::Up {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        read_log(&reader, room, self.plan.kept).await
    }
}
