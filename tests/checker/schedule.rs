//! A run: clients, faults by chance, and then what must hold when nothing is broken any more.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use gustnado::{
    adapter::{History, Inbox, Link, Position, ReadFrom, Retention, Subject},
    async_trait,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    Sink, What,
    workload::{self, Dialed, GRACE, Phase, World},
};

/// The nodes that everything happens to.
pub const NODES: usize = 3;

pub const ROOMS: [&str; 2] = ["news/1", "news/2"];

const SECOND: Duration = Duration::from_secs(1);

/// Nodes over an engine, and what can happen to them.
#[async_trait]
pub trait Site: Send + Sync + 'static {
    fn dial(&self, node: usize) -> Dialed;

    /// What breaks next. One that begins with `log` may make logs begin anew.
    fn choose(&self, random: &mut StdRng) -> &'static str;

    async fn break_it(&self, fault: &str, random: &mut StdRng);

    /// Mends what is broken, or some of it.
    async fn mend(&self, all: bool, random: &mut StdRng);

    /// A node is gone, and does not come back.
    async fn kill(&self, node: usize);

    /// What is in a room's log.
    async fn log(&self, room: &str) -> What;
}

/// What a run is made of.
pub struct Plan {
    pub seed: u64,
    pub kept: Retention,
    pub recover_max: usize,
    /// For how long things break, and how long it is between two faults, at most.
    pub rough: Duration,
    pub pause: Duration,
    /// How many messages a publisher sends, at most.
    pub messages: usize,
    /// How often there are five subscribers, three publishers and four guests.
    pub crowds: usize,
}

impl Plan {
    /// Logs and recoveries are short in some runs, so that there is too much for them.
    pub fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Self {
            seed,
            kept: Retention::last([1000, 1000, 12][random.random_range(0..3)]),
            recover_max: [1000, 1000, 8][random.random_range(0..3)],
            rough: 12 * SECOND,
            pause: SECOND * 3 / 2,
            messages: 60,
            crowds: 1,
        }
    }
}

/// A run from its first connection to its last line.
pub async fn run(plan: &Plan, site: Arc<dyn Site>, sink: &Sink) {
    let mut random = StdRng::seed_from_u64(plan.seed);
    let start = Instant::now();
    let now = move || u64::try_from(start.elapsed().as_millis()).expect("a short run");
    let (phases, phase) = watch::channel(Phase::Rough);
    let dialed = site.clone();
    let dial = Arc::new(move |node| dialed.dial(node));
    let world = World { nodes: NODES, dial, sink: sink.clone(), now: Arc::new(now), phase };
    let write = |what| sink.write(now(), "world", what);
    let enter = |phase| phases.send_replace(phase);
    write(What::Run {
        kept: plan.kept.messages() as u64,
        age: millis(plan.kept.age()),
        recover_max: plan.recover_max as u64,
        grace: millis(GRACE),
    });
    let mut clients = start_clients(&world, plan, &mut random);

    while start.elapsed() < plan.rough {
        sleep(plan.pause.mul_f64(random.random())).await;
        let fault = site.choose(&mut random);
        write(What::Fault { fault: fault.into() });
        site.break_it(fault, &mut random).await;
        site.mend(false, &mut random).await;
    }
    site.mend(true, &mut random).await;
    write(What::Healed);
    enter(Phase::Mended);
    sleep(12 * SECOND).await;
    enter(Phase::Calm);
    sleep(SECOND).await;
    for room in ROOMS {
        clients.spawn(workload::probe(world.clone(), room.into()));
    }
    sleep(6 * SECOND).await;
    enter(Phase::Still);
    all_list(&world, 0).await;
    // One that dies while all else is quiet: whoever was there is missed in time.
    write(What::Fault { fault: "node killed at last".into() });
    site.kill(0).await;
    write(What::Healed);
    all_list(&world, 1).await;
    enter(Phase::Over);
    while clients.join_next().await.is_some() {}
    for room in ROOMS {
        write(site.log(room).await);
    }
    for node in 1..NODES {
        site.kill(node).await;
    }
}

fn start_clients(world: &World, plan: &Plan, random: &mut StdRng) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let room = |number: usize| ROOMS[number % ROOMS.len()].to_owned();
    for number in 0..5 * plan.crowds {
        let name = format!("sub-{number}");
        clients.spawn(workload::subscribe(world.clone(), name, room(number), random.random()));
    }
    for number in 0..3 * plan.crowds {
        let name = format!("pub-{number}");
        clients.spawn(workload::publish(world.clone(), name, room(number), plan.messages, random.random()));
    }
    for number in 0..4 * plan.crowds {
        let (name, last) = (format!("guest-{number}"), number / ROOMS.len() % 2);
        clients.spawn(workload::visit(world.clone(), name, room(number), random.random(), last));
    }
    clients
}

/// All nodes from one on say who is where, when they had the time to agree.
async fn all_list(world: &World, from: usize) {
    let mut lists = JoinSet::new();
    for (node, room) in (from..NODES).flat_map(|node| ROOMS.map(|room| (node, room))) {
        lists.spawn(workload::list(world.clone(), node, room.into()));
    }
    while lists.join_next().await.is_some() {}
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a short time")
}

/// What is in a log, by the ids that publishers have put into their messages.
pub async fn read_log(log: &dyn History, room: &str, kept: Retention) -> What {
    let all = 1_000_000;
    let slice = log.read(room, ReadFrom::Last(all), all, kept).await.expect("it is there");
    let id = |entry: &[u8]| {
        let text = String::from_utf8_lossy(entry).into_owned();
        let id = text.split("\"id\":\"").nth(1).and_then(|it| it.split('"').next());
        id.expect("an id in every message").to_owned()
    };
    let entries = slice.entries.expect("the last").iter().map(|(at, entry)| (*at, id(entry))).collect();
    What::Final { room: room.into(), epoch: slice.top.epoch.to_string(), entries }
}

/// Hears nothing: whoever only reads logs.
pub struct Nobody;

impl Inbox for Nobody {
    fn packet(&self, _: &Subject, _: Bytes) {}
    fn entry(&self, _: &str, _: Position, _: Bytes) {}
    fn link_changed(&self, _: Link) {}
    fn interrupted(&self) {}
}
