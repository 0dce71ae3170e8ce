//! Rooms with history under faults: random schedules of dying nodes, cut links, lost packets and logs that begin anew, over
//! the bus of one process under virtual time, each held against the rules of delivery. And engines with a bug, which
//! must be caught.
//!
//! `GUSTNADO_SCHEDULES=5000 cargo nextest run --all-features --test recovery` runs more of them.

mod checker;
mod support;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use checker::{
    Findings, Sink, What, check,
    workload::{self, Io, Phase, World},
};
use gustnado::{
    Handler, Hub, Shutdown,
    adapter::{
        Adapter, AdapterTraffic, AppendError, Epoch, Gap, History, Inbox, Link, Memory, MemoryBus, NodeId,
        NotHandedOver, Position, ReadFrom, Retention, Slice, Subject, Unavailable,
    },
    async_trait,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

const NODES: usize = 3;
const ROOMS: [&str; 2] = ["news/1", "news/2"];

/// How long things break, until all is mended, until clients are calm, and until the end.
const BROKEN: u64 = 12_000;
const HEALED: u64 = 31_000;
const LAST: u64 = 7_000;

/// What is wrong with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// It begins anew under the same epoch.
    ReusesOffsets,
    /// It says that a subscription is confirmed ten seconds before it is, and cannot tell where logs end.
    ReadsBeforeSubscribing,
    /// It counts the entries that come itself, and cannot tell where logs end.
    SkipsTheContiguityCheck,
}

struct Node {
    hub: Hub,
    handler: Handler,
}

struct Cluster {
    bus: MemoryBus,
    nodes: Mutex<Vec<Option<Node>>>,
    random: Mutex<StdRng>,
    kept: Retention,
    recover_max: usize,
    bug: Bug,
}

impl Cluster {
    fn start(&self, at: usize) {
        let adapter = Faulty::new(self.bus.adapter(), self.bug);
        let hub = Hub::builder()
            .adapter(adapter)
            .history("news/*", self.kept)
            .recover_max(self.recover_max)
            .build();
        let handler = workload::handler(&hub);
        self.nodes.lock().expect("no panic")[at] = Some(Node { hub, handler });
    }

    fn dial(&self) -> Option<Box<dyn Io>> {
        let nodes = self.nodes.lock().expect("no panic");
        let at = self.random(0..NODES);
        let node = nodes[at].as_ref()?;
        Some(Box::new(support::serve(node.handler.clone())))
    }

    fn random(&self, range: std::ops::Range<usize>) -> usize {
        self.random.lock().expect("no panic").random_range(range)
    }

    fn with_link(&self, at: usize, link: Link) {
        if let Some(node) = &self.nodes.lock().expect("no panic")[at] {
            self.bus.set_link(node.hub.node(), link);
        }
    }

    /// Without a word to anybody.
    async fn kill(&self, at: usize) {
        self.with_link(at, Link::Down);
        let node = self.nodes.lock().expect("no panic")[at].take();
        if let Some(node) = node {
            node.hub.shutdown(Shutdown::default().deadline(Duration::ZERO)).await;
        }
    }

    /// Breaks something, and says what.
    async fn break_something(&self) -> &'static str {
        let at = self.random(0..NODES);
        match self.random(0..10) {
            0 | 1 => self.with_link(at, Link::Down),
            2 => self.with_link(at, Link::Degraded),
            3 | 4 => self.with_link(at, Link::Up),
            5 | 6 => {
                let mut random = StdRng::seed_from_u64(self.random(0..usize::MAX) as u64);
                self.bus.lose(move |_, _| random.random_bool(0.3));
                return "packets";
            }
            7 => self.bus.lose_nothing(),
            8 => {
                self.kill(at).await;
                return "node";
            }
            _ if self.random(0..3) == 0 => {
                self.bus.forget_logs();
                return "log";
            }
            _ => {}
        }
        "link"
    }

    fn mend(&self) {
        self.bus.lose_nothing();
        for at in 0..NODES {
            let is_there = self.nodes.lock().expect("no panic")[at].is_some();
            if is_there { self.with_link(at, Link::Up) } else { self.start(at) }
        }
    }

    /// What is in the log in the end, by the ids that the workload has put into its messages.
    async fn final_log(&self, room: &str) -> What {
        let reader = self.bus.adapter();
        reader.start(NodeId::new(u64::MAX), Arc::new(Nobody));
        let log = Faulty::new(reader, self.bug);
        let slice =
            log.read(room, ReadFrom::Last(usize::MAX), usize::MAX, self.kept).await.expect("it is there");
        let id = |entry: &[u8]| {
            let text = String::from_utf8_lossy(entry).into_owned();
            let id = text.split("\"id\":\"").nth(1).and_then(|it| it.split('"').next());
            id.expect("an id in every message").to_owned()
        };
        let entries = slice.entries.expect("the last").iter().map(|(at, entry)| (*at, id(entry))).collect();
        What::Final { room: room.into(), epoch: slice.top.epoch.to_string(), entries }
    }
}

/// One schedule, from its seed.
fn run(seed: u64, bug: Bug) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let sink = runtime.expect("a runtime").block_on(schedule(seed, bug));
    check(&sink.lines())
}

async fn schedule(seed: u64, bug: Bug) -> Sink {
    let mut random = StdRng::seed_from_u64(seed);
    let kept = [1000, 1000, 12][random.random_range(0..3)];
    let recover_max = [1000, 1000, 8][random.random_range(0..3)];
    let cluster = Arc::new(Cluster {
        bus: MemoryBus::new(),
        nodes: Mutex::new((0..NODES).map(|_| None).collect()),
        random: Mutex::new(StdRng::seed_from_u64(seed)),
        kept: Retention::last(kept),
        recover_max,
        bug,
    });
    cluster.mend();
    let start = Instant::now();
    let now = move || u64::try_from(start.elapsed().as_millis()).expect("a short run");
    let (phases, phase) = watch::channel(Phase::Rough);
    let (sink, dialed) = (Sink::default(), cluster.clone());
    let dial = move || -> workload::Dialed {
        let io = dialed.dial();
        Box::pin(async move { io })
    };
    let world = World { dial: Arc::new(dial), sink: sink.clone(), now: Arc::new(now), phase };
    let age = 3_600_000;
    sink.write(0, "world", What::Run { kept: kept as u64, age, recover_max: recover_max as u64 });

    let mut clients = tokio::task::JoinSet::new();
    for number in 0..5 {
        let room = ROOMS[number % ROOMS.len()].to_owned();
        let (seed, world) = (random.random(), world.clone());
        clients.spawn(workload::subscribe(world, format!("sub-{number}"), room, seed));
    }
    for number in 0..3 {
        let room = ROOMS[number % ROOMS.len()].to_owned();
        let (seed, world) = (random.random(), world.clone());
        clients.spawn(workload::publish(world, format!("pub-{number}"), room, 60, seed));
    }
    while now() < BROKEN {
        sleep(Duration::from_millis(random.random_range(0..1_500))).await;
        // Before it, since it is seen at once.
        let before = now();
        let fault = cluster.break_something().await.to_owned();
        sink.write(before, "world", What::Fault { fault });
        if random.random_bool(0.4) {
            cluster.mend();
        }
    }
    cluster.mend();
    sink.write(now(), "world", What::Healed);
    sleep(Duration::from_millis(HEALED)).await;
    phases.send(Phase::Calm).expect("clients are there");
    sleep(Duration::from_millis(1_000)).await;
    for room in ROOMS {
        clients.spawn(workload::probe(world.clone(), room.into()));
    }
    sleep(Duration::from_millis(LAST)).await;
    phases.send(Phase::Over).expect("clients are there");
    while clients.join_next().await.is_some() {}
    for room in ROOMS {
        sink.write(now(), "world", cluster.final_log(room).await);
    }
    for at in 0..NODES {
        cluster.kill(at).await;
    }
    sink
}

fn schedules() -> u64 {
    std::env::var("GUSTNADO_SCHEDULES").ok().and_then(|it| it.parse().ok()).unwrap_or(400) / 4
}

fn hold(part: u64) {
    let mut sum = Findings::default();
    for seed in part * 1_000_000..part * 1_000_000 + schedules() {
        let findings = run(seed, Bug::None);
        assert_eq!(findings.broken, [""; 0], "seed {seed}");
        sum.accepted += findings.accepted;
        sum.received += findings.received;
        sum.recovered += findings.recovered;
        sum.not_recovered += findings.not_recovered;
        sum.lost_and_declared += findings.lost_and_declared;
    }
    println!("{sum:?}");
    assert!(sum.recovered > sum.not_recovered && sum.not_recovered > 0, "{sum:?}");
}

#[test]
fn random_faults_break_no_rule_1() {
    hold(1);
}

#[test]
fn random_faults_break_no_rule_2() {
    hold(2);
}

#[test]
fn random_faults_break_no_rule_3() {
    hold(3);
}

#[test]
fn random_faults_break_no_rule_4() {
    hold(4);
}

/// Some schedule shows the bug, by one of these rules.
fn catches(bug: Bug, rules: &[&str]) {
    let caught = (0..60).any(|seed| {
        let findings = run(seed, bug);
        rules.iter().any(|rule| findings.breaks_rule(rule))
    });
    assert!(caught, "{bug:?} breaks none of {rules:?}");
}

#[test]
fn an_engine_that_reuses_offsets_is_caught() {
    catches(Bug::ReusesOffsets, &["L3"]);
}

#[test]
fn an_engine_that_reads_before_it_has_subscribed_is_caught() {
    catches(Bug::ReadsBeforeSubscribing, &["L6", "L10"]);
}

#[test]
fn an_engine_that_skips_the_contiguity_check_is_caught() {
    catches(Bug::SkipsTheContiguityCheck, &["L3"]);
}

/// Hears nothing.
struct Nobody;

impl Inbox for Nobody {
    fn packet(&self, _: &Subject, _: Bytes) {}
    fn entry(&self, _: &str, _: Position, _: Bytes) {}
    fn link_changed(&self, _: Link) {}
    fn interrupted(&self) {}
}

/// An adapter with a bug.
struct Faulty {
    inner: Arc<Memory>,
    bug: Bug,
}

/// The one epoch of an engine that does not know of epochs.
const SAME: Epoch = Epoch::new(7);

impl Faulty {
    fn new(inner: Memory, bug: Bug) -> Self {
        Self { inner: Arc::new(inner), bug }
    }

    fn log(&self) -> &dyn History {
        self.inner.history().expect("the bus has logs")
    }

    fn shown(&self, position: Position) -> Position {
        if self.bug == Bug::ReusesOffsets { Position { epoch: SAME, ..position } } else { position }
    }

    fn tells_tops(&self) -> bool {
        matches!(self.bug, Bug::None | Bug::ReusesOffsets)
    }
}

struct FaultyInbox {
    inner: Arc<dyn Inbox>,
    bug: Bug,
    last: Mutex<HashMap<String, Position>>,
}

impl Inbox for FaultyInbox {
    fn packet(&self, subject: &Subject, packet: Bytes) {
        self.inner.packet(subject, packet);
    }

    fn entry(&self, room: &str, mut position: Position, entry: Bytes) {
        match self.bug {
            Bug::ReusesOffsets => position.epoch = SAME,
            Bug::SkipsTheContiguityCheck => {
                let mut last = self.last.lock().expect("no panic");
                let last = last.entry(room.into()).or_insert(position);
                if last.epoch == position.epoch && position.offset > last.offset + 1 {
                    position.offset = last.offset + 1;
                }
                *last = position;
            }
            Bug::None | Bug::ReadsBeforeSubscribing => {}
        }
        self.inner.entry(room, position, entry);
    }

    fn link_changed(&self, link: Link) {
        self.inner.link_changed(link);
    }

    fn interrupted(&self) {
        self.inner.interrupted();
    }
}

#[async_trait]
impl Adapter for Faulty {
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>) {
        let last = Mutex::default();
        self.inner.start(node, Arc::new(FaultyInbox { inner: inbox, bug: self.bug, last }));
    }

    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver> {
        self.inner.publish(subject, packet)
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        self.inner.flush().await
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        if self.bug == Bug::ReadsBeforeSubscribing && interested {
            let (inner, subject) = (Arc::downgrade(&self.inner), subject.clone());
            tokio::spawn(async move {
                sleep(Duration::from_secs(10)).await;
                if let Some(inner) = inner.upgrade() {
                    inner.set_interest(&subject, true);
                }
            });
        } else {
            self.inner.set_interest(subject, interested);
        }
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        match self.bug {
            Bug::ReadsBeforeSubscribing => Ok(()),
            _ => self.inner.confirmed(subject).await,
        }
    }

    fn link(&self) -> Link {
        self.inner.link()
    }

    fn traffic(&self) -> AdapterTraffic {
        self.inner.traffic()
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn stop(&self) {
        self.inner.stop().await;
    }
}

#[async_trait]
impl History for Faulty {
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        kept: Retention,
    ) -> Result<Position, AppendError> {
        self.log().append(room, entry, key, kept).await.map(|position| self.shown(position))
    }

    async fn read(
        &self,
        room: &str,
        mut from: ReadFrom,
        max: usize,
        kept: Retention,
    ) -> Result<Slice, Unavailable> {
        if let (ReadFrom::After(position), Bug::ReusesOffsets) = (&mut from, self.bug) {
            position.epoch = self.log().read(room, ReadFrom::Last(0), 0, kept).await?.top.epoch;
        }
        let mut slice = self.log().read(room, from, max, kept).await?;
        slice.top = self.shown(slice.top);
        if self.bug == Bug::ReusesOffsets && slice.entries == Err(Gap::Epoch) {
            slice.entries = Ok(Vec::new());
        }
        Ok(slice)
    }

    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        match self.tells_tops() {
            true => {
                let tops = self.log().tops(rooms).await?;
                Ok(tops.into_iter().map(|top| top.map(|top| self.shown(top))).collect())
            }
            false => Err(Unavailable),
        }
    }
}
