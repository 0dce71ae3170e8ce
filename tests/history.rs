//! Rooms that keep history: what members get, what they get when they come back, and what they are told.

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gustnado::{
    Conn, Connector, Disconnect, Handler, Handshake, Hub, HubBuilder, Lost, Publication, PublishError,
    Publisher, Reject, SlowReader,
    adapter::{
        Adapter, AdapterTraffic, AppendError, History, Inbox, Link, Memory, MemoryBus, NodeId, NotHandedOver,
        Position, ReadFrom, Retention, Slice, Subject, Unavailable,
    },
    async_trait,
};
use support::{Client, Frame, connect_with, request_with};
use tokio::{sync::mpsc, time::Instant};

const KEPT: Retention = Retention::last(10).within(Duration::from_secs(60));

/// Tells the test that it is open.
struct Guest(mpsc::Sender<Conn>);

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        if let Some(room) = handshake.query("room").map(std::borrow::Cow::into_owned) {
            handshake.join(&room)?;
        }
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        self.0.send(conn.clone()).await?;
        Ok(())
    }
}

/// One node.
struct Node {
    hub: Hub,
    handler: Handler,
    opened: mpsc::Receiver<Conn>,
}

impl Node {
    /// A node whose members see offsets: `7 text`.
    fn of(hub: HubBuilder) -> Self {
        let frame = |it: &Publication<'_>| {
            format!("{} {}", it.position.offset, it.message.text().unwrap_or_default()).into()
        };
        let lost = |_: &str, why| format!("lost: {why}").into();
        let hub = hub.history("news/*", KEPT).frame(frame).frame_lost(lost).build();
        let (sender, opened) = mpsc::channel(16);
        let handler = Handler::new(move || Guest(sender.clone())).hub(&hub);
        Self { hub, handler, opened }
    }

    fn alone() -> Self {
        Self::of(Hub::builder())
    }

    fn on(bus: &MemoryBus) -> Self {
        Self::of(Hub::builder().adapter(bus.adapter()))
    }

    async fn connect(&mut self) -> (Client, Conn) {
        let client = connect_with(&self.handler, &request_with("/ws", &[])).await;
        (client, self.opened.recv().await.expect("it opens"))
    }

    async fn publish(&self, text: &str) -> Position {
        let report = self.hub.room("news/1").publish(text).await.expect("the log takes it");
        report.position.expect("a room with history")
    }
}

/// Lets everything arrive that is on its way. The clock stands still, so it goes on only when nobody has anything
/// left to do.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
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

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_gets_what_it_missed_in_order_and_then_what_is_newer() {
    let mut node = Node::alone();
    let (mut client, conn) = node.connect().await;
    let start = conn.join_from("news/1", ReadFrom::Last(0)).await.expect("it may").position.expect("history");
    node.publish("a").await;
    let seen = node.publish("b").await;
    assert_eq!(read(&mut client).await, ["1 a", "2 b"]);
    drop((client, conn));
    node.publish("c").await;
    node.publish("d").await;

    let (mut client, conn) = node.connect().await;
    let entered = conn.join_from("news/1", seen).await.expect("it may");
    assert_eq!((entered.missed, entered.position), (Ok(()), Some(Position { offset: 4, ..start })));
    node.publish("e").await;
    assert_eq!(read(&mut client).await, ["3 c", "4 d", "5 e"]);
}

#[tokio::test(start_paused = true)]
async fn it_gets_it_on_any_node_and_every_node_has_one_order() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::on(&bus), Node::on(&bus));
    let (mut ann, conn) = one.connect().await;
    conn.join("news/1").await.expect("it may");
    let (mut bob, conn) = other.connect().await;
    conn.join("news/1").await.expect("it may");
    for text in ["a", "b", "c"] {
        one.publish(text).await;
        other.publish(text).await;
    }
    let seen = read(&mut ann).await;
    assert_eq!(seen, ["1 a", "2 a", "3 b", "4 b", "5 c", "6 c"]);
    assert_eq!(read(&mut bob).await, seen);
    let last = one.publish("d").await;

    let (mut ann, conn) = other.connect().await;
    let entered = conn.join_from("news/1", Position { offset: 4, ..last }).await.expect("it may");
    assert_eq!(entered.missed, Ok(()));
    assert_eq!(read(&mut ann).await, ["5 c", "6 c", "7 d"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_was_missed_is_nothing_also_a_hundred_times() {
    let bus = MemoryBus::new();
    let mut nodes = [Node::on(&bus), Node::on(&bus)];
    let mut position = None;
    for round in 0..100 {
        let (mut client, conn) = nodes[round % 2].connect().await;
        let from = position.map_or(ReadFrom::Last(0), ReadFrom::After);
        let entered = conn.join_from("news/1", from).await.expect("it may");
        assert_eq!(entered.missed, Ok(()));
        assert!(position.is_none_or(|it| entered.position == Some(it)));
        position = entered.position;
        assert_eq!(read(&mut client).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_while_its_old_connection_is_still_closing() {
    let mut node = Node::alone();
    let (mut old, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    let seen = node.publish("a").await;
    assert_eq!(read(&mut old).await, ["1 a"]);
    conn.close(4000, "elsewhere").expect("a code");
    let (mut new, conn) = node.connect().await;
    conn.join_from("news/1", seen).await.expect("it may");
    node.publish("b").await;
    assert_eq!(read(&mut new).await, ["2 b"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_any_more_is_told_with_its_reason() {
    let bus = MemoryBus::new();
    let mut node = Node::of(Hub::builder().adapter(bus.adapter()).recover_max(5));
    let first = node.publish("1").await;
    for number in 2..=20 {
        node.publish(&number.to_string()).await;
    }
    let (mut client, conn) = node.connect().await;
    let top = Position { offset: 20, ..first };
    for (from, why) in [(1, Lost::Trimmed), (10, Lost::Limit)] {
        let entered = conn.join_from("news/1", Position { offset: from, ..first }).await.expect("it may");
        assert_eq!((entered.missed, entered.position), (Err(why), Some(top)));
    }
    bus.forget_logs();
    let entered = conn.join_from("news/1", Position { offset: 25, ..first }).await.expect("it may");
    assert_eq!(entered.missed, Err(Lost::Epoch));
    assert_ne!(entered.position.expect("a log").epoch, first.epoch);
    assert_eq!(read(&mut client).await, [""; 0]);

    bus.set_link(node.hub.node(), Link::Down);
    let (mut client, conn) = node.connect().await;
    let entered = conn.join_from("news/2", first).await.expect("it may");
    assert_eq!((entered.missed, entered.position), (Err(Lost::Unavailable), None));
    bus.set_link(node.hub.node(), Link::Up);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(read(&mut client).await, ["lost: the log cannot be read"]);
    let stats = node.hub.stats().history;
    let told = (stats.lost_trimmed, stats.lost_limit, stats.lost_epoch, stats.lost_unavailable);
    assert_eq!(told, (1, 1, 1, 2), "each is counted");
}

#[tokio::test(start_paused = true)]
async fn the_last_so_many_are_given_at_a_first_join() {
    let mut node = Node::alone();
    for text in ["a", "b", "c"] {
        node.publish(text).await;
    }
    let (mut client, conn) = node.connect().await;
    assert_eq!(conn.join_from("news/1", ReadFrom::Last(2)).await.expect("it may").missed, Ok(()));
    assert_eq!(read(&mut client).await, ["2 b", "3 c"]);
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_repaired_by_the_node_and_in_a_quiet_room_within_five_seconds() {
    let bus = MemoryBus::new();
    let mut node = Node::on(&bus);
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    let mut lose = 1;
    bus.lose(move |_, _| std::mem::replace(&mut lose, 0) == 1);
    node.publish("lost").await;
    node.publish("seen").await;
    assert_eq!(read(&mut client).await, ["1 lost", "2 seen"]);

    bus.lose(|_, _| true);
    node.publish("the last").await;
    assert_eq!(read(&mut client).await, [""; 0]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(read(&mut client).await, ["3 the last"]);
    assert_eq!(node.hub.stats().history.lost_unavailable, 0);
}

#[tokio::test(start_paused = true)]
async fn after_an_interruption_every_room_is_checked_at_once() {
    let bus = MemoryBus::new();
    let (mut node, publisher) = (Node::on(&bus), Node::on(&bus));
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    bus.set_link(node.hub.node(), Link::Degraded);
    publisher.publish("a").await;
    assert_eq!(read(&mut client).await, [""; 0]);
    bus.set_link(node.hub.node(), Link::Up);
    assert_eq!(read(&mut client).await, ["1 a"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_begins_anew_is_told_on_open_connections_before_its_messages() {
    let bus = MemoryBus::new();
    let mut node = Node::on(&bus);
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    node.publish("a").await;
    bus.forget_logs();
    node.publish("b").await;
    node.publish("c").await;
    assert_eq!(read(&mut client).await, ["1 a", "lost: the log has begun anew", "1 b", "2 c"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_one_message_of_several_and_gives_its_position() {
    let mut node = Node::alone();
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    let target = node.hub.room("news/1").key("k");
    let first = target.publish("a").await.expect("the log takes it").position;
    assert_eq!(target.publish("a").await.expect("the log takes it").position, first);
    assert_eq!(read(&mut client).await, ["1 a"]);
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_not_accepted_says_whether_it_may_be_seen() {
    let bus = MemoryBus::new();
    let node = Node::on(&bus);
    let target = node.hub.room("news/1").key("k");
    bus.set_link(node.hub.node(), Link::Down);
    assert!(matches!(target.publish("a").await, Err(PublishError::Rejected(_))));
    bus.set_link(node.hub.node(), Link::Degraded);
    assert_eq!(target.publish("a").await, Err(PublishError::Unknown));
    assert_eq!(node.hub.room("news/1").send("b").await.not_logged, 1);
    bus.set_link(node.hub.node(), Link::Up);
    assert_eq!(target.publish("a").await.expect("up again").position.expect("history").offset, 1);
    let stats = node.hub.stats().history;
    assert_eq!((stats.accepted, stats.rejected, stats.unknown), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_sender_that_is_left_out_has_no_hole() {
    let mut node = Node::alone();
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    node.hub.room("news/1").except(&conn).publish("for others").await.expect("the log takes it");
    node.publish("for all").await;
    assert_eq!(read(&mut client).await, ["2 for all"]);
    assert_eq!(node.hub.stats().history.reads, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_peer_is_disconnected_whatever_its_handler_says_and_recovers() {
    let mut node = Node::alone();
    node.handler = node.handler.clone().slow_reader(SlowReader::DropOldest).outbox_limits(20_000, 1024);
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    let text = "x".repeat(9_000);
    let mut last = node.publish("first").await;
    assert_eq!(read(&mut client).await, ["1 first"]);
    // More than its outbox takes, which is dropped then: it would not know what of it came.
    for _ in 0..8 {
        last = node.publish(&text).await;
    }
    let mut seen = 1;
    loop {
        match client.next().await {
            Frame::Text(text) => {
                seen += 1;
                assert!(text.starts_with(&format!("{seen} ")));
            }
            Frame::Close(close) => break assert_eq!(close.expect("a code").0, 1013),
            other => panic!("{other:?}"),
        }
    }
    assert!(seen < 9, "{seen}");

    // What it missed is more than its outbox takes, and still it gets all of it.
    let (mut client, conn) = node.connect().await;
    let join = tokio::spawn(async move { conn.join_from("news/1", Position { offset: seen, ..last }).await });
    for offset in seen + 1..=9 {
        let Frame::Text(text) = client.next().await else { panic!("a text") };
        assert!(text.starts_with(&format!("{offset} ")), "{offset}");
    }
    assert_eq!(join.await.expect("no panic").expect("it may").missed, Ok(()));
    node.publish("newer").await;
    assert_eq!(read(&mut client).await, ["10 newer"]);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_come_back_at_once_cost_a_few_reads() {
    let bus = MemoryBus::new();
    let mut node = Node::on(&bus);
    let first = node.publish("0").await;
    for number in 1..10 {
        node.publish(&number.to_string()).await;
    }
    let mut joins = tokio::task::JoinSet::new();
    let mut clients = Vec::new();
    for number in 0..1000 {
        let (client, conn) = node.connect().await;
        clients.push((client, number % 10));
        let from = Position { offset: number % 10, ..first };
        joins.spawn(async move { conn.join_from("news/1", from).await });
    }
    while let Some(joined) = joins.join_next().await {
        assert_eq!(joined.expect("no panic").expect("it may").missed, Ok(()));
    }
    for (client, from) in &mut clients {
        assert_eq!(read(client).await.len() as u64, 10 - *from);
    }
    let reads = node.hub.stats().history.reads;
    assert!(reads <= 3, "{reads} reads");
}

#[tokio::test(start_paused = true)]
async fn a_room_without_history_has_none_to_give() {
    let mut node = Node::alone();
    let (_client, conn) = node.connect().await;
    let entered = conn.join_from("lobby", ReadFrom::Last(5)).await.expect("it may");
    assert_eq!((entered.position, entered.missed), (None, Err(Lost::Unavailable)));
    assert_eq!(node.hub.room("lobby").publish("hi").await.expect("no log").position, None);
}

#[tokio::test(start_paused = true)]
async fn a_message_for_several_rooms_goes_through_the_logs_of_those_that_have_one() {
    let mut node = Node::alone();
    let (mut client, conn) = node.connect().await;
    for room in ["lobby", "news/1", "news/2"] {
        conn.join(room).await.expect("it may");
    }
    let report = node.hub.rooms(["lobby", "news/1", "news/2"]).send("hi").await;
    assert_eq!((report.queued, report.not_logged), (1, 0));
    let mut seen = read(&mut client).await;
    seen.sort();
    assert_eq!(seen, ["1 hi", "1 hi", "hi"]);
}

#[tokio::test(start_paused = true)]
async fn who_joins_at_connect_gets_what_comes_from_then_on() {
    let mut node = Node::alone();
    node.publish("before").await;
    let mut client = connect_with(&node.handler, &request_with("/ws?room=news%2F1", &[])).await;
    node.opened.recv().await.expect("it opens");
    node.publish("after").await;
    assert_eq!(read(&mut client).await, ["2 after"]);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_is_no_node_writes_to_the_same_log() {
    let bus = MemoryBus::new();
    let mut node = Node::on(&bus);
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    let rules = Hub::builder().history("news/*", KEPT);
    let publisher = Publisher::connect_as(rules, bus.adapter()).await.expect("the bus is there");
    publisher.hub().room("news/1").publish("a").await.expect("the log takes it");
    assert_eq!(read(&mut client).await, ["1 a"]);
    let told_nothing = Publisher::connect(bus.adapter()).await.expect("the bus is there");
    let position = told_nothing.hub().room("news/1").publish("b").await.expect("the log takes it").position;
    assert_eq!(position.map(|at| at.offset), Some(2), "the node has said which rooms keep history");
    assert_eq!(read(&mut client).await, ["2 b"]);
    assert!(!told_nothing.hub().keeps_history("other"));
}

#[tokio::test(start_paused = true)]
async fn a_publisher_is_not_made_while_no_node_says_which_rooms_keep_history() {
    let bus = MemoryBus::new();
    let node = Node::on(&bus);
    let said_hello = Duration::from_millis(100);
    let (made, ()) = tokio::join!(Publisher::connect(bus.adapter()), async {
        tokio::time::sleep(said_hello).await;
        bus.set_link(node.hub.node(), Link::Degraded);
    });
    assert!(made.is_err(), "what it sends would go past the logs");
    let rules = Hub::builder().history("news/*", KEPT);
    assert!(Publisher::connect_as(rules, bus.adapter()).await.is_ok(), "it was told, and need not ask");
}

#[tokio::test(start_paused = true)]
async fn who_has_left_gets_nothing_more() {
    let bus = MemoryBus::new();
    let mut node = Node::on(&bus);
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    conn.leave("news/1").await;
    node.publish("a").await;
    assert_eq!(read(&mut client).await, [""; 0]);
    conn.join("news/1").await.expect("it may");
    node.publish("b").await;
    assert_eq!(read(&mut client).await, ["2 b"]);
}

/// The bus of one process, on which the logs of some rooms are never read.
struct Stuck(Memory);

#[async_trait]
impl Adapter for Stuck {
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>) {
        self.0.start(node, inbox);
    }

    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver> {
        self.0.publish(subject, packet)
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        self.0.flush().await
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        self.0.set_interest(subject, interested);
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        self.0.confirmed(subject).await
    }

    fn link(&self) -> Link {
        self.0.link()
    }

    fn traffic(&self) -> AdapterTraffic {
        self.0.traffic()
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn stop(&self) {
        self.0.stop().await;
    }
}

#[async_trait]
impl History for Stuck {
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        kept: Retention,
    ) -> Result<Position, AppendError> {
        self.0.append(room, entry, key, kept).await
    }

    async fn read(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        kept: Retention,
    ) -> Result<Slice, Unavailable> {
        if room.contains("stuck") {
            std::future::pending::<()>().await;
        }
        self.0.read(room, from, max, kept).await
    }

    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        self.0.tops(rooms).await
    }
}

#[tokio::test(start_paused = true)]
async fn rooms_whose_logs_cannot_be_read_hold_up_no_other() {
    let mut node = Node::of(Hub::builder().adapter(Stuck(MemoryBus::new().adapter())));
    let (mut client, conn) = node.connect().await;
    conn.join("news/1").await.expect("it may");
    let since = node.publish("a").await;
    assert_eq!(read(&mut client).await, ["1 a"]);
    // More than are read at the same time.
    let mut joins = tokio::task::JoinSet::new();
    for room in 0..40 {
        let conn = conn.clone();
        joins.spawn(async move { conn.join_from(&format!("news/stuck/{room}"), since).await });
    }
    settle().await;
    let began = Instant::now();
    node.publish("b").await;
    assert_eq!(read(&mut client).await, ["2 b"]);
    assert!(began.elapsed() < Duration::from_millis(100), "what is live waits for no read");
    let (mut other, late) = node.connect().await;
    late.join_from("news/1", since).await.expect("it may");
    assert_eq!(read(&mut other).await, ["2 b"]);
    assert!(began.elapsed() < Duration::from_millis(100), "what the node has needs none");
    let joined = late.join_from("news/2", since).await.expect("it may");
    assert_eq!(joined.missed, Err(Lost::Epoch));
    assert!(began.elapsed() < Duration::from_secs(4), "a read takes a second at most: {:?}", began.elapsed());
    for joined in joins.join_all().await {
        assert_eq!(joined.expect("it may").missed, Err(Lost::Unavailable));
    }
}
