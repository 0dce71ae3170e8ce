//! Presence: who is in a room, on every node, and who is told when.

mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use gustnado::{
    Conn, Connector, Disconnect, EventKind, Handler, Handshake, Hub, HubBuilder, Reject, Shutdown, Tap,
    TapFilter,
    adapter::{Link, MemoryBus, Subject},
    async_trait,
};
use support::{Client, connect_with, request_with};
use tokio::{sync::mpsc, time::sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Joins the rooms of its query, and tells the test that it is open.
struct Guest(mpsc::Sender<Conn>);

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let value = |name| handshake.query(name).map(std::borrow::Cow::into_owned);
        let (user, rooms, device) = (value("user"), value("rooms").unwrap_or_default(), value("device"));
        if let Some(user) = user {
            handshake.set_user(user);
        }
        if let Some(device) = device {
            handshake.set_metadata("device", device);
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

struct Node {
    hub: Hub,
    handler: Handler,
    opened: mpsc::Receiver<Conn>,
    tap: Tap,
}

impl Node {
    /// Every room has presence, and who is gone has two seconds to come back.
    fn new(bus: &MemoryBus) -> Self {
        Self::with(bus, Hub::builder().presence_in(|_| true).presence_grace(2 * SECOND))
    }

    fn with(bus: &MemoryBus, hub: HubBuilder) -> Self {
        let (sender, opened) = mpsc::channel(1024);
        let hub = hub.adapter(bus.adapter()).build();
        let handler = Handler::new(move || Guest(sender.clone())).hub(&hub);
        let tap = hub.tap(TapFilter::default().capacity(10_000));
        Self { hub, handler, opened, tap }
    }

    async fn connect(&mut self, query: &str) -> (Client, Conn) {
        let client = connect_with(&self.handler, &request_with(&format!("/ws?{query}"), &[])).await;
        (client, self.opened.recv().await.expect("it opens"))
    }

    /// Who came (`+ann`) and went (`-ann`) in the lobby since this was last asked.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.tap.try_next() {
            if let EventKind::Presence { room, online, .. } = event.kind
                && room == "lobby"
            {
                let sign = if online { '+' } else { '-' };
                told.push(format!("{sign}{}", event.user.expect("a user")));
            }
        }
        told
    }

    /// How many connections each user has in the lobby.
    fn lobby(&self) -> BTreeMap<String, usize> {
        let users = self.hub.presence("lobby").into_iter();
        users.map(|(user, devices)| (user, devices.len())).collect()
    }
}

fn users<const N: usize>(users: [(&str, usize); N]) -> BTreeMap<String, usize> {
    users.map(|(user, devices)| (user.to_owned(), devices)).into()
}

/// Lets everything that was handed over arrive.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn every_node_with_a_member_knows_all_members_and_a_second_device_is_no_news() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (_ann, phone) = one.connect("user=ann&rooms=lobby&device=phone").await;
    settle().await;
    let (_bob, _) = other.connect("user=bob&rooms=lobby").await;
    let (_ann2, laptop) = other.connect("user=ann&rooms=lobby&device=laptop").await;
    let (_nobody, stranger) = other.connect("rooms=lobby").await;
    settle().await;
    let stranger = stranger.id().to_string();
    let expected = users([("ann", 2), ("bob", 1), (&stranger, 1)]);
    assert_eq!((one.lobby(), other.lobby()), (expected.clone(), expected));
    assert_eq!(one.told(), ["+ann".to_owned(), "+bob".to_owned(), format!("+{stranger}")]);
    let mut told = other.told();
    told.sort();
    let mut expected = ["+ann".to_owned(), "+bob".to_owned(), format!("+{stranger}")];
    expected.sort();
    assert_eq!(told, expected);

    let mut devices: Vec<_> =
        one.hub.presence("lobby")["ann"].iter().map(|it| (it.meta["device"].clone(), it.id)).collect();
    devices.sort();
    assert_eq!(devices, [("laptop".to_owned(), laptop.id()), ("phone".to_owned(), phone.id())]);

    laptop.leave("lobby").await;
    settle().await;
    assert_eq!((one.told(), one.lobby()["ann"]), (vec![], 1), "the phone is still there");
    phone.leave("lobby").await;
    settle().await;
    assert_eq!(other.told(), ["-ann"]);
    assert_eq!(one.lobby(), users([]), "without a member here it is not this node's affair");
}

#[tokio::test(start_paused = true)]
async fn who_comes_to_a_room_hears_of_those_who_may_still_come_back_to_another_node() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (ann, _) = one.connect("user=ann&rooms=lobby").await;
    drop(ann);
    settle().await;
    let (_bob, _) = other.connect("user=bob&rooms=lobby").await;
    settle().await;
    assert_eq!(other.lobby(), users([("ann", 1), ("bob", 1)]));
    let (_ann, _) = one.connect("user=ann&rooms=lobby").await;
    sleep(3 * SECOND).await;
    assert_eq!(other.lobby(), users([("ann", 1), ("bob", 1)]));
    let mut told = other.told();
    told.sort();
    assert_eq!(told, ["+ann", "+bob"], "she has neither gone nor come");
}

#[tokio::test(start_paused = true)]
async fn a_node_hears_nothing_of_a_room_once_nobody_may_come_back_to_it() {
    let bus = MemoryBus::new();
    let (mut one, other) = (Node::new(&bus), Node::new(&bus));
    let (ann, _) = one.connect("user=ann&rooms=lobby").await;
    let (bob, conn) = one.connect("user=bob&rooms=garden").await;
    settle().await;
    conn.leave("garden").await;
    drop(ann);
    sleep(3 * SECOND).await;
    let heard = |hub: &Hub| hub.stats().cluster.map(|it| it.deeds + it.nobody);
    let before = heard(&one.hub);
    other.hub.room("lobby").send("anybody?").await;
    other.hub.room("garden").send("anybody?").await;
    settle().await;
    assert_eq!(heard(&one.hub), before);
    drop(bob);
}

#[tokio::test(start_paused = true)]
async fn who_connects_again_within_the_grace_time_has_neither_gone_nor_come() {
    let bus = MemoryBus::new();
    let (mut one, mut other, mut third) = (Node::new(&bus), Node::new(&bus), Node::new(&bus));
    let (_eve, _) = third.connect("user=eve&rooms=lobby").await;
    let (ann, _) = one.connect("user=ann&rooms=lobby").await;
    settle().await;
    assert_eq!(third.told(), ["+eve", "+ann"]);

    drop(ann);
    sleep(SECOND).await;
    let (mut ann, _) = other.connect("user=ann&rooms=lobby").await;
    sleep(10 * SECOND).await;
    assert_eq!((third.told(), third.lobby()), (vec![], users([("ann", 1), ("eve", 1)])));

    ann.bye().await;
    sleep(SECOND).await;
    let (ann, conn) = other.connect("user=ann&rooms=lobby").await;
    sleep(10 * SECOND).await;
    assert_eq!((third.told(), other.lobby()), (vec![], users([("ann", 1), ("eve", 1)])), "the same node");

    conn.leave("lobby").await;
    settle().await;
    assert_eq!(third.told(), ["-ann"], "who leaves has gone at once");
    conn.join("lobby").await.expect("it may");
    drop(ann);
    sleep(3 * SECOND).await;
    assert_eq!(third.told(), ["+ann", "-ann"]);
    assert_eq!((one.lobby(), other.lobby()), (users([]), users([])));
}

#[tokio::test(start_paused = true)]
async fn the_members_of_a_dead_node_are_gone_within_ten_seconds_once_each_and_may_return() {
    let bus = MemoryBus::new();
    let (mut one, mut dead) = (Node::new(&bus), Node::new(&bus));
    let (_eve, _) = one.connect("user=eve&rooms=lobby").await;
    let (_phone, _) = one.connect("user=ann&rooms=lobby").await;
    let mut clients = Vec::new();
    for user in ["ann", "bob", "bob", "cat"] {
        clients.push(dead.connect(&format!("user={user}&rooms=lobby")).await);
    }
    settle().await;
    one.told();
    bus.set_link(dead.hub.node(), Link::Down);
    sleep(10 * SECOND).await;
    let mut told = one.told();
    told.sort();
    assert_eq!(told, ["-bob", "-cat"]);
    assert_eq!(one.lobby(), users([("ann", 1), ("eve", 1)]));

    clients.pop();
    sleep(5 * SECOND).await;
    bus.set_link(dead.hub.node(), Link::Up);
    settle().await;
    let all = users([("ann", 2), ("bob", 2), ("eve", 1)]);
    assert_eq!((one.lobby(), dead.lobby(), one.told()), (all.clone(), all, vec!["+bob".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn the_members_of_a_node_that_stops_have_the_grace_time_to_come_to_another() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (_eve, _) = one.connect("user=eve&rooms=lobby").await;
    let (mut ann, _) = other.connect("user=ann&rooms=lobby").await;
    let (mut bob, _) = other.connect("user=bob&rooms=lobby").await;
    settle().await;
    assert_eq!(one.told(), ["+eve", "+ann", "+bob"]);
    let hub = other.hub.clone();
    let stopped = tokio::spawn(async move { hub.shutdown(Shutdown::default()).await });
    for client in [&mut ann, &mut bob] {
        client.next().await;
        client.close(1001, "").await;
    }
    stopped.await.expect("it stops");
    let (_ann, _) = one.connect("user=ann&rooms=lobby").await;
    sleep(3 * SECOND).await;
    assert_eq!((one.told(), one.lobby()), (vec!["-bob".to_owned()], users([("ann", 1), ("eve", 1)])));
}

#[tokio::test(start_paused = true)]
async fn whatever_is_lost_all_nodes_agree_ten_seconds_after() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (_eve, _) = one.connect("user=eve&rooms=lobby").await;
    let (ann, _) = other.connect("user=ann&rooms=lobby").await;
    settle().await;
    bus.lose(|_, subject| matches!(subject, Subject::Room(_) | Subject::Node(_)));
    let (_bob, _) = other.connect("user=bob&rooms=lobby").await;
    drop(ann);
    let (_cat, _) = one.connect("user=cat&rooms=lobby").await;
    sleep(20 * SECOND).await;
    assert_eq!(one.lobby(), users([("ann", 1), ("cat", 1), ("eve", 1)]));
    bus.lose_nothing();
    sleep(10 * SECOND).await;
    let all = users([("bob", 1), ("cat", 1), ("eve", 1)]);
    assert_eq!((one.lobby(), other.lobby()), (all.clone(), all));
    assert_eq!(one.told(), ["+eve", "+ann", "+cat", "+bob", "-ann"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_hears_only_of_rooms_where_it_has_a_member() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let seen = Arc::new(AtomicBool::new(false));
    let (saw, node) = (seen.clone(), other.hub.node());
    bus.lose(move |to, subject| {
        saw.fetch_or(to == node && *subject == Subject::room("lobby"), Relaxed);
        false
    });
    let (_eve, _) = other.connect("user=eve&rooms=elsewhere").await;
    settle().await;
    let (_ann, conn) = one.connect("user=ann&rooms=lobby").await;
    sleep(20 * SECOND).await;
    assert_eq!((other.told(), other.lobby(), seen.load(Relaxed)), (vec![], users([]), false));
    let (_bob, bob) = other.connect("user=bob&rooms=lobby").await;
    settle().await;
    assert_eq!(other.lobby(), users([("ann", 1), ("bob", 1)]));
    bob.leave("lobby").await;
    conn.leave("lobby").await;
    settle().await;
    assert_eq!(other.told().len(), 3, "who comes and goes, until it has none any more");
}

#[tokio::test(start_paused = true)]
async fn rooms_without_presence_cost_nothing() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (
        Node::with(&bus, Hub::builder().presence_in(|room| room == "lobby")),
        Node::with(&bus, Hub::builder()),
    );
    settle().await;
    let before = one.hub.stats().cluster.expect("an adapter").adapter.published;
    let (_ann, _) = one.connect("user=ann&rooms=bar").await;
    let (_bob, _) = other.connect("user=bob&rooms=bar,lobby").await;
    settle().await;
    assert_eq!(one.hub.stats().cluster.expect("an adapter").adapter.published, before);
    assert!(one.hub.presence("bar").is_empty() && other.hub.presence("lobby").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_room_of_hundreds_comes_in_parts_to_who_joins_it_first() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let mut clients = Vec::new();
    for user in 0..600 {
        clients.push(one.connect(&format!("user=u{user}&rooms=lobby")).await);
    }
    let (_eve, _) = other.connect("user=eve&rooms=lobby").await;
    settle().await;
    assert_eq!((other.lobby().len(), one.lobby().len()), (601, 601));
}

#[tokio::test(start_paused = true)]
async fn a_hub_alone_has_presence_too() {
    let (sender, mut opened) = mpsc::channel(8);
    let hub = Hub::builder().presence_in(|_| true).presence_grace(SECOND).build();
    let handler = Handler::new(move || Guest(sender.clone())).hub(&hub);
    let client = connect_with(&handler, &request_with("/ws?user=ann&rooms=lobby", &[])).await;
    opened.recv().await.expect("it opens");
    assert_eq!(hub.presence("lobby").len(), 1);
    drop(client);
    sleep(SECOND / 2).await;
    assert_eq!(hub.presence("lobby").len(), 1, "it may come back");
    sleep(SECOND).await;
    assert!(hub.presence("lobby").is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_was_stopped_for_a_while_gives_nobody_up_for_it() {
    let bus = MemoryBus::new();
    let (mut one, mut other) = (Node::new(&bus), Node::new(&bus));
    let (_ann, _) = one.connect("user=ann&rooms=lobby").await;
    let (_bob, _) = other.connect("user=bob&rooms=lobby").await;
    settle().await;
    one.told();
    // The clock jumps, as it does for a process that was frozen.
    tokio::time::advance(20 * SECOND).await;
    sleep(10 * SECOND).await;
    let all = users([("ann", 1), ("bob", 1)]);
    assert_eq!((one.told(), one.lobby(), other.lobby()), (vec![], all.clone(), all));
    assert_eq!(one.hub.nodes(), [other.hub.node()]);
}
