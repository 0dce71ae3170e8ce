//! The adapter over a Redis that the test starts, freezes, kills and flushes.

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
    Conn, Connector, Disconnect, Handler, Hub,
    adapter::{
        Adapter, AppendError, Gap, Link, NotHandedOver, Position, ReadFrom, Redis, Retention, Slice, Subject,
        Unavailable,
    },
    async_trait,
    testing::{self, Client, Frame, adapter::Engine},
};
use inbox::Node;
use parking_lot::Mutex;
use servers::Server;

/// One server, for the contract.
struct One {
    server: Mutex<Server>,
    url: String,
}

impl One {
    fn new() -> Self {
        Self::of(Server::redis(&[]))
    }

    fn of(server: Server) -> Self {
        Self { url: server.url(), server: Mutex::new(server) }
    }
}

#[async_trait]
impl Engine for One {
    fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(Redis::new(&self.url).expect("a URL").max_packet_size(1024 * 1024))
    }

    async fn cut(&self) {
        self.server.lock().kill();
    }

    async fn mend(&self) {
        self.server.lock().start();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does() {
    testing::adapter::all(&One::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does_when_its_server_is_killed() {
    testing::adapter::all_with_cuts(&One::new()).await;
}

/// The same, with a server that is silent instead of gone.
struct Frozen(One);

#[async_trait]
impl Engine for Frozen {
    fn adapter(&self) -> Arc<dyn Adapter> {
        self.0.adapter()
    }

    async fn cut(&self) {
        self.0.server.lock().freeze(true);
    }

    async fn mend(&self) {
        self.0.server.lock().freeze(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does_when_its_server_freezes() {
    testing::adapter::all_with_cuts(&Frozen(One::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_logs_hold_what_every_engine_s_do() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    testing::history::all(node.history()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn valkey_does_the_same() {
    let valkey = One::of(Server::valkey(&[]));
    testing::adapter::all(&valkey).await;
    testing::adapter::all_with_cuts(&valkey).await;
    let node = Node::up(Redis::new(&valkey.url).expect("a URL")).await;
    testing::history::all(node.history()).await;
    let before = append(&node, "r", "entry").await.expect("the server is there");
    valkey.cut().await;
    node.is(Link::Down).await;
    valkey.mend().await;
    node.is(Link::Up).await;
    assert_ne!(append(&node, "r", "entry").await.expect("the server is there").epoch, before.epoch);
}

fn redis(server: &Server) -> Redis {
    Redis::new(&server.url()).expect("a URL")
}

const KEPT: Retention = Retention::last(100).within(Duration::from_secs(600));

async fn append(node: &Node<Redis>, room: &str, text: &str) -> Result<Position, AppendError> {
    node.history().append(room, Bytes::copy_from_slice(text.as_bytes()), None, KEPT).await
}

/// Appends `accepted`, once the server takes it.
async fn accepted(node: &Node<Redis>, room: &str) -> Position {
    let accepted = async {
        loop {
            match append(node, room, "accepted").await {
                Ok(position) => return position,
                Err(AppendError::Rejected(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), accepted).await.expect("the server takes it")
}

async fn read(node: &Node<Redis>, room: &str, from: ReadFrom) -> Slice {
    node.history().read(room, from, 1_000, KEPT).await.expect("the server is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_two_connections_whatever_it_does() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    for room in 0..50 {
        node.listen(&room.to_string()).await;
        node.publish(&room.to_string(), "hello");
        append(&node, &room.to_string(), "entry").await.expect("the server is there");
    }
    let clients = server.cli(&["client", "list"]);
    // And redis-cli itself.
    assert_eq!(clients.lines().count(), 3, "{clients}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rooms_are_back_two_seconds_after_their_server() {
    let mut server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    for room in 0..10_000 {
        node.adapter.set_interest(&Subject::room(&room.to_string()), true);
    }
    for room in 0..10_000 {
        node.adapter.confirmed(&Subject::room(&room.to_string())).await.expect("the server is there");
    }
    for frozen in [true, false] {
        if frozen {
            server.freeze(true);
        } else {
            server.kill();
        }
        node.is(Link::Down).await;
        let before = node.inbox.read(|told| told.interruptions);
        if frozen {
            server.freeze(false);
        } else {
            server.start();
        }
        let returned = Instant::now();
        node.inbox.until("interrupted", |told| told.interruptions > before).await;
        let took = returned.elapsed();
        println!("10,000 rooms were back after {took:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(server.cli(&["pubsub", "channels"]).lines().count(), 10_000);
        node.is(Link::Up).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_noticed_within_a_second_and_its_queue_stays_bounded() {
    let mut server = Server::redis(&[]);
    let node = Node::up(redis(&server).queue_limits(64 * 1024, 100)).await;
    server.freeze(true);
    let frozen = Instant::now();
    let mut full = 0;
    let noticed = loop {
        match node.adapter.publish(&Subject::room("r"), Bytes::from_static(&[0; 1024])) {
            Err(NotHandedOver::Full) => full += 1,
            Err(NotHandedOver::Down) => break frozen.elapsed(),
            _ => {}
        }
        assert!(node.adapter.traffic().queued_bytes <= 64 * 1024);
        tokio::task::yield_now().await;
    };
    println!("noticed after {noticed:?}");
    // A second, and what a busy machine adds.
    assert!(noticed < Duration::from_millis(1_300), "{noticed:?}");
    assert!(full > 0);
    let traffic = node.adapter.traffic();
    assert_eq!((traffic.lost, traffic.queued_bytes), (traffic.published, 0));
    assert_eq!(append(&node, "r", "x").await, Err(AppendError::Rejected("the server is away".into())));
    server.freeze(false);
    node.is(Link::Up).await;
    append(&node, "r", "x").await.expect("the server is back");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_a_freeze_cuts_off_is_unknown_and_its_key_tells() {
    let mut server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    append(&node, "r", "first").await.expect("the server is there");
    server.freeze(true);
    let entry = Bytes::from_static(b"second");
    let outcome = node.history().append("r", entry.clone(), Some("key"), KEPT).await;
    assert_eq!(outcome, Err(AppendError::Unknown));
    server.freeze(false);
    let repeated = async {
        loop {
            if let Ok(position) = node.history().append("r", entry.clone(), Some("key"), KEPT).await {
                return position;
            }
        }
    };
    let position = tokio::time::timeout(Duration::from_secs(5), repeated).await.expect("the server is back");
    assert_eq!(read(&node, "r", ReadFrom::Last(9)).await.top, position);
    assert_eq!(position.offset, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_alone_are_made_again_when_redis_cuts_them() {
    let server = Server::redis(&["--client-output-buffer-limit", "pubsub 200kb 0 0"]);
    let node = Node::up(redis(&server)).await;
    node.listen("r").await;
    // More than the server keeps for a subscriber: it closes the connection.
    node.publish("r", &"x".repeat(1024 * 1024));
    node.inbox.until("interrupted", |told| told.interruptions == 1).await;
    let cut = [Link::Up, Link::Degraded, Link::Up];
    assert!(node.inbox.read(|told| told.links.ends_with(&cut)));
    node.publish("r", "after");
    assert_eq!(node.inbox.next().await, "after");
    let traffic = node.adapter.traffic();
    assert_eq!((traffic.lost, traffic.refused), (0, 0), "publishing went on");
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_alone_go_on_over_a_new_connection_when_the_old_one_ends() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    node.listen("r").await;
    server.cli(&["client", "kill", "type", "normal"]);
    node.is(Link::Down).await;
    node.is(Link::Up).await;
    node.publish("r", "after");
    assert_eq!(node.inbox.next().await, "after");
    assert_eq!(node.inbox.read(|told| told.interruptions), 0, "no subscription was away");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_loaded_again_after_a_flush_of_scripts() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    for offset in 1..5 {
        assert_eq!(append(&node, "r", "entry").await.expect("the server is there").offset, offset);
        server.cli(&["script", "flush"]);
        assert_eq!(read(&node, "r", ReadFrom::Last(0)).await.top.offset, offset);
        server.cli(&["script", "flush"]);
        assert_eq!(node.history().tops(&["r", "r"]).await.expect("the server is there").len(), 2);
        server.cli(&["script", "flush"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_refuses_is_rejected_and_no_subscriber_sees_it() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    node.listen("r").await;
    let cases = [
        (
            "NOREPLICAS",
            ["config", "set", "min-replicas-to-write", "1"],
            ["config", "set", "min-replicas-to-write", "0"],
        ),
        ("OOM", ["config", "set", "maxmemory", "1"], ["config", "set", "maxmemory", "0"]),
    ];
    for (code, break_it, mend_it) in cases {
        server.cli(&break_it);
        let Err(AppendError::Rejected(why)) = append(&node, "r", "refused").await else {
            panic!("{code} was not noticed")
        };
        assert!(why.contains(code), "{why}");
        server.cli(&mend_it);
    }
    // A replica, for as long as an append waits: READONLY.
    server.cli(&["replicaof", "127.0.0.1", "1"]);
    let Err(AppendError::Rejected(why)) = append(&node, "r", "refused").await else {
        panic!("a replica took it")
    };
    assert!(why.contains("READONLY"), "{why}");
    server.cli(&["config", "set", "replica-serve-stale-data", "no"]);
    let Err(AppendError::Rejected(why)) = append(&node, "r", "refused").await else {
        panic!("a replica without a master took it")
    };
    // Which it says to pings, too.
    assert!(why.contains("MASTERDOWN") || why == "the server is away", "{why}");
    let told = node.history().read("r", ReadFrom::Last(1), 1, KEPT).await;
    assert_eq!(told, Err(Unavailable));
    server.cli(&["replicaof", "no", "one"]);
    let position = accepted(&node, "r").await;
    assert_eq!(position.offset, 1);
    node.inbox.until("an entry", |told| !told.entries.is_empty()).await;
    node.inbox
        .read(|told| assert_eq!(told.entries, [("r".into(), position, Bytes::from_static(b"accepted"))]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_waits_for_a_server_that_is_a_replica_for_a_moment() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    server.cli(&["replicaof", "127.0.0.1", "1"]);
    let (appended, _) = tokio::join!(append(&node, "r", "entry"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.cli(&["replicaof", "no", "one"]);
    });
    assert_eq!(appended.expect("it is a master again in time").offset, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_begins_anew_after_a_restart_a_restore_and_a_flush() {
    let mut server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    for text in ["1", "2", "3"] {
        append(&node, "r", text).await.expect("the server is there");
    }
    server.cli(&["save"]);
    // Given out, and not in the snapshot.
    let lost = append(&node, "r", "4").await.expect("the server is there");
    server.kill();
    node.is(Link::Down).await;
    server.start();
    node.is(Link::Up).await;
    assert_eq!(server.cli(&["xlen", "gustnado:{room.r}:log"]), "3", "the snapshot is there");
    let told = node.history().tops(&["r"]).await.expect("the server is there");
    let anew = told[0].expect("a log");
    assert_ne!(anew.epoch, lost.epoch);
    assert_eq!(anew.offset, 0);
    let slice = read(&node, "r", ReadFrom::After(lost)).await;
    assert_eq!((slice.top, slice.entries), (anew, Err(Gap::Epoch)));
    let next = append(&node, "r", "other").await.expect("the server is there");
    assert_eq!(next, Position { offset: 1, ..anew });
    server.cli(&["flushall"]);
    let flushed = append(&node, "r", "again").await.expect("the server is there");
    assert!(flushed.epoch != next.epoch && flushed.offset == 1);
    // Only the meta is gone: the stream's entries are of another life.
    server.cli(&["del", "gustnado:{room.r}:meta"]);
    let alone = append(&node, "r", "alone").await.expect("the server is there");
    assert!(alone.epoch != flushed.epoch && alone.offset == 1);
    assert_eq!(server.cli(&["xlen", "gustnado:{room.r}:log"]), "1");
    // The meta is older than the stream.
    server.cli(&["hset", "gustnado:{room.r}:meta", "top", "0"]);
    assert_ne!(append(&node, "r", "anew").await.expect("the server is there").epoch, alone.epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_before_the_first_entry_is_of_one_life_too() {
    let mut server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    let waiting = read(&node, "r", ReadFrom::Last(0)).await.top;
    server.cli(&["save"]);
    let first = append(&node, "r", "first").await.expect("the server is there");
    assert_eq!(first, Position { offset: 1, ..waiting }, "who waits in an empty room has lost nothing");
    server.kill();
    node.is(Link::Down).await;
    server.start();
    node.is(Link::Up).await;
    let known = server.cli(&["hget", "gustnado:{room.r}:meta", "top"]);
    assert_eq!(known, "0", "the snapshot knows the epoch, and not that offset 1 was given out");
    let other = append(&node, "r", "other").await.expect("the server is there");
    assert!(other.epoch != first.epoch && other.offset == 1);
    assert_eq!(read(&node, "r", first.into()).await.entries, Err(Gap::Epoch));
    assert_eq!(read(&node, "r", waiting.into()).await.entries, Err(Gap::Epoch));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_takes_nothing_until_its_server_has_loaded() {
    // A tenth of a millisecond for each of 20,000 keys.
    let mut server = Server::redis(&[
        "--key-load-delay",
        "100",
        "--loading-process-events-interval-bytes",
        "1024",
        "--enable-debug-command",
        "local",
    ]);
    let node = Node::up(redis(&server)).await;
    node.listen("r").await;
    server.cli(&["debug", "populate", "20000"]);
    assert_eq!(server.cli(&["save"]), "OK");
    server.kill();
    node.is(Link::Down).await;
    server.start();
    assert!(server.cli(&["get", "key:0"]).starts_with("LOADING"), "it takes long enough");
    let Err(AppendError::Rejected(why)) = append(&node, "r", "refused").await else {
        panic!("a loading server took it")
    };
    assert!(why.contains("LOADING") || why == "the server is away", "{why}");
    let position = accepted(&node, "r").await;
    assert_eq!(position.offset, 1);
    node.inbox.until("the entry", |told| !told.entries.is_empty()).await;
    assert_eq!(node.inbox.read(|told| told.entries.len()), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_engine_keeps_the_epoch_through_a_restart() {
    let mut server = Server::redis(&[]);
    let node = Node::up(redis(&server).trust_engine(true)).await;
    let first = append(&node, "r", "1").await.expect("the server is there");
    server.cli(&["save"]);
    server.kill();
    node.is(Link::Down).await;
    server.start();
    node.is(Link::Up).await;
    assert_eq!(append(&node, "r", "2").await, Ok(Position { offset: 2, ..first }));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_expires_and_old_entries_are_trimmed() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    let short = Retention::last(100).within(Duration::from_millis(300));
    let entry = || Bytes::from_static(b"entry");
    let first = node.history().append("r", entry(), Some("key"), short).await.expect("the server is there");
    node.history().read("only read", ReadFrom::Last(1), 1, short).await.expect("the server is there");
    let keys = server.cli(&["keys", "*"]);
    assert_eq!(keys.lines().count(), 4, "{keys}");
    for key in keys.lines() {
        let left: i64 = server.cli(&["pttl", key]).parse().expect("a number");
        assert!(left > 0, "{key} stays for ever");
    }
    let since = ReadFrom::After(Position { offset: 0, ..first });
    let expired = async {
        while node.history().read("r", since, 9, short).await.expect("the server is there").entries.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), expired).await.expect("the entry expires");
    let slice = node.history().read("r", since, 9, short).await.expect("the server is there");
    assert_eq!((slice.top, slice.entries), (first, Err(Gap::Trimmed)), "the position outlives the entry");
    let next = node.history().append("r", entry(), None, short).await.expect("the server is there");
    assert_eq!(next, Position { offset: 2, ..first });
    assert_eq!(server.cli(&["xlen", "gustnado:{room.r}:log"]), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_with_a_wrong_password_stays_down() {
    let server =
        Server::redis(&["--user", "ann", "on", ">p@ss", "~*", "&*", "+@all", "--user", "default", "off"]);
    let url = |password: &str| format!("redis://ann:{password}@127.0.0.1:{}", server.port);
    let node = Node::up(Redis::new(&url("p%40ss")).expect("a URL")).await;
    node.listen("r").await;
    node.publish("r", "hello");
    assert_eq!(node.inbox.next().await, "hello");
    append(&node, "r", "entry").await.expect("the server is there");
    let stranger = Node::start(Redis::new(&url("secret")).expect("a URL"));
    assert_eq!(stranger.adapter.confirmed(&Subject::room("r")).await, Err(Unavailable));
    assert_eq!(stranger.adapter.link(), Link::Down);
    assert!(!format!("{:?}", stranger.adapter).contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_keep_clusters_of_nodes_apart() {
    let server = Server::redis(&[]);
    let ours = Node::up(redis(&server).key_prefix("ours")).await;
    let theirs = Node::up(redis(&server).key_prefix("th{ei}rs")).await;
    for node in [&ours, &theirs] {
        node.listen("r").await;
    }
    ours.publish("r", "ours");
    theirs.publish("r", "theirs");
    assert_eq!(theirs.inbox.next().await, "theirs");
    assert_eq!(ours.inbox.next().await, "ours");
    assert_eq!(server.cli(&["pubsub", "channels"]).lines().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_to_servers_that_the_authority_vouches_for() {
    let tls = servers::certificates();
    let port = servers::free_port();
    let file = |name: &str| tls.join(name).display().to_string();
    let (cert, key, ca) = (file("cert.pem"), file("key.pem"), file("ca.pem"));
    let port = port.to_string();
    let _server = Server::redis(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{port}");
    let authority = std::fs::read(&ca).expect("the authority");
    let node = Node::up(Redis::new(&url).expect("a URL").authority(authority)).await;
    node.listen("r").await;
    node.publish("r", "hello");
    assert_eq!(node.inbox.next().await, "hello");
    let stranger = Node::start(Redis::new(&url).expect("a URL"));
    assert_eq!(stranger.adapter.confirmed(&Subject::room("r")).await, Err(Unavailable));
    assert_eq!(stranger.adapter.link(), Link::Down, "nobody vouches for it");
}

/// Is told everything of `news` from its end on.
struct Reader;

#[async_trait]
impl Connector for Reader {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.join_from("news", ReadFrom::Last(0)).await?;
        conn.send("ready").await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_misses_nothing_while_its_node_is_cut_off_again_and_again() {
    let server = Server::redis(&[]);
    let hub = || Hub::builder().adapter(redis(&server)).history("news", Retention::last(1_000)).build();
    let (one, two) = (hub(), hub());
    for hub in [&one, &two] {
        while hub.stats().cluster.expect("an adapter").link != Link::Up {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let mut client = Client::connect(&Handler::new(|| Reader).hub(&one)).await;
    assert_eq!(next(&mut client).await, Frame::text("ready"));
    for number in 0..200 {
        if number % 40 == 20 {
            server.cli(&["client", "kill", "type", "pubsub"]);
        }
        two.room("news").publish(number.to_string()).await.expect("the server is there");
    }
    for number in 0..200 {
        assert_eq!(next(&mut client).await, Frame::text(&number.to_string()));
    }
}

async fn next(client: &mut Client) -> Frame {
    tokio::time::timeout(Duration::from_secs(20), client.next()).await.expect("a frame in time")
}
