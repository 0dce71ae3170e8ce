//! Several hubs over an adapter: what is sent, closed and asked on one of them, and connections on the others.

mod support;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;

use gustnado::{
    CloseFrame, Conn, ConnId, Connector, Disconnect, Event, EventKind, FanOut, Handler, Handshake, Hub,
    Message, Page, PublishError, Publisher, Reject, Remote, Shutdown, SlowReader, TapFilter,
    adapter::{
        Adapter, AdapterTraffic, Inbox, Link, MemoryBus, NodeId, NotHandedOver, Position, Subject,
        Unavailable,
    },
    async_trait,
};
use support::{Client, Frame, connect_with, request_with};
use tokio::{sync::mpsc, time::Instant};

/// Joins the rooms of its query, and tells the test that it is open.
struct Guest(mpsc::Sender<Conn>);

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let value = |name| handshake.query(name).map(std::borrow::Cow::into_owned);
        let (user, rooms) = (value("user"), value("rooms").unwrap_or_default());
        if let Some(user) = user {
            handshake.set_user(user);
        }
        for room in rooms.split(',').filter(|room| !room.is_empty()) {
            handshake.join(room)?;
        }
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        self.0.send(conn.clone()).await?;
        Ok(())
    }
}

/// One node: its hub, and a handler whose connections are in it.
struct Node {
    hub: Hub,
    handler: Handler,
    opened: mpsc::Receiver<Conn>,
}

impl Node {
    fn new(bus: &MemoryBus) -> Self {
        Self::of(Hub::builder().adapter(bus.adapter()).build())
    }

    fn of(hub: Hub) -> Self {
        let (sender, opened) = mpsc::channel(64);
        let handler = Handler::new(move || Guest(sender.clone())).hub(&hub);
        Self { hub, handler, opened }
    }

    /// A full outbox drops what is newest.
    fn with_outbox(bus: &MemoryBus, bytes: usize, messages: usize) -> Self {
        let mut node = Self::new(bus);
        node.handler = node.handler.outbox_limits(bytes, messages).slow_reader(SlowReader::DropNewest);
        node
    }

    async fn connect(&mut self, query: &str) -> (Client, Conn) {
        let client = connect_with(&self.handler, &request_with(&format!("/ws?{query}"), &[])).await;
        (client, self.opened.recv().await.expect("it opens"))
    }
}

/// Lets everything that was handed over arrive. The clock stands still, so it goes on only when nobody has anything
/// left to do.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

/// Every text that has come by now.
async fn read(client: &mut Client) -> Vec<String> {
    settle().await;
    client.ping(b"all").await;
    let mut texts = Vec::new();
    loop {
        match client.next().await {
            Frame::Text(text) => texts.push(text),
            Frame::Pong(_) => return texts,
            other => panic!("{other:?}"),
        }
    }
}

fn cluster(hub: &Hub) -> gustnado::ClusterStats {
    hub.stats().cluster.expect("an adapter")
}

#[tokio::test(start_paused = true)]
async fn a_message_to_a_room_reaches_members_on_every_node_once() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (mut ann, _) = one.connect("rooms=lobby").await;
    let (mut bob, _) = other.connect("rooms=lobby,bar").await;
    let (mut eve, _) = other.connect("rooms=bar").await;

    let report = one.hub.room("lobby").send("hello").await;
    assert_eq!((report.queued, report.remote), (1, Remote::HandedOver));
    assert_eq!(read(&mut ann).await, ["hello"]);
    assert_eq!(read(&mut bob).await, ["hello"]);
    assert_eq!(read(&mut eve).await, [""; 0]);
    let (sent, got) = (cluster(&one.hub), cluster(&other.hub));
    assert_eq!((sent.handed_over, sent.not_handed_over, sent.deeds), (1, 0, 0));
    assert_eq!((got.deeds, got.nobody), (1, 0));
    for stats in [sent, got] {
        assert_eq!(stats.adapter.received, stats.own + stats.deeds + stats.other, "{stats:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_rooms_make_no_duplicates_on_any_node() {
    let bus = MemoryBus::new();
    let (one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (mut both, _) = other.connect("rooms=a,b").await;
    let (mut b, _) = other.connect("rooms=b").await;
    for text in ["1", "2", "3"] {
        one.hub.rooms(["a", "b", "c"]).send(text).await;
    }
    assert_eq!(read(&mut both).await, ["1", "2", "3"]);
    assert_eq!(read(&mut b).await, ["1", "2", "3"]);
    let got = cluster(&other.hub);
    assert_eq!((got.deeds, got.duplicates), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_is_left_out_on_every_node() {
    let bus = MemoryBus::new();
    let (one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (mut ann, id) = other.connect("rooms=lobby").await;
    let (mut bob, _) = other.connect("rooms=lobby").await;
    one.hub.room("lobby").except(&id).send("not for ann").await;
    one.hub.everybody().except_all([id.id()]).send("nor this").await;
    one.hub.everybody().send(Message::from(vec![1, 2])).await;
    assert_eq!(ann.next().await, Frame::Binary(vec![1, 2]));
    assert_eq!(bob.next().await, Frame::text("not for ann"));
    assert_eq!(bob.next().await, Frame::text("nor this"));
    assert_eq!(bob.next().await, Frame::Binary(vec![1, 2]));
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_sent_to_and_closed_by_its_id_wherever_it_is() {
    let bus = MemoryBus::new();
    let (one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (mut ann, id) = other.connect("").await;
    let id: ConnId = id.id().to_string().parse().expect("the id of a connection");
    assert_eq!(one.hub.conn(id).send("hello").await.remote, Remote::HandedOver);
    assert_eq!(read(&mut ann).await, ["hello"]);
    let report = other.hub.conn(id).send("here").await;
    assert_eq!((report.queued, report.remote), (1, Remote::None));
    assert_eq!(read(&mut ann).await, ["here"]);
    one.hub.conn(id).close(CloseFrame::new(4000, "kicked").expect("a code that may travel")).await;
    assert_eq!(ann.next().await, Frame::close(4000, "kicked"));
}

#[tokio::test(start_paused = true)]
async fn users_are_sent_to_closed_and_moved_wherever_they_are() {
    let bus = MemoryBus::new();
    let (one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (mut ann, conn) = other.connect("user=ann").await;
    one.hub.user("ann").send("you have mail").await;
    one.hub.user("ann").join("lobby").await;
    one.hub.room("lobby").send("welcome").await;
    assert_eq!(read(&mut ann).await, ["you have mail"], "nobody was in the lobby when it was sent");
    assert_eq!(conn.rooms(), ["lobby"]);
    one.hub.room("lobby").send("welcome").await;
    assert_eq!(read(&mut ann).await, ["welcome"]);
    one.hub.room("lobby").leave("lobby").await;
    settle().await;
    assert_eq!(conn.rooms(), [""; 0]);
    one.hub.user("ann").close(CloseFrame::new(4001, "revoked").expect("a code that may travel")).await;
    assert_eq!(ann.next().await, Frame::close(4001, "revoked"));
}

#[tokio::test(start_paused = true)]
async fn a_node_gets_only_what_it_has_somebody_for() {
    let bus = MemoryBus::new();
    let (one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (_ann, conn) = other.connect("user=ann&rooms=lobby").await;
    let received = |hub: &Hub| cluster(hub).deeds;
    one.hub.room("elsewhere").send("x").await;
    one.hub.user("bob").send("x").await;
    settle().await;
    assert_eq!(received(&other.hub), 0);
    one.hub.room("lobby").send("x").await;
    settle().await;
    assert_eq!(received(&other.hub), 1);
    conn.leave("lobby").await;
    one.hub.room("lobby").send("x").await;
    settle().await;
    assert_eq!((received(&other.hub), received(&one.hub)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn while_the_link_is_down_local_members_are_served_and_the_report_says_so() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (mut ann, _) = one.connect("rooms=lobby").await;
    let (mut bob, _) = other.connect("rooms=lobby").await;
    bus.set_link(one.hub.node(), Link::Down);
    let report = one.hub.room("lobby").send("alone").await;
    assert_eq!((report.queued, report.remote), (1, Remote::NotHandedOver(NotHandedOver::Down)));
    assert!(one.hub.room("lobby").publish("alone too").await.is_err());
    assert_eq!(read(&mut ann).await, ["alone", "alone too"]);
    assert_eq!((cluster(&one.hub).link, cluster(&one.hub).not_handed_over), (Link::Down, 2));
    bus.set_link(one.hub.node(), Link::Up);
    assert_eq!(one.hub.room("lobby").publish("together").await.expect("it is up").queued, 1);
    assert_eq!(read(&mut bob).await, ["together"]);
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn all_nodes_are_asked_at_once_and_who_does_not_answer_is_named() {
    let bus = MemoryBus::new();
    let (mut one, mut other, third) = (Node::new(&bus), Node::new(&bus), Node::new(&bus));
    let (_ann, ann) = one.connect("user=ann&rooms=lobby").await;
    let (_phone, phone) = other.connect("user=ann&rooms=lobby,bar").await;
    settle().await;

    let lobby = one.hub.everywhere().members("lobby").await;
    let ids: Vec<_> = lobby.value.iter().map(|conn| conn.id).collect();
    let mut expected = vec![ann.id(), phone.id()];
    expected.sort_unstable();
    assert_eq!((ids, lobby.is_complete()), (expected, true));
    let anns = third.hub.everywhere().connections_of("ann").await;
    assert_eq!((anns.value.len(), anns.missing.len()), (2, 0));
    assert_eq!(third.hub.everywhere().rooms().await.value, [("bar".into(), 1), ("lobby".into(), 2)].into());
    let counts = third.hub.everywhere().counts().await.value;
    assert_eq!((counts.connections, counts.rooms, counts.users), (2, 3, 2));
    let info = one.hub.everywhere().connection(phone.id()).await.value.expect("it is there");
    assert_eq!(info, phone.info());

    bus.set_link(other.hub.node(), Link::Down);
    let asked = Instant::now();
    let lobby = one.hub.everywhere().within(2 * SECOND).members("lobby").await;
    assert_eq!((lobby.value.len(), lobby.missing), (1, vec![other.hub.node()]));
    assert_eq!(asked.elapsed(), 2 * SECOND);
    assert_eq!(one.hub.everywhere().connection(phone.id()).await.missing, [other.hub.node()]);
}

#[tokio::test(start_paused = true)]
async fn nodes_know_each_other_until_one_leaves_or_is_not_heard_of() {
    let bus = MemoryBus::new();
    let (one, other, third) = (Node::new(&bus), Node::new(&bus), Node::new(&bus));
    settle().await;
    let mut others = vec![other.hub.node(), third.hub.node()];
    others.sort_unstable();
    assert_eq!(one.hub.nodes(), others);

    other.hub.shutdown(Shutdown::default()).await;
    settle().await;
    assert_eq!(one.hub.nodes(), [third.hub.node()], "it has said so");

    let mut tap = one.hub.tap(TapFilter::default());
    let died = Instant::now();
    let dead = third.hub.node();
    bus.set_link(dead, Link::Down);
    let Some(Event { kind: EventKind::NodeGone(node), .. }) = tap.next().await else { panic!("an event") };
    assert_eq!((node, one.hub.nodes()), (dead, vec![]));
    assert!(died.elapsed() > 5 * SECOND && died.elapsed() < 10 * SECOND, "{:?}", died.elapsed());

    bus.set_link(dead, Link::Up);
    settle().await;
    assert_eq!(one.hub.nodes(), [dead], "it says hello");
}

#[tokio::test(start_paused = true)]
async fn while_a_link_is_down_its_node_gives_nobody_up() {
    let bus = MemoryBus::new();
    let (one, other) = (Node::new(&bus), Node::new(&bus));
    let mut tap = one.hub.tap(TapFilter::default());
    settle().await;
    bus.set_link(one.hub.node(), Link::Down);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!((one.hub.nodes(), other.hub.nodes()), (vec![other.hub.node()], vec![]));
    bus.set_link(one.hub.node(), Link::Up);
    settle().await;
    assert_eq!((one.hub.nodes(), other.hub.nodes()), (vec![other.hub.node()], vec![one.hub.node()]));
    let links: Vec<_> = std::iter::from_fn(|| tap.try_next())
        .filter_map(|event| match event.kind {
            EventKind::Link(link) => Some(link),
            _ => None,
        })
        .collect();
    assert_eq!(links, [Link::Up, Link::Down, Link::Up]);
}

#[tokio::test(start_paused = true)]
async fn a_process_without_connections_sends_and_asks_and_is_no_node() {
    let bus = MemoryBus::new();
    let (mut one, other) = (Node::new(&bus), Node::new(&bus));
    let (mut ann, _) = one.connect("user=ann&rooms=lobby").await;
    let publisher = Publisher::connect(bus.adapter()).await.expect("the bus is up");
    let hub = publisher.hub();
    assert_eq!(hub.nodes().len(), 2);
    hub.user("ann").publish("from elsewhere").await.expect("the bus takes it");
    assert_eq!(read(&mut ann).await, ["from elsewhere"]);
    assert_eq!(hub.everywhere().members("lobby").await.value.len(), 1);
    assert_eq!(one.hub.nodes(), [other.hub.node()]);
    publisher.stop().await;
    assert_eq!(hub.user("ann").send("too late").await.remote, Remote::NotHandedOver(NotHandedOver::Down));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_dropped_is_gone_from_the_others() {
    let bus = MemoryBus::new();
    let (one, other) = (Node::new(&bus), Node::new(&bus));
    settle().await;
    drop(other);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(one.hub.nodes(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_published_times_who_subscribes_is_delivered_or_dropped_by_reason() {
    let bus = MemoryBus::new();
    let mut nodes: Vec<_> = (0..3).map(|_| Node::with_outbox(&bus, 4096, 8)).collect();
    let mut clients = Vec::new();
    for at in 0..12 {
        clients.push(nodes[at % 3].connect("rooms=lobby").await);
    }
    // One begins to close, and its client does not answer yet.
    clients[5].1.close(1000, "").expect("a code that may travel");
    let published = 300;
    for at in 0..published {
        let message = if at % 10 == 0 { "x".repeat(5000) } else { "x".repeat(at % 500) };
        nodes[at % 3].hub.room("lobby").send(message).await;
        if at % 50 == 0 {
            settle().await;
        }
    }
    settle().await;
    let mut sum = FanOut::default();
    for node in &nodes {
        let (fan_out, cluster) = (node.hub.stats().fan_out, cluster(&node.hub));
        sum.deliveries += fan_out.deliveries;
        sum.full += fan_out.full;
        sum.too_large += fan_out.too_large;
        sum.closing += fan_out.closing;
        assert_eq!(fan_out.messages, published as u64);
        assert_eq!((cluster.nobody, cluster.undecodable, cluster.not_handed_over), (0, 0, 0));
    }
    assert_eq!(sum.deliveries + sum.full + sum.too_large + sum.closing, 300 * 12);
    assert_eq!((sum.too_large, sum.closing), (30 * 11, 300));
    assert!(sum.full > 0 && sum.deliveries > 0, "{sum:?}");
}

#[tokio::test(start_paused = true)]
async fn packets_that_cannot_be_read_are_counted_and_harm_nobody() {
    let bus = MemoryBus::new();
    let mut one = Node::new(&bus);
    let (mut ann, _) = one.connect("rooms=lobby").await;
    let stranger = bus.adapter();
    stranger.start(NodeId::new(7), Arc::new(Deaf));
    for packet in [&b""[..], b"\x01", b"\x01garbage of some length", &[1; 40]] {
        stranger.publish(&Subject::Everybody, Bytes::from_static(b"\x09 of another time")).expect("it is up");
        stranger.publish(&Subject::room("lobby"), packet.to_vec().into()).expect("it is up");
    }
    one.hub.room("lobby").send("still here").await;
    assert_eq!(read(&mut ann).await, ["still here"]);
    let stats = cluster(&one.hub);
    assert_eq!((stats.undecodable, stats.unknown_version), (4, 4));
    let counted = stats.own + stats.deeds + stats.other + stats.undecodable + stats.unknown_version;
    assert_eq!(counted, stats.adapter.received);
}

/// Does not listen.
struct Deaf;

impl Inbox for Deaf {
    fn packet(&self, _: &Subject, _: Bytes) {}
    fn entry(&self, _: &str, _: Position, _: Bytes) {}
    fn link_changed(&self, _: Link) {}
    fn interrupted(&self) {}
}

/// An engine that is silent, and knows the last word on every interest.
#[derive(Default)]
struct Silent(Mutex<HashMap<Subject, bool>>);

#[async_trait]
impl Adapter for Silent {
    fn start(&self, _: NodeId, _: Arc<dyn Inbox>) {}

    fn publish(&self, _: &Subject, _: Bytes) -> Result<(), NotHandedOver> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        std::future::pending().await
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        self.0.lock().expect("no panic").insert(subject.clone(), interested);
    }

    async fn confirmed(&self, _: &Subject) -> Result<(), Unavailable> {
        std::future::pending().await
    }

    fn link(&self) -> Link {
        Link::Up
    }

    fn traffic(&self) -> AdapterTraffic {
        AdapterTraffic::default()
    }

    async fn stop(&self) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_engine_that_is_silent_waits_for_a_second() {
    let hub = Hub::builder().adapter(Silent::default()).build();
    let asked = Instant::now();
    assert_eq!(hub.room("lobby").send("hello").await.remote, Remote::HandedOver);
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert_eq!(hub.room("lobby").publish("hello").await, Err(PublishError::Unconfirmed));
    assert_eq!(asked.elapsed(), SECOND);
    hub.shutdown(Shutdown::default()).await;
    assert_eq!(asked.elapsed(), 2 * SECOND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_first_and_last_members_race_the_last_word_on_interest_is_right() {
    let engine = Arc::new(Silent::default());
    let mut node = Node::of(Hub::builder().adapter(engine.clone()).build());
    let mut clients = Vec::new();
    let mut tasks = Vec::new();
    for at in 0..8 {
        let (client, conn) = node.connect(&format!("user=u{}", at % 2)).await;
        clients.push(client);
        tasks.push(tokio::spawn(async move {
            for step in 0..2_000 {
                let room = format!("r{}", step % 3);
                conn.join(&room).await.expect("it may");
                if step % 7 != at {
                    conn.leave(&room).await;
                }
            }
            for room in ["r0", "r1"] {
                conn.leave(room).await;
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let interest = |subject: Subject| engine.0.lock().expect("no panic").get(&subject).copied();
    for room in ["r0", "r1", "r2"] {
        let somebody = !node.hub.members(room, Page::ALL).is_empty();
        assert_eq!(interest(Subject::room(room)), Some(somebody), "{room}");
    }
    assert_eq!(interest(Subject::user("u0")), Some(true));
}
