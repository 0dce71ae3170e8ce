//! Taps of all nodes: what they show, what they miss, and that nobody passes anything on who is not asked any more.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use gustnado::{
    Connector, EventKind, Handler, Handshake, Hub, Publisher, Reject, TapEverywhere, TapFilter,
    adapter::{Link, MemoryBus, NodeId},
    async_trait,
};
use support::{Client, connect_with, request_with};
use tokio::time::{sleep, timeout};

struct Guest;

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let value = |name| handshake.query(name).map(std::borrow::Cow::into_owned);
        let (user, room) = (value("user"), value("room"));
        handshake.set_user(user.unwrap_or_default());
        handshake.join(&room.unwrap_or("lobby".into()))?;
        Ok(())
    }
}

/// A node, and how many previews it has made for others: it puts its number of them into each.
struct Node {
    hub: Hub,
    shown: Arc<AtomicUsize>,
}

impl Node {
    fn on(bus: &MemoryBus) -> Self {
        let shown = Arc::<AtomicUsize>::default();
        let count = shown.clone();
        let redact = move |text: &mut String| {
            count.fetch_add(1, Relaxed);
            *text = text.replace("secret", "***");
        };
        Self { hub: Hub::builder().adapter(bus.adapter()).redact(redact).build(), shown }
    }

    async fn connect(&self, query: &str) -> Client {
        let handler = Handler::new(|| Guest).hub(&self.hub);
        connect_with(&handler, &request_with(&format!("/ws?{query}"), &[])).await
    }

    /// Whether a message here is looked at for somebody elsewhere.
    async fn is_watched(&self) -> bool {
        // A hub finds out that a tap is gone by the next event.
        self.hub.everybody().send("!").await;
        let before = self.shown.load(Relaxed);
        self.hub.everybody().send("?").await;
        self.shown.load(Relaxed) > before
    }
}

/// What has come within a tenth of a second: who, where, and what, in short.
async fn events(tap: &mut TapEverywhere) -> Vec<(NodeId, String)> {
    let mut events = Vec::new();
    while let Ok(Some((node, event))) = timeout(Duration::from_millis(100), tap.next()).await {
        let what = match event.kind {
            EventKind::Opened => "opened".into(),
            EventKind::Joined { room, .. } => format!("joined {room}"),
            EventKind::Received(preview) => format!("received {}", preview.text),
            EventKind::Broadcast { preview, .. } => format!("broadcast {}", preview.text),
            EventKind::Link(_) | EventKind::NodeCame(_) => continue,
            other => format!("{other:?}"),
        };
        events.push((node, format!("{}: {what}", event.user.unwrap_or_default())));
    }
    events
}

async fn watching<const N: usize>(tap: &mut TapEverywhere, nodes: [&Node; N]) {
    let _ = events(tap).await;
    let mut expected = nodes.map(|node| node.hub.node());
    expected.sort_unstable();
    assert_eq!(tap.nodes(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_happens_on_each_node_is_seen_as_it_happens_and_redacted_there_and_here() {
    let bus = MemoryBus::new();
    let (one, other) = (Node::on(&bus), Node::on(&bus));
    let publisher = Publisher::connect(bus.adapter()).await.expect("the bus is there");
    let filter = TapFilter::default().room("lobby").redact(|text| *text = text.replace("word", "--"));
    let mut tap = publisher.hub().everywhere().tap(filter);
    watching(&mut tap, [&one, &other]).await;

    let mut ann = other.connect("user=ann").await;
    let _elsewhere = other.connect("user=cid&room=bar").await;
    ann.text("my secret word").await;
    let on = |node: &Node, what: &str| (node.hub.node(), what.to_owned());
    assert_eq!(
        events(&mut tap).await,
        [on(&other, "ann: joined lobby"), on(&other, "ann: received my *** --")]
    );
    one.hub.room("lobby").send("hello").await;
    let seen = events(&mut tap).await;
    let expected = [on(&one, ": broadcast hello"), on(&other, ": broadcast hello")];
    assert!(seen.len() == 2 && expected.iter().all(|event| seen.contains(event)), "{seen:?}");
    assert_eq!(tap.missed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_watches_itself_too_and_one_without_others_only_itself() {
    let bus = MemoryBus::new();
    let (one, other) = (Node::on(&bus), Node::on(&bus));
    let mut tap = one.hub.everywhere().tap(TapFilter::default().user("ann"));
    watching(&mut tap, [&one, &other]).await;
    let _here = one.connect("user=ann").await;
    let _there = other.connect("user=ann").await;
    let nodes: Vec<_> = events(&mut tap).await.into_iter().map(|(node, _)| node).collect();
    let (one_s, other_s) = (one.hub.node(), other.hub.node());
    assert_eq!((nodes.len(), nodes.contains(&one_s), nodes.contains(&other_s)), (4, true, true));

    let alone = Hub::new();
    let mut tap = alone.everywhere().tap(TapFilter::default());
    alone.everybody().send("hello").await;
    assert_eq!(events(&mut tap).await, [(alone.node(), ": broadcast hello".into())]);
    drop(alone);
    assert!(tap.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_a_reader_does_not_get_is_counted_whoever_had_no_room() {
    let bus = MemoryBus::new();
    let (one, other) = (Node::on(&bus), Node::on(&bus));
    let mut tap = one.hub.everywhere().tap(TapFilter::default().user("ann"));
    watching(&mut tap, [&one, &other]).await;
    // More than a tap holds.
    for _ in 0..5_000 {
        other.hub.user("ann").send("burst").await;
    }
    let first = events(&mut tap).await.len() as u64;
    assert!(first > 0 && first < 5_000, "{first}");
    // So slow that each node's tap has room, and this one has not.
    for _ in 0..50 {
        for _ in 0..256 {
            other.hub.user("ann").send("steady").await;
        }
        sleep(Duration::from_millis(100)).await;
    }
    // Batches that the link loses.
    bus.set_link(one.hub.node(), Link::Down);
    for _ in 0..5 {
        other.hub.user("ann").send("lost").await;
        sleep(Duration::from_millis(100)).await;
    }
    bus.set_link(one.hub.node(), Link::Up);
    let mut seen = first;
    for _ in 0..40 {
        seen += events(&mut tap).await.len() as u64;
    }
    assert_eq!(seen + tap.missed(), 5_000 + 50 * 256 + 5);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_joins_in_and_one_that_was_away_comes_back() {
    let bus = MemoryBus::new();
    let one = Node::on(&bus);
    let mut tap = one.hub.everywhere().tap(TapFilter::default());
    watching(&mut tap, [&one]).await;
    let other = Node::on(&bus);
    sleep(Duration::from_secs(1)).await;
    watching(&mut tap, [&one, &other]).await;
    bus.set_link(other.hub.node(), Link::Down);
    for _ in 0..15 {
        sleep(Duration::from_secs(1)).await;
        let _ = events(&mut tap).await;
    }
    watching(&mut tap, [&one]).await;
    assert!(!other.is_watched().await, "nobody has asked for ten seconds");
    bus.set_link(other.hub.node(), Link::Up);
    sleep(Duration::from_secs(1)).await;
    watching(&mut tap, [&one, &other]).await;
    assert!(other.is_watched().await);
}

#[tokio::test(start_paused = true)]
async fn who_stops_watching_gets_nothing_after_ten_seconds_and_its_place_is_free() {
    let bus = MemoryBus::new();
    let (one, other) = (Node::on(&bus), Node::on(&bus));
    let mut taps: Vec<_> = (0..17).map(|_| one.hub.everywhere().tap(TapFilter::default())).collect();
    let mut at_other = 0;
    for tap in &mut taps {
        let _ = events(tap).await;
        at_other += usize::from(tap.nodes().contains(&other.hub.node()));
    }
    assert_eq!(at_other, 16, "one more than a node serves");
    sleep(Duration::from_secs(20)).await;
    assert!(other.is_watched().await, "it is asked for again and again");
    taps.truncate(0);
    sleep(Duration::from_secs(11)).await;
    assert!(!other.is_watched().await);
    let mut tap = one.hub.everywhere().tap(TapFilter::default());
    watching(&mut tap, [&one, &other]).await;
}
