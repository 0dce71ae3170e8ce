//! What every [`Adapter`] holds: cases for the test suites of engines.
//!
//! ```
//! # use gustnado::testing::adapter::{self, Engine};
//! # async fn example(engine: &dyn Engine) {
//! adapter::all(engine).await; // panics where the engine does otherwise
//! adapter::all_with_cuts(engine).await;
//! # }
//! ```
//!
//! Each case uses subjects of its own, and needs no empty engine.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::{
    adapter::{
        Adapter, Inbox, Link, NodeId, NotHandedOver, Position, ReadFrom, Retention, Subject, Unavailable,
    },
    random::random,
};

/// What the suite needs of an engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// An adapter of one more node.
    fn adapter(&self) -> Arc<dyn Adapter>;

    /// The largest packet that an adapter takes, if there is a limit.
    fn max_packet(&self) -> Option<usize> {
        Some(1024 * 1024)
    }

    /// Takes the engine away from all nodes. Returns when it is gone.
    async fn cut(&self) {}

    /// Brings it back. Returns when it serves.
    async fn mend(&self) {}
}

/// As long as a case waits for what has to come.
const SOON: Duration = Duration::from_secs(10);

/// Every case that leaves the engine as it is, one after the other.
///
/// # Panics
///
/// Where the adapter does not hold what the case says.
pub async fn all(engine: &dyn Engine) {
    packets_come_by_subject_and_not_otherwise(engine).await;
    own_packets_come_back(engine).await;
    packets_of_a_node_keep_their_order(engine).await;
    the_last_interest_counts(engine).await;
    interest_that_is_not_there_is_never_confirmed(engine).await;
    every_name_is_a_subject_of_its_own(engine).await;
    large_packets_come_and_larger_ones_are_refused(engine).await;
    a_flush_ends_within_a_second(engine).await;
    traffic_adds_up(engine).await;
    nothing_comes_after_a_stop(engine).await;
    it_may_be_dropped_while_it_tells(engine).await;
    entries_come_to_whom_is_interested(engine).await;
}

/// Every case that takes the engine away meanwhile, one after the other.
///
/// # Panics
///
/// Where the adapter does not hold what the case says.
pub async fn all_with_cuts(engine: &dyn Engine) {
    publishing_while_the_engine_is_away_fails_at_once(engine).await;
    subscriptions_are_back_before_the_interruption_is_told(engine).await;
    interest_that_changes_during_a_cut_counts_after_it(engine).await;
    a_node_that_starts_during_a_cut_comes_up_after_it(engine).await;
}

/// A packet comes to the nodes that are interested in its subject, once, and to no other.
pub async fn packets_come_by_subject_and_not_otherwise(engine: &dyn Engine) {
    let (one, two) = (Node::up(engine).await, Node::up(engine).await);
    let (room, other) = (subject("room"), subject("room"));
    one.listen(&room).await;
    two.listen(&other).await;
    two.publish(&room, "to one");
    two.publish(&other, "to two");
    two.publish(&room, "again");
    assert_eq!(one.next().await, (room.clone(), "to one".into()));
    assert_eq!(one.next().await, (room.clone(), "again".into()));
    assert_eq!(two.next().await, (other, "to two".into()));
    for node in [one, two] {
        node.has_nothing_else().await;
    }
}

/// A node that is interested gets what it published itself.
pub async fn own_packets_come_back(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    for subject in [subject("room"), Subject::user(&unique("ann")), Subject::Node(node.id)] {
        node.listen(&subject).await;
        node.publish(&subject, "hi");
        assert_eq!(node.next().await, (subject, "hi".into()));
    }
}

/// Packets of one subject come in the order in which one node published them, none twice.
pub async fn packets_of_a_node_keep_their_order(engine: &dyn Engine) {
    let (publisher, listener) = (Node::up(engine).await, Node::up(engine).await);
    let room = subject("order");
    listener.listen(&room).await;
    for number in 0..2_000 {
        publisher.publish(&room, &number.to_string());
    }
    for number in 0..2_000 {
        assert_eq!(listener.next().await.1, number.to_string());
    }
    listener.has_nothing_else().await;
}

/// However often it is changed, and however fast.
pub async fn the_last_interest_counts(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    let (on, off) = (subject("on"), subject("off"));
    for interested in [true, false, true, false, true] {
        node.adapter.set_interest(&on, interested);
        node.adapter.set_interest(&off, !interested);
    }
    node.adapter.confirmed(&on).await.expect("interest");
    node.publish(&off, "not wanted");
    node.publish(&on, "wanted");
    assert_eq!(node.next().await, (on.clone(), "wanted".into()));
    node.adapter.set_interest(&on, false);
    node.adapter.set_interest(&off, true);
    node.adapter.confirmed(&off).await.expect("interest");
    node.publish(&on, "not wanted");
    node.publish(&off, "wanted");
    assert_eq!(node.next().await, (off, "wanted".into()));
    node.has_nothing_else().await;
}

/// But it is told within a second that it is not.
pub async fn interest_that_is_not_there_is_never_confirmed(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    assert_eq!(within_a_second(node.adapter.confirmed(&subject("none"))).await, Err(Unavailable));
}

/// Names may have any character, and may differ in one.
pub async fn every_name_is_a_subject_of_its_own(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    let base = unique("");
    let odd =
        ["", "a", "A", "a b", "a.b", "a/b", "a:b", "{a}", "}{", "*", "a.*", ">", "?", "[a]", "\\", "%61"];
    let odd =
        odd.into_iter().chain(["\r\n", "\t", "\0", "\u{7f}", "ä", "a\u{308}", "\u{1f32a}", "\"", "'", "$"]);
    let names: Vec<String> = odd.map(|odd| format!("{base}{odd}")).chain([base.repeat(20)]).collect();
    let subjects = names.iter().flat_map(|name| [Subject::room(name), Subject::user(name)]);
    let subjects: Vec<_> = subjects.collect();
    for subject in &subjects {
        node.adapter.set_interest(subject, true);
    }
    for subject in &subjects {
        node.adapter.confirmed(subject).await.expect("interest");
    }
    for (number, subject) in subjects.iter().enumerate() {
        node.publish(subject, &number.to_string());
    }
    let mut left: HashMap<_, _> =
        subjects.iter().enumerate().map(|(number, subject)| (subject.clone(), number.to_string())).collect();
    while !left.is_empty() {
        let (subject, text) = node.next().await;
        assert_eq!(left.remove(&subject), Some(text), "{subject:?}");
    }
    node.has_nothing_else().await;
}

/// Up to the limit, with every byte; beyond it the publisher is told, and the link stays.
pub async fn large_packets_come_and_larger_ones_are_refused(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    let room = subject("large");
    node.listen(&room).await;
    let packet: Bytes = (0..engine.max_packet().unwrap_or(1024 * 1024)).map(|place| place as u8).collect();
    for packet in [packet.clone(), Bytes::new()] {
        node.adapter.publish(&room, packet.clone()).expect("the adapter takes it");
        assert!(node.inbox.next().await.1 == packet, "another packet of {} bytes", packet.len());
    }
    if engine.max_packet().is_some() {
        let larger = [&packet[..], b"1"].concat().into();
        assert_eq!(node.adapter.publish(&room, larger), Err(NotHandedOver::TooLarge));
    }
    node.publish(&room, "after");
    assert_eq!(node.next().await.1, "after");
    assert_eq!(node.adapter.link(), Link::Up);
}

/// What was published before it is with the engine after it.
pub async fn a_flush_ends_within_a_second(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    let room = subject("flush");
    for _ in 0..1_000 {
        node.publish(&room, "packet");
    }
    assert_eq!(within_a_second(node.adapter.flush()).await, Ok(()));
    assert_eq!(node.adapter.traffic().queued_bytes, 0);
    assert_eq!(within_a_second(node.adapter.flush()).await, Ok(()), "with nothing to flush");
}

/// What was handed over is published, what was not is refused, and what came is received.
pub async fn traffic_adds_up(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    let room = subject("traffic");
    node.listen(&room).await;
    for _ in 0..10 {
        node.publish(&room, "packet");
    }
    if let Some(max) = engine.max_packet() {
        node.adapter.publish(&room, Bytes::from(vec![0; max + 1])).expect_err("too large");
    }
    for _ in 0..10 {
        node.next().await;
    }
    node.adapter.flush().await.expect("the engine is there");
    let traffic = node.adapter.traffic();
    assert_eq!(
        (traffic.published, traffic.refused, traffic.received),
        (10, u64::from(engine.max_packet().is_some()), 10)
    );
    assert_eq!((traffic.lost, traffic.queued_bytes), (0, 0));
}

/// What was published before a stop comes to others; the node itself gets nothing more, and hands nothing over.
pub async fn nothing_comes_after_a_stop(engine: &dyn Engine) {
    let (stopped, other) = (Node::up(engine).await, Node::up(engine).await);
    let room = subject("stop");
    stopped.listen(&room).await;
    other.listen(&room).await;
    stopped.publish(&room, "last words");
    within_a_second(stopped.adapter.stop()).await;
    assert_eq!(other.next().await.1, "last words");
    let before = stopped.inbox.0.lock().packets.len();
    other.publish(&room, "anybody?");
    assert_eq!(other.next().await.1, "anybody?");
    assert_eq!(stopped.inbox.0.lock().packets.len(), before);
    let refused = stopped.adapter.publish(&room, Bytes::new());
    assert_eq!(refused, Err(NotHandedOver::Down));
    assert_eq!(stopped.adapter.link(), Link::Down);
}

/// By what it tells: a packet may be what lets go of the last hub.
pub async fn it_may_be_dropped_while_it_tells(engine: &dyn Engine) {
    struct Owner(Mutex<Option<Arc<dyn Adapter>>>, Notify);

    impl Inbox for Owner {
        fn packet(&self, _: &Subject, _: Bytes) {
            drop(self.0.lock().take());
            self.1.notify_one();
        }

        fn entry(&self, _: &str, _: Position, _: Bytes) {}
        fn link_changed(&self, _: Link) {}
        fn interrupted(&self) {}
    }

    let (other, adapter) = (Node::up(engine).await, engine.adapter());
    let owner = Arc::new(Owner(Mutex::default(), Notify::new()));
    let room = subject("drop");
    adapter.start(NodeId::new(random() as u64), owner.clone());
    adapter.set_interest(&room, true);
    let confirmed = async { while adapter.confirmed(&room).await.is_err() {} };
    timeout(SOON, confirmed).await.expect("interest");
    *owner.0.lock() = Some(adapter);
    other.publish(&room, "go");
    timeout(SOON, owner.1.notified()).await.expect("it is dropped");
}

/// What is appended to a room's log comes to the nodes that are interested in the room, as an entry with its position;
/// a repeated key brings it once. For engines that keep logs.
pub async fn entries_come_to_whom_is_interested(engine: &dyn Engine) {
    let (one, two) = (Node::up(engine).await, Node::up(engine).await);
    let Some(history) = two.adapter.history() else { return };
    let name = unique("log");
    let kept = Retention::last(10);
    one.listen(&Subject::room(&name)).await;
    let mut expected = Vec::new();
    for number in 0..3 {
        let entry = Bytes::from(format!("\0{number}"));
        for _ in 0..2 {
            let key = number.to_string();
            let position = history.append(&name, entry.clone(), Some(&key), kept).await;
            let position = position.expect("the engine is there");
            expected.push((name.clone(), position, entry.clone()));
        }
    }
    expected.dedup();
    assert_eq!(expected.len(), 3);
    one.inbox.until("three entries", |heard| heard.entries.len() == 3).await;
    assert_eq!(one.inbox.0.lock().entries, expected);
    let slice = history.read(&name, ReadFrom::Last(9), 9, kept).await.expect("the engine is there");
    let logged: Vec<_> = expected.into_iter().map(|(_, position, entry)| (position.offset, entry)).collect();
    assert_eq!(slice.entries, Ok(logged));
    one.has_nothing_else().await;
    two.has_nothing_else().await;
}

/// The link is down within a second, and then a publish waits for nothing.
pub async fn publishing_while_the_engine_is_away_fails_at_once(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    let room = subject("away");
    engine.cut().await;
    let noticed = Instant::now();
    node.inbox.until("down", |heard| heard.link == Some(Link::Down)).await;
    assert!(noticed.elapsed() < Duration::from_millis(1_500), "noticed after {:?}", noticed.elapsed());
    let before = Instant::now();
    assert_eq!(node.adapter.publish(&room, "lost".into()), Err(NotHandedOver::Down));
    assert!(before.elapsed() < Duration::from_millis(50));
    assert_eq!(within_a_second(node.adapter.flush()).await, Err(Unavailable));
    assert_eq!(within_a_second(node.adapter.confirmed(&room)).await, Err(Unavailable));
    assert_eq!(node.adapter.link(), Link::Down);
    assert_eq!(node.adapter.traffic().queued_bytes, 0);
    engine.mend().await;
    node.inbox.until("up", |heard| heard.link == Some(Link::Up)).await;
    assert!(node.adapter.traffic().reconnects > 0);
    node.adapter.publish(&room, "not lost".into()).expect("the link is up");
}

/// When the interruption is told every subscription works, and it is told once.
pub async fn subscriptions_are_back_before_the_interruption_is_told(engine: &dyn Engine) {
    let (publisher, listener) = (Node::up(engine).await, Node::up(engine).await);
    let rooms: Vec<_> = (0..200).map(|_| subject("back")).collect();
    for room in &rooms {
        listener.adapter.set_interest(room, true);
    }
    for room in &rooms {
        listener.adapter.confirmed(room).await.expect("interest");
    }
    assert_eq!(listener.inbox.0.lock().interruptions, 0, "nothing was cut yet");
    engine.cut().await;
    for node in [&publisher, &listener] {
        node.inbox.until("down", |heard| heard.link == Some(Link::Down)).await;
    }
    engine.mend().await;
    publisher.inbox.until("up", |heard| heard.link == Some(Link::Up)).await;
    listener.inbox.until("interrupted", |heard| heard.interruptions == 1).await;
    for room in &rooms {
        publisher.publish(room, "back");
    }
    listener.inbox.until("every packet", |heard| heard.packets.len() == rooms.len()).await;
    assert_eq!(listener.inbox.0.lock().interruptions, 1);
}

/// Interest that comes and goes while the engine is away is as it was told last.
pub async fn interest_that_changes_during_a_cut_counts_after_it(engine: &dyn Engine) {
    let node = Node::up(engine).await;
    let (gone, come) = (subject("gone"), subject("come"));
    node.listen(&gone).await;
    engine.cut().await;
    node.inbox.until("down", |heard| heard.link == Some(Link::Down)).await;
    node.adapter.set_interest(&gone, false);
    node.adapter.set_interest(&come, true);
    engine.mend().await;
    node.inbox.until("up", |heard| heard.link == Some(Link::Up)).await;
    node.adapter.confirmed(&come).await.expect("interest");
    node.publish(&gone, "not wanted");
    node.publish(&come, "wanted");
    assert_eq!(node.next().await, (come, "wanted".into()));
    node.has_nothing_else().await;
}

/// A node need not start after its engine.
pub async fn a_node_that_starts_during_a_cut_comes_up_after_it(engine: &dyn Engine) {
    engine.cut().await;
    let node = Node::start(engine);
    let room = subject("early");
    node.adapter.set_interest(&room, true);
    assert_eq!(node.adapter.publish(&room, "too early".into()), Err(NotHandedOver::Down));
    engine.mend().await;
    node.inbox.until("up", |heard| heard.link == Some(Link::Up)).await;
    node.publish(&room, "hello");
    assert_eq!(node.next().await, (room, "hello".into()));
    assert_eq!(node.inbox.0.lock().interruptions, 0);
}

async fn within_a_second<T>(future: impl Future<Output = T>) -> T {
    // Half a second more, for machines that are busy.
    timeout(Duration::from_millis(1_500), future).await.expect("it ends within a second")
}

fn subject(name: &str) -> Subject {
    Subject::room(&unique(name))
}

/// A name that nobody has used before.
fn unique(name: &str) -> String {
    format!("{name}-{:032x}", random())
}

/// An adapter and what it told.
struct Node {
    id: NodeId,
    adapter: Arc<dyn Adapter>,
    inbox: Arc<Heard>,
}

impl Node {
    fn start(engine: &dyn Engine) -> Self {
        let (id, adapter, inbox) = (NodeId::new(random() as u64), engine.adapter(), Arc::<Heard>::default());
        adapter.start(id, inbox.clone());
        Self { id, adapter, inbox }
    }

    async fn up(engine: &dyn Engine) -> Self {
        let node = Self::start(engine);
        node.inbox.until("up", |heard| heard.link == Some(Link::Up)).await;
        node
    }

    async fn listen(&self, subject: &Subject) {
        self.adapter.set_interest(subject, true);
        self.adapter.confirmed(subject).await.expect("the engine is there");
    }

    fn publish(&self, subject: &Subject, text: &str) {
        self.adapter.publish(subject, Bytes::copy_from_slice(text.as_bytes())).expect("the engine is there");
    }

    async fn next(&self) -> (Subject, String) {
        let (subject, packet) = self.inbox.next().await;
        (subject, String::from_utf8_lossy(&packet).into_owned())
    }

    /// What is published to the node itself comes after everything else that was on its way.
    async fn has_nothing_else(&self) {
        let itself = Subject::Node(self.id);
        self.listen(&itself).await;
        self.publish(&itself, "nothing else");
        assert_eq!(self.next().await, (itself.clone(), "nothing else".into()));
        self.adapter.set_interest(&itself, false);
    }
}

/// Everything that an inbox was told and nobody has taken yet.
#[derive(Default)]
struct Told {
    packets: std::collections::VecDeque<(Subject, Bytes)>,
    entries: Vec<(String, Position, Bytes)>,
    link: Option<Link>,
    interruptions: usize,
}

#[derive(Default)]
struct Heard(Mutex<Told>, Notify);

impl Heard {
    async fn until(&self, what: &str, holds: impl Fn(&Told) -> bool) {
        let wait = async {
            loop {
                let told = self.1.notified();
                if holds(&self.0.lock()) {
                    return;
                }
                told.await;
            }
        };
        timeout(SOON, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }

    async fn next(&self) -> (Subject, Bytes) {
        self.until("a packet", |told| !told.packets.is_empty()).await;
        self.0.lock().packets.pop_front().expect("it was there")
    }

    fn note(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.lock());
        self.1.notify_one();
    }
}

impl Inbox for Heard {
    fn packet(&self, subject: &Subject, packet: Bytes) {
        self.note(|told| told.packets.push_back((subject.clone(), packet)));
    }

    fn entry(&self, room: &str, position: Position, entry: Bytes) {
        self.note(|told| told.entries.push((room.to_owned(), position, entry)));
    }

    fn link_changed(&self, link: Link) {
        self.note(|told| told.link = Some(link));
    }

    fn interrupted(&self) {
        self.note(|told| told.interruptions += 1);
    }
}
