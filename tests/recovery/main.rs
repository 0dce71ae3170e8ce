//! Rooms with history under faults: random schedules of dying nodes, cut links, lost packets and logs that begin anew, over
//! the bus of one process under virtual time, each held against the rules of delivery. And engines with a bug, which
//! must be caught.
//!
//! `GUSTNADO_SCHEDULES=5000 cargo nextest run --all-features --test recovery` runs more of them.

#[path = "../checker/mod.rs"]
mod checker;
mod cluster;
#[path = "../support/faulty.rs"]
mod faulty;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use checker::{
    Findings, Sink, check,
    schedule::{self, Plan},
};
use cluster::Cluster;
use faulty::Bug;

/// One schedule, from its seed.
fn run(seed: u64, bug: Bug) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let sink = Sink::default();
    runtime.expect("a runtime").block_on(async {
        let cluster = Cluster::new(Plan::new(seed), bug);
        schedule::run(&Plan::new(seed), Arc::new(cluster), &sink).await;
    });
    check(&sink.lines())
}

fn schedules() -> u64 {
    std::env::var("GUSTNADO_SCHEDULES").ok().and_then(|it| it.parse().ok()).unwrap_or(400) / 4
}

fn hold(part: u64) {
    let mut sum = Findings::default();
    for seed in part * 1_000_000..part * 1_000_000 + schedules() {
        let findings = run(seed, Bug::None);
        assert_eq!(findings.broken, [""; 0], "seed {seed}");
        sum.add(findings);
    }
    println!("{sum}");
    let lost: usize = sum.not_recovered.values().sum();
    assert!(sum.recovered > lost && lost > 0, "{sum}");
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
