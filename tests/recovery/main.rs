//! Rooms with history under faults: random schedules of dying nodes, cut links, lost packets and logs that begin anew, over
//! the bus of one process under virtual time, each held against the rules of delivery. And engines with a bug, which
//! must be caught.
//!
//! `GUSTNADO_SCHEDULES=5000 cargo nextest run --all-features --test recovery` runs more of them.

#[path = "../checker/mod.rs"]
mod checker;
mod cluster;
mod faulty;
#[path = "../support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use checker::{
    Findings, Sink, What, check,
    workload::{self, Phase, World},
};
use cluster::{Cluster, NODES};
use faulty::Bug;
use gustnado::adapter::Retention;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

const ROOMS: [&str; 2] = ["news/1", "news/2"];

/// How long things break, until all is mended, until clients are calm, and until the end.
const BROKEN: u64 = 12_000;
const HEALED: u64 = 31_000;
const LAST: u64 = 7_000;

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
    let cluster = Arc::new(Cluster::new(seed, Retention::last(kept), recover_max, bug));
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
