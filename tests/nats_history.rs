//! The logs of the adapter over NATS, on a server with JetStream that the test starts, freezes, kills and robs of its
//! store.

#[path = "support/inbox.rs"]
mod inbox;
#[path = "support/servers.rs"]
mod servers;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gustnado::{
    Conn, Connector, Disconnect, Handler, Hub, Lost, Message, PublishError,
    adapter::{Adapter, AppendError, Gap, Link, Nats, Position, ReadFrom, Retention, Slice, Unavailable},
    async_trait,
    testing::{self, Client, Frame},
};
use inbox::Node;
use servers::Server;
use tokio::{task::JoinSet, time::timeout};

const KEPT: Retention = Retention::last(100).within(Duration::from_secs(600));

fn with_logs() -> Server {
    Server::nats(&["--jetstream", "--store_dir", "store"])
}

fn nats(server: &Server) -> Nats {
    Nats::new(&format!("nats://127.0.0.1:{}", server.port)).expect("a URL")
}

async fn append(node: &Node<Nats>, room: &str, text: &str) -> Result<Position, AppendError> {
    append_with_key(node, room, text, None).await
}

async fn append_with_key(
    node: &Node<Nats>,
    room: &str,
    text: &str,
    key: Option<&str>,
) -> Result<Position, AppendError> {
    node.history().append(room, Bytes::copy_from_slice(text.as_bytes()), key, KEPT).await
}

async fn read(node: &Node<Nats>, room: &str, from: impl Into<ReadFrom>) -> Slice {
    node.history().read(room, from.into(), 1_000, KEPT).await.expect("the server is there")
}

fn texts(slice: &Slice) -> Vec<(u64, &str)> {
    let entries = slice.entries.as_ref().expect("entries").iter();
    entries.map(|(offset, entry)| (*offset, std::str::from_utf8(entry).expect("text"))).collect()
}

/// Kills the server, and starts it again when `meanwhile` is done with its store.
async fn restart(server: &mut Server, nodes: &[&Node<Nats>], meanwhile: impl FnOnce(PathBuf)) {
    server.kill();
    for node in nodes {
        node.is(Link::Down).await;
    }
    meanwhile(server.folder.join("store"));
    server.start();
    for node in nodes {
        node.is(Link::Up).await;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder of the test");
    for entry in fs::read_dir(from).expect("a folder of the test") {
        let path = entry.expect("an entry").path();
        let copied = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).expect("a file of the test");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_logs_hold_what_every_engine_s_do() {
    let server = with_logs();
    let node = Node::up(nats(&server)).await;
    testing::history::all(node.history()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_jetstream_keeps_no_logs_and_says_so() {
    let server = Server::nats(&[]);
    let node = Node::up(nats(&server)).await;
    assert!(node.adapter.history().is_none());
    let hub = hub(&server).await;
    let published = hub.room("news").publish("hello").await;
    assert_eq!(published, Err(PublishError::Rejected("the adapter keeps no logs".into())));
    let mut client = Client::connect(&Handler::new(|| Reader).hub(&hub)).await;
    assert_eq!(next(&mut client).await, Frame::text(&format!("{:?}", Err::<(), _>(Lost::Unavailable))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_comes_to_the_nodes_that_are_interested_with_its_position() {
    let server = with_logs();
    let (one, two) = (Node::up(nats(&server)).await, Node::up(nats(&server)).await);
    one.listen("a.b").await;
    let mut sent = Vec::new();
    for text in ["1", "2", "3"] {
        let position = append(&two, "a.b", text).await.expect("the server is there");
        append(&two, "other", text).await.expect("the server is there");
        sent.push(("a.b".to_owned(), position, Bytes::from(text)));
    }
    // The first again: nobody gets it twice.
    let again = append_with_key(&two, "a.b", "4", Some("key")).await.expect("the server is there");
    assert_eq!(append_with_key(&two, "a.b", "4", Some("key")).await, Ok(again));
    sent.push(("a.b".to_owned(), again, Bytes::from("4")));
    two.publish("a.b", "a packet");
    assert_eq!(one.inbox.next().await, "a packet");
    one.inbox.until("entries", |told| told.entries.len() >= sent.len()).await;
    one.inbox.read(|told| assert_eq!(told.entries, sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_there_when_a_killed_server_is_back() {
    let mut server = with_logs();
    let node = Arc::new(Node::up(nats(&server)).await);
    let first = append_with_key(&node, "r", "first", Some("key")).await.expect("the server is there");
    let mut writers = JoinSet::new();
    for writer in 0..8 {
        let node = node.clone();
        writers.spawn(async move {
            let mut accepted = Vec::new();
            loop {
                let text = format!("{writer} {}", accepted.len());
                match append(&node, "busy", &text).await {
                    Ok(position) => accepted.push((position, text)),
                    Err(_) => return accepted,
                }
            }
        });
    }
    while read(&node, "busy", ReadFrom::Last(0)).await.top.offset < 500 {}
    restart(&mut server, &[&node], |_| ()).await;
    let accepted: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    let slice = read(&node, "busy", ReadFrom::Last(100)).await;
    assert!(accepted.iter().all(|(position, _)| position.epoch == slice.top.epoch));
    let last = accepted.iter().map(|(position, _)| position.offset).max().expect("some");
    assert!(slice.top.offset >= last, "{:?} after {last}", slice.top);
    let found = texts(&slice);
    for (position, text) in accepted.iter().filter(|(position, _)| position.offset > slice.top.offset - 100) {
        assert!(found.contains(&(position.offset, text)), "{position:?}");
    }
    assert_eq!(append_with_key(&node, "r", "first", Some("key")).await, Ok(first), "its key is known");
    assert_eq!(append(&node, "r", "second").await, Ok(Position { offset: 2, ..first }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_store_is_gone_begins_anew() {
    let mut server = with_logs();
    let (one, two) = (Node::up(nats(&server)).await, Node::up(nats(&server)).await);
    let before = append(&one, "r", "before").await.expect("the server is there");
    append(&two, "r", "before").await.expect("the server is there");
    restart(&mut server, &[&one, &two], |store| fs::remove_dir_all(store).expect("the store")).await;
    let after = append(&one, "r", "after").await.expect("the server is there");
    assert!(after.epoch != before.epoch && after.offset == 1, "{after:?}");
    assert_eq!(append(&two, "r", "next").await, Ok(Position { offset: 2, ..after }));
    assert_eq!(read(&two, "r", before).await.entries, Err(Gap::Epoch));
    // Deleted beneath a server that goes on.
    tell_jetstream(&server, "STREAM.DELETE.gustnado=room=r", "").await;
    let tops = one.history().tops(&["r"]).await;
    assert_eq!(tops, Ok(vec![None]));
    let anew = append(&two, "r", "anew").await.expect("the server is there");
    assert!(anew.epoch != after.epoch && anew.offset == 1, "{anew:?}");
}

async fn tell_jetstream(server: &Server, what: &str, body: &'static str) {
    let url = format!("nats://127.0.0.1:{}", server.port);
    let client = async_nats::connect(url).await.expect("the server is there");
    let answer = client.request(format!("$JS.API.{what}"), body.into()).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer.payload);
    assert!(answer.contains(r#""success":true"#), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_by_hand_is_trimmed_with_all_before_it() {
    let server = with_logs();
    let node = Node::up(nats(&server)).await;
    let mut positions = Vec::new();
    for text in ["1", "2", "3", "4", "5"] {
        positions.push(append(&node, "r", text).await.expect("the server is there"));
    }
    tell_jetstream(&server, "STREAM.MSG.DELETE.gustnado=room=r", r#"{"seq":3}"#).await;
    assert_eq!(read(&node, "r", positions[0]).await.entries, Err(Gap::Trimmed));
    for from in [ReadFrom::Last(5), positions[2].into()] {
        assert_eq!(texts(&read(&node, "r", from).await), [(4, "4"), (5, "5")]);
    }
    tell_jetstream(&server, "STREAM.PURGE.gustnado=room=r", "").await;
    let slice = read(&node, "r", positions[3]).await;
    assert_eq!(
        (slice.top, slice.entries),
        (positions[4], Err(Gap::Trimmed)),
        "the position outlives the entries"
    );
}

/// An older copy of the store in the place of a newer one, as a restore does it; a power failure leaves the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_what_a_node_has_seen_begins_anew_however_it_is_noticed() {
    let mut server = with_logs();
    let node = Node::up(nats(&server)).await;
    let listener = Node::up(nats(&server)).await;
    listener.listen("heard").await;
    let rooms = ["read", "tops", "appended", "heard"];
    for room in rooms {
        append(&node, room, "kept").await.expect("the server is there");
    }
    read(&listener, "heard", ReadFrom::Last(0)).await;
    let copied = server.folder.join("copy");
    restart(&mut server, &[&node, &listener], |store| copy(&store, &copied)).await;
    listener.listen("heard").await;
    let mut lost = Vec::new();
    for room in rooms {
        lost.push(append(&node, room, "lost").await.expect("the server is there"));
    }
    listener.inbox.until("an entry", |told| told.entries.last().is_some_and(|it| it.1 == lost[3])).await;
    restart(&mut server, &[&node, &listener], |store| {
        fs::remove_dir_all(&store).expect("the store");
        copy(&copied, &store);
    })
    .await;
    assert_eq!(read(&node, "read", lost[0]).await.entries, Err(Gap::Epoch));
    assert_eq!(node.history().tops(&["tops"]).await, Ok(vec![None]));
    // The position has been given out: this one must not be.
    assert_eq!(append(&node, "appended", "other").await, Err(AppendError::Unknown));
    let other = append(&node, "appended", "other").await.expect("the server is there");
    assert!(other.epoch != lost[2].epoch && other.offset == 1, "{other:?}");
    assert_eq!(read(&listener, "heard", lost[3]).await.entries, Err(Gap::Epoch), "it had only heard of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_a_freeze_cuts_off_is_unknown_and_its_key_tells() {
    let mut server = with_logs();
    let node = Node::up(nats(&server)).await;
    append(&node, "r", "first").await.expect("the server is there");
    server.freeze(true);
    let frozen = Instant::now();
    assert_eq!(append_with_key(&node, "r", "second", Some("a\r\nkey")).await, Err(AppendError::Unknown));
    assert!(frozen.elapsed() < Duration::from_millis(1_300), "{:?}", frozen.elapsed());
    node.is(Link::Down).await;
    let away = Err(AppendError::Rejected("the server is away".into()));
    assert_eq!(append(&node, "r", "refused").await, away);
    assert_eq!(node.history().read("r", ReadFrom::Last(1), 1, KEPT).await, Err(Unavailable));
    assert_eq!(node.history().tops(&["r"]).await, Err(Unavailable));
    server.freeze(false);
    node.is(Link::Up).await;
    let position = append_with_key(&node, "r", "second", Some("a\r\nkey")).await.expect("the server is back");
    assert_eq!(position.offset, 2);
    let slice = read(&node, "r", ReadFrom::Last(9)).await;
    assert_eq!(texts(&slice), [(1, "first"), (2, "second")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_to_a_room_that_nobody_has_opened_is_rejected_if_the_server_does_not_answer() {
    let mut server = with_logs();
    let node = Node::up(nats(&server)).await;
    server.freeze(true);
    let unsent = Err(AppendError::Rejected("the server does not answer".into()));
    assert_eq!(append(&node, "r", "entry").await, unsent);
    server.freeze(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_entries_come_back_and_larger_ones_than_the_server_takes_are_rejected() {
    let server = with_logs();
    let node = Node::up(nats(&server)).await;
    let large = Bytes::from(vec![7; 1024 * 1024]);
    let put = async |entry: &Bytes| node.history().append("r", entry.clone(), None, KEPT).await;
    let mut top = put(&large).await.expect("the server is there");
    let start = Position { offset: 0, ..top };
    for _ in 1..50 {
        top = put(&large).await.expect("the server is there");
    }
    let slice = read(&node, "r", start).await;
    assert_eq!(slice.top, top);
    let entries = slice.entries.expect("entries");
    assert_eq!(entries.len(), 50);
    assert!(entries.iter().all(|(_, entry)| *entry == large));
    let too_large = Bytes::from(vec![7; 1024 * 1024 + 1]);
    let Err(AppendError::Rejected(why)) = put(&too_large).await else { panic!("it was taken") };
    assert!(why.contains("too large"), "{why}");
    assert!(node.inbox.read(|told| !told.links.contains(&Link::Down)), "the connection holds");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_expire_and_the_position_outlives_them() {
    let server = with_logs();
    let node = Node::up(nats(&server)).await;
    let short = Retention::last(100).within(Duration::from_millis(300));
    let entry = || Bytes::from_static(b"entry");
    let first = node.history().append("r", entry(), Some("key"), short).await.expect("the server is there");
    let since = ReadFrom::After(Position { offset: 0, ..first });
    let expired = async {
        while node.history().read("r", since, 9, short).await.expect("the server is there").entries.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), expired).await.expect("the entry expires");
    let slice = node.history().read("r", since, 9, short).await.expect("the server is there");
    assert_eq!((slice.top, slice.entries), (first, Err(Gap::Trimmed)));
    let next = node.history().append("r", entry(), None, short).await.expect("the server is there");
    assert_eq!(next, Position { offset: 2, ..first });
    let slice = node.history().read("r", ReadFrom::Last(9), 9, short).await.expect("the server is there");
    assert_eq!(texts(&slice), [(2, "entry")]);
    let again = node.history().append("r", entry(), Some("key"), short).await;
    assert_eq!(again, Ok(first), "its key is known for longer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_whole_while_others_append_and_trim() {
    let server = with_logs();
    let node = Arc::new(Node::up(nats(&server)).await);
    const FEW: Retention = Retention::last(50);
    let put = async |node: &Node<Nats>| {
        node.history().append("r", Bytes::from_static(b"x"), None, FEW).await.expect("the server is there")
    };
    let mut since = put(&node).await;
    let writer = tokio::spawn({
        let node = node.clone();
        async move {
            for _ in 0..2_000 {
                put(&node).await;
            }
        }
    });
    let mut read = 0;
    while !writer.is_finished() {
        let slice = node.history().read("r", since.into(), 30, FEW).await.expect("the server is there");
        match slice.entries {
            Ok(entries) => {
                assert!(entries.iter().map(|(offset, _)| *offset).eq(since.offset + 1..=slice.top.offset));
                read += entries.len();
            }
            Err(gap) => assert!(matches!(gap, Gap::Limit | Gap::Trimmed), "{gap:?}"),
        }
        since = slice.top;
        let newest =
            node.history().read("r", ReadFrom::Last(50), 50, FEW).await.expect("the server is there");
        let entries = newest.entries.expect("entries");
        let first = newest.top.offset + 1 - entries.len() as u64;
        assert!(entries.iter().map(|(offset, _)| *offset).eq(first..=newest.top.offset));
    }
    writer.await.expect("it wrote");
    assert!(read > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_uses_is_deleted_and_one_with_entries_or_members_is_not() {
    let server = with_logs();
    let member = Node::up(nats(&server)).await;
    member.listen("followed").await;
    for room in ["followed", "idle"] {
        read(&member, room, ReadFrom::Last(0)).await;
    }
    append(&member, "written", "entry").await.expect("the server is there");
    let other = Node::up(nats(&server).subject_prefix("other")).await;
    read(&other, "idle", ReadFrom::Last(0)).await;
    let cleaner = Node::up(nats(&server).forget_logs_after(Duration::from_millis(500))).await;
    let rooms = ["followed", "idle", "written"];
    let deleted = async {
        loop {
            let tops = cleaner.history().tops(&rooms).await.expect("the server is there");
            assert!(tops[0].is_some() && tops[2].is_some(), "{tops:?}");
            if tops[1].is_none() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), deleted).await.expect("it is deleted");
    assert!(other.history().tops(&["idle"]).await.expect("the server is there")[0].is_some(), "it is theirs");
    assert_eq!(member.inbox.read(|told| told.entries.len() + told.packets.len()), 0, "it was told nothing");
    // Whoever knew the log finds another.
    assert_eq!(append(&member, "idle", "entry").await.expect("the server is there").offset, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_name_is_too_long_has_no_log_and_harms_no_other() {
    let server = with_logs();
    let node = Node::up(nats(&server)).await;
    let long = "x".repeat(300);
    let Err(AppendError::Rejected(why)) = append(&node, &long, "entry").await else { panic!("it was taken") };
    assert!(why.contains("too long"), "{why}");
    let top = append(&node, "r", "entry").await.expect("the server is there");
    assert_eq!(node.history().tops(&[&long, "r"]).await, Ok(vec![None, Some(top)]));
}

/// A cluster of three, each with JetStream.
fn cluster() -> Vec<Server> {
    let ports: Vec<u16> = (0..3).map(|_| servers::free_port()).collect();
    let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
    let routes = routes.join(",");
    let start = |(number, port): (usize, &u16)| {
        Server::nats(&[
            "--jetstream",
            "--store_dir",
            "store",
            "--server_name",
            &format!("server-{number}"),
            "--cluster_name",
            "three",
            "--cluster",
            &format!("nats://127.0.0.1:{port}"),
            "--routes",
            &routes,
        ])
    };
    ports.iter().enumerate().map(start).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_three_servers_outlives_one_of_them() {
    let mut servers = cluster();
    let make = |server: &Server| nats(server).log_replicas(3);
    let nodes = [Node::up(make(&servers[1])).await, Node::up(make(&servers[2])).await];
    // With the same key until it is there, as the cluster may be choosing who leads.
    let put = async |node: &Node<Nats>, text: &str| {
        let appended = async {
            loop {
                if let Ok(position) = append_with_key(node, "r", text, Some(text)).await {
                    return position;
                }
            }
        };
        timeout(Duration::from_secs(60), appended).await.expect("a leader")
    };
    let first = put(&nodes[0], "0").await;
    nodes[1].listen("r").await;
    for number in 1..100_u64 {
        if number == 50 {
            servers[0].kill();
        }
        let position = put(&nodes[number as usize % 2], &number.to_string()).await;
        assert_eq!(position, Position { offset: number + 1, ..first });
        // Also from a replica that does not have it yet. Nobody may lead at the moment.
        let before = Position { offset: number, ..first };
        if let Ok(slice) = nodes[0].history().read("r", before.into(), 1_000, KEPT).await {
            assert_eq!(texts(&slice), [(number + 1, number.to_string().as_str())]);
        }
    }
    let slice = async {
        loop {
            if let Ok(slice) = nodes[0].history().read("r", first.into(), 1_000, KEPT).await {
                return slice;
            }
        }
    };
    let slice = timeout(Duration::from_secs(60), slice).await.expect("a leader");
    assert!(slice.entries.expect("entries").iter().map(|(offset, _)| *offset).eq(2..=100));
}

/// Is told everything of `news` from a position on, or from its end.
struct Reader;

#[async_trait]
impl Connector for Reader {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let entered = conn.join_from("news", ReadFrom::Last(0)).await?;
        conn.send(format!("{:?}", entered.missed)).await?;
        Ok(())
    }

    /// `epoch offset`, from where it comes back.
    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        let (epoch, offset) = message.text()?.split_once(' ').unwrap_or_default();
        let position = Position { epoch: epoch.parse()?, offset: offset.parse()? };
        conn.leave("news").await;
        let entered = conn.join_from("news", position).await?;
        conn.send(format!("{:?}", entered.missed)).await?;
        Ok(())
    }
}

async fn hub(server: &Server) -> Hub {
    let hub = Hub::builder().adapter(nats(server)).history("news", Retention::last(1_000)).build();
    while hub.stats().cluster.expect("an adapter").link != Link::Up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    hub
}

async fn next(client: &mut Client) -> Frame {
    timeout(Duration::from_secs(20), client.next()).await.expect("a frame in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_to_another_node_gets_what_it_missed() {
    let server = with_logs();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let mut first = Client::connect(&Handler::new(|| Reader).hub(&one)).await;
    assert_eq!(next(&mut first).await, Frame::text("Ok(())"));
    let seen = two.room("news").publish("seen").await.expect("accepted").position.expect("a position");
    assert_eq!(next(&mut first).await, Frame::text("seen"));
    drop(first);
    for number in 0..100 {
        one.room("news").publish(number.to_string()).await.expect("accepted");
    }
    let mut second = Client::connect(&Handler::new(|| Reader).hub(&two)).await;
    assert_eq!(next(&mut second).await, Frame::text("Ok(())"));
    second.text(&format!("{} {}", seen.epoch, seen.offset)).await;
    for number in 0..100 {
        assert_eq!(next(&mut second).await, Frame::text(&number.to_string()));
    }
    assert_eq!(next(&mut second).await, Frame::text("Ok(())"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_misses_nothing_while_the_server_is_killed_again_and_again() {
    let mut server = with_logs();
    let (one, two) = (hub(&server).await, hub(&server).await);
    let mut client = Client::connect(&Handler::new(|| Reader).hub(&one)).await;
    assert_eq!(next(&mut client).await, Frame::text("Ok(())"));
    for number in 0..200 {
        if number % 60 == 30 {
            server.kill();
            server.start();
        }
        let text = number.to_string();
        let published = async { while two.room("news").key(&text).publish(text.as_str()).await.is_err() {} };
        timeout(Duration::from_secs(20), published).await.expect("the server is back");
    }
    for number in 0..200 {
        assert_eq!(next(&mut client).await, Frame::text(&number.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_told_when_the_store_is_gone() {
    let mut server = with_logs();
    let hub = hub(&server).await;
    let mut client = Client::connect(&Handler::new(|| Reader).hub(&hub)).await;
    assert_eq!(next(&mut client).await, Frame::text("Ok(())"));
    let seen = hub.room("news").publish("before").await.expect("accepted").position.expect("a position");
    assert_eq!(next(&mut client).await, Frame::text("before"));
    server.kill();
    fs::remove_dir_all(server.folder.join("store")).expect("the store");
    server.start();
    client.text(&format!("{} {}", seen.epoch, seen.offset)).await;
    let told = timeout(Duration::from_secs(20), async {
        loop {
            let told = next(&mut client).await;
            if told == Frame::text("Err(Epoch)") {
                return;
            }
            assert_eq!(told, Frame::text("Err(Unavailable)"));
            client.text(&format!("{} {}", seen.epoch, seen.offset)).await;
        }
    });
    told.await.expect("it is told");
}
