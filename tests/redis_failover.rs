//! The adapter over Redis with sentinels, and over a Redis Cluster, while masters die and slots move.

#[path = "support/inbox.rs"]
mod inbox;
#[path = "support/servers.rs"]
mod servers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gustnado::{
    adapter::{Adapter, AppendError, Gap, Link, Position, ReadFrom, Redis, Retention, Subject},
    async_trait,
    testing::{self, adapter::Engine},
};
use inbox::Node;
use servers::Server;

const KEPT: Retention = Retention::last(100);

/// Asks again until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let asked = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn append(node: &Node<Redis>, room: &str) -> Result<Position, AppendError> {
    node.history().append(room, Bytes::from_static(b"entry"), None, KEPT).await
}

/// A master, its replica, and a sentinel that makes the one the other.
struct Watched {
    master: Server,
    replica: Server,
    sentinel: Server,
}

impl Watched {
    async fn start() -> Self {
        let master = Server::redis(&["--repl-diskless-sync-delay", "0"]);
        let replica = Server::redis(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        let sentinel = Server::sentinel(master.port);
        let synced = || replica.cli(&["info", "replication"]).contains("master_link_status:up");
        until("the replica is in step", synced).await;
        let knows = || sentinel.cli(&["sentinel", "replicas", "main"]).contains(&replica.port.to_string());
        until("the sentinel knows the replica", knows).await;
        Self { master, replica, sentinel }
    }

    fn redis(&self) -> Redis {
        let url = format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{}/main", self.sentinel.port);
        Redis::new(&url).expect("a URL")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_follows_its_sentinels_to_the_new_master() {
    let mut watched = Watched::start().await;
    let (one, two) = (Node::up(watched.redis()).await, Node::up(watched.redis()).await);
    one.listen("r").await;
    two.publish("r", "before");
    assert_eq!(one.inbox.next().await, "before");
    let before = append(&one, "r").await.expect("the master is there");
    watched.master.kill();
    one.is(Link::Down).await;
    two.is(Link::Down).await;
    one.is(Link::Up).await;
    two.is(Link::Up).await;
    assert!(watched.replica.cli(&["role"]).starts_with("master"));
    one.inbox.until("interrupted", |told| told.interruptions > 0).await;
    two.publish("r", "after");
    assert_eq!(one.inbox.next().await, "after");
    let slice = one.history().read("r", before.into(), 100, KEPT).await.expect("the master is there");
    assert_eq!(slice.entries, Err(Gap::Epoch), "replicas may not have had everything");
    assert_eq!(append(&one, "r").await.expect("the master is there"), Position { offset: 1, ..slice.top });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_leaves_a_master_that_has_become_a_replica() {
    let watched = Watched::start().await;
    let node = Node::up(watched.redis()).await;
    node.listen("r").await;
    // Nothing dies: both go on to answer.
    until("a failover begins", || watched.sentinel.cli(&["sentinel", "failover", "main"]) == "OK").await;
    until("the old master is a replica", || watched.master.cli(&["role"]).starts_with("slave")).await;
    node.inbox.until("interrupted", |told| told.interruptions > 0).await;
    node.is(Link::Up).await;
    assert!(watched.replica.cli(&["pubsub", "channels"]).contains("{room.r}"), "subscribed at the new one");
    node.publish("r", "after");
    assert_eq!(node.inbox.next().await, "after");
}

/// Three masters, each with a replica.
struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    async fn start() -> Self {
        let lines =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"];
        let nodes: Vec<_> = (0..6).map(|_| Server::redis(&lines)).collect();
        let mut arguments = vec!["--cluster".to_owned(), "create".into()];
        arguments.extend(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)));
        arguments.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let made = nodes[0].cli(&arguments);
        let cluster = Self { nodes };
        let is_well = |node: &Server| {
            let slots = node.cli(&["cluster", "slots"]);
            // Each range names its master and its replica.
            let places = cluster.nodes.iter().filter(|other| slots.contains(&other.port.to_string())).count();
            node.cli(&["cluster", "info"]).contains("cluster_state:ok") && places == 6
        };
        until(&made, || cluster.nodes.iter().all(is_well)).await;
        cluster
    }

    fn redis(&self) -> Redis {
        let url = format!("redis+cluster://127.0.0.1:1,127.0.0.1:{}", self.nodes[0].port);
        Redis::new(&url).expect("a URL").max_packet_size(1024 * 1024)
    }

    fn slot(&self, room: &str) -> String {
        self.nodes[0].cli(&["cluster", "keyslot", &format!("gustnado:{{room.{room}}}")])
    }

    /// The master that holds a room's slot.
    fn holder(&self, room: &str) -> usize {
        let channel = format!("gustnado:{{room.{room}}}");
        let holds = |node: &Server| {
            node.cli(&["role"]).starts_with("master") && !node.cli(&["exists", &channel]).contains("MOVED")
        };
        self.nodes.iter().position(holds).expect("a master for every slot")
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["cluster", "myid"])
    }
}

struct Shards(Cluster);

#[async_trait]
impl Engine for Shards {
    fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(self.0.redis())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_holds_what_every_engine_does() {
    let cluster = Cluster::start().await;
    let node = Node::up(cluster.redis()).await;
    testing::history::all(node.history()).await;
    testing::adapter::all(&Shards(cluster)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_is_followed_and_the_interruption_told() {
    let cluster = Cluster::start().await;
    let (one, two) = (Node::up(cluster.redis()).await, Node::up(cluster.redis()).await);
    for room in ["r", "s", "t", "u", "v"] {
        one.listen(room).await;
    }
    let before = append(&one, "r").await.expect("its master is there");
    let (slot, from) = (cluster.slot("r"), cluster.holder("r"));
    let to = (0..6).find(|node| *node != from && cluster.nodes[*node].cli(&["role"]).starts_with("master"));
    let to = to.expect("three masters");
    let (from_id, to_id) = (cluster.id(from), cluster.id(to));
    cluster.nodes[to].cli(&["cluster", "setslot", &slot, "importing", &from_id]);
    cluster.nodes[from].cli(&["cluster", "setslot", &slot, "migrating", &to_id]);
    let keys = cluster.nodes[from].cli(&["cluster", "getkeysinslot", &slot, "100"]);
    for key in keys.lines() {
        let port = cluster.nodes[to].port.to_string();
        assert_eq!(cluster.nodes[from].cli(&["migrate", "127.0.0.1", &port, key, "0", "1000"]), "OK");
    }
    cluster.nodes[to].cli(&["cluster", "setslot", &slot, "node", &to_id]);
    for node in &cluster.nodes {
        node.cli(&["cluster", "setslot", &slot, "node", &to_id]);
    }
    let moved = Instant::now();
    one.inbox.until("interrupted", |told| told.interruptions > 0).await;
    println!("a moved slot was followed after {:?}", moved.elapsed());
    one.is(Link::Up).await;
    assert!(cluster.nodes[to].cli(&["pubsub", "shardchannels"]).contains("{room.r}"));
    // The other node may not have looked yet: it counts what was refused.
    until("the publisher follows, too", || {
        two.publish("r", "after");
        one.inbox.read(|told| !told.packets.is_empty())
    })
    .await;
    let after = append(&one, "r").await.expect("its master is there");
    assert!(after.epoch != before.epoch && after.offset == 1, "another process holds the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cluster_refuses_for_a_moment_is_not_accepted_and_later_it_is() {
    // Valkey, since Redis 7.0 says ASK instead of TRYAGAIN.
    let [here, there] = [0, 1].map(|_| Server::valkey(&["--cluster-enabled", "yes"]));
    here.cli(&["cluster", "addslotsrange", "0", "16383"]);
    here.cli(&["cluster", "meet", "127.0.0.1", &there.port.to_string()]);
    let is_well = |server: &Server| {
        let info = server.cli(&["cluster", "info"]);
        ["cluster_state:ok", "cluster_known_nodes:2"].iter().all(|line| info.contains(line))
    };
    until("two that know each other", || is_well(&here) && is_well(&there)).await;
    let url = format!("redis+cluster://127.0.0.1:{}", here.port);
    let node = Node::up(Redis::new(&url).expect("a URL")).await;
    let refused = async |code: &str| {
        let outcome = append(&node, "r").await;
        assert!(matches!(&outcome, Err(AppendError::Rejected(why)) if why.contains(code)), "{outcome:?}");
    };
    let first = append(&node, "r").await.expect("its master is there");

    // A slot that nobody holds: then the whole cluster is down.
    let other = here.cli(&["cluster", "keyslot", "gustnado:{room.s}"]);
    here.cli(&["cluster", "delslots", &other]);
    refused("CLUSTERDOWN").await;
    here.cli(&["cluster", "addslots", &other]);
    until("it is whole again", || is_well(&here)).await;
    assert_eq!(append(&node, "r").await, Ok(Position { offset: 2, ..first }));

    // One key of the log has moved, and the other has not.
    let channel = "gustnado:{room.r}";
    let slot = here.cli(&["cluster", "keyslot", channel]);
    let (from, to) = (here.cli(&["cluster", "myid"]), there.cli(&["cluster", "myid"]));
    there.cli(&["cluster", "setslot", &slot, "importing", &from]);
    here.cli(&["cluster", "setslot", &slot, "migrating", &to]);
    let migrate = |key: &str| {
        let port = there.port.to_string();
        assert_eq!(
            here.cli(&["migrate", "127.0.0.1", &port, &format!("{channel}:{key}"), "0", "1000"]),
            "OK"
        );
    };
    migrate("log");
    refused("TRYAGAIN").await;
    migrate("meta");
    refused("ASK").await;
    there.cli(&["cluster", "setslot", &slot, "node", &to]);
    here.cli(&["cluster", "setslot", &slot, "node", &to]);
    until("it is whole again", || is_well(&there)).await;
    let followed = async {
        loop {
            if let Ok(position) = append(&node, "r").await {
                return position;
            }
        }
    };
    let position = tokio::time::timeout(Duration::from_secs(30), followed).await.expect("it is there now");
    assert!(position.epoch != first.epoch && position.offset == 1, "another process holds the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_a_dead_master_is_degraded_and_whole_again_with_its_replica() {
    let mut cluster = Cluster::start().await;
    let node = Node::up(cluster.redis()).await;
    let rooms: Vec<_> = (0..60).map(|room| format!("room{room}")).collect();
    for room in &rooms {
        node.listen(room).await;
    }
    let dead = cluster.holder(&rooms[0]);
    cluster.nodes[dead].kill();
    node.is(Link::Degraded).await;
    let outcomes: Vec<_> = rooms
        .iter()
        .map(|room| node.adapter.publish(&Subject::room(room), Bytes::from_static(b"meanwhile")).is_ok())
        .collect();
    assert!(!outcomes[0] && outcomes.contains(&true), "the other masters go on: {outcomes:?}");
    assert!(matches!(append(&node, &rooms[0]).await, Err(AppendError::Rejected(_))));
    node.is(Link::Up).await;
    node.inbox.until("interrupted", |told| told.interruptions > 0).await;
    for room in &rooms {
        node.publish(room, "after");
    }
    let came = |told: &inbox::Told| told.packets.iter().filter(|(_, packet)| packet == "after").count();
    node.inbox.until("every packet", |told| came(told) == rooms.len()).await;
    append(&node, &rooms[0]).await.expect("the replica is a master");
    assert_eq!(node.history().tops(&[&rooms[0], "none"]).await.expect("all are there")[1], None);
    assert!(node.history().read(&rooms[1], ReadFrom::Last(1), 1, KEPT).await.is_ok());
}
