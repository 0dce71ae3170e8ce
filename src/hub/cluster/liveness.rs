//! Being heard of by other nodes, and hearing of them.

use std::sync::{Weak, atomic::Ordering::Relaxed};

use tokio::time::Instant;

use crate::{
    adapter::{Link, NodeId, Subject},
    hub::{Hub, Inner, taps::What},
};

use super::{
    Cluster, PUBLISH_TIMEOUT,
    nodes::TICK,
    packet::{Beat, Packet},
};

/// The task of a hub with an adapter: it ends with the hub, or when that leaves the others.
pub(super) async fn run(hub: Weak<Inner>) {
    loop {
        tokio::time::sleep(TICK).await;
        let Some(hub) = hub.upgrade().map(Hub) else { return };
        let Some(cluster) = hub.0.cluster.as_ref().filter(|cluster| !cluster.stopped.load(Relaxed)) else {
            return;
        };
        cluster.tick(&hub);
    }
}

impl Cluster {
    fn tick(&self, hub: &Hub) {
        let link_works = self.adapter.link() == Link::Up;
        let due = self.nodes.lock().tick(Instant::now(), link_works);
        for node in due.gone {
            self.gone(hub, node);
        }
        if due.thawed {
            tracing::warn!("this process was stopped for a while");
            self.say_hello(hub);
        } else if due.beat {
            self.beat(&Subject::Everybody, false);
            self.ask_again(&Subject::Everybody);
            hub.compare_some();
        }
    }

    /// Other nodes that were heard of within the last seconds.
    pub(in crate::hub) fn nodes(&self) -> Vec<NodeId> {
        self.nodes.lock().list()
    }

    /// Tells everybody that this node is there, and may have missed something, or they something of it.
    pub(in crate::hub) fn say_hello(&self, hub: &Hub) {
        self.beat(&Subject::Everybody, true);
        self.ask_again(&Subject::Everybody);
        hub.compare_all(&Subject::Everybody);
    }

    fn beat(&self, subject: &Subject, hello: bool) {
        if hello || !self.quiet {
            self.tell(subject, &Packet::Beat(Beat { hello, quiet: self.quiet }));
        }
    }

    /// Another node is there.
    pub(super) fn heard(&self, hub: &Hub, node: NodeId, beat: &Beat) {
        let new = !beat.quiet && self.nodes.lock().heard(node, Instant::now());
        if new {
            tracing::info!(%node, "a node has come");
            hub.happened(None, || Some(What::NodeCame(node)));
        }
        if new || beat.hello {
            let node = Subject::Node(node);
            self.beat(&node, false);
            self.ask_again(&node);
            hub.compare_all(&node);
        }
    }

    pub(super) fn said_goodbye(&self, hub: &Hub, node: NodeId) {
        if self.nodes.lock().left(node) {
            tracing::info!(%node, "a node has left");
            hub.happened(None, || Some(What::NodeGone(node)));
            hub.node_left(node);
        }
    }

    /// A node was not heard of.
    fn gone(&self, hub: &Hub, node: NodeId) {
        tracing::warn!(%node, "a node is gone");
        hub.happened(None, || Some(What::NodeGone(node)));
        hub.forget_node(node);
    }

    /// Says goodbye, and lets go of the engine.
    pub(in crate::hub) async fn leave(&self) {
        if self.stopped.swap(true, Relaxed) {
            return;
        }
        if !self.quiet {
            self.tell(&Subject::Everybody, &Packet::Bye);
        }
        let _ = tokio::time::timeout(PUBLISH_TIMEOUT, self.adapter.stop()).await;
    }
}

impl Hub {
    /// The other nodes that were heard of within the last seconds; none without an
    /// [adapter](crate::HubBuilder::adapter). One that stops says so; one that dies is missed within ten seconds.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.0.cluster.as_ref().map(Cluster::nodes).unwrap_or_default()
    }
}
