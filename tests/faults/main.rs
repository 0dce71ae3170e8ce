//! Nodes that are processes of their own over a real engine, while both are killed, frozen and cut off: the checker holds
//! the rules of delivery and of presence over what their clients saw. And nodes with a bug, which must be caught.
//!
//! `scripts/faults` runs it, and says with what arguments.

#[path = "../checker/mod.rs"]
mod checker;
mod engine;
#[path = "../support/faulty.rs"]
mod faulty;
mod node;
mod options;
#[path = "../support/servers.rs"]
mod servers;
mod site;
#[path = "../support/mod.rs"]
mod support;

use std::{
    error::Error,
    fs,
    path::Path,
    process::ExitCode,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use checker::{
    Findings, Sink, check,
    schedule::{self, Plan},
};
use engine::Kind;
use faulty::Bug;
use options::Options;
use site::Processes;

/// Bugs that a round shows, and a rule that they break.
const BUGS: [(Bug, &str); 2] = [(Bug::ReusesOffsets, "L3"), (Bug::SkipsTheContiguityCheck, "L3")];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "node"
    {
        return node::main(rest).map(|()| ExitCode::SUCCESS);
    }
    let options = Options::from_arguments(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let holds = runtime.block_on(async {
        let bugs: Vec<_> = BUGS.iter().map(|(bug, rule)| tokio::spawn(catches(*bug, rule))).collect();
        let engines = options.engines.iter().map(|kind| tokio::spawn(rounds(*kind, options.clone())));
        let mut holds = true;
        for run in engines.collect::<Vec<_>>().into_iter().chain(bugs) {
            holds &= run.await.expect("no panic");
        }
        holds
    });
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Round after round until the time is over, one at least; whether every rule was held.
async fn rounds(kind: Kind, options: Options) -> bool {
    let start = Instant::now();
    let mut sum = Findings::default();
    let mut resets_of_all = 0;
    for seed in options.seed.. {
        let (findings, resets) = round(kind, seed, options.rough, Bug::None, &format!("{kind}-{seed}")).await;
        println!("\n{kind}, seed {seed}, {} s of faults", options.rough.as_secs());
        println!("client resets      {resets}\n{findings}");
        findings.broken.iter().take(20).for_each(|broken| println!("  {broken}"));
        sum.add(findings);
        resets_of_all += resets;
        if start.elapsed() + options.rough > options.time {
            break;
        }
    }
    let Options { seed, .. } = options;
    println!("\n{kind}, all rounds from seed {seed} on, {} s", start.elapsed().as_secs());
    println!("client resets      {resets_of_all}\n{sum}");
    // A run in which nothing comes shows nothing.
    let shows = sum.received > sum.accepted && sum.recovered > 0;
    sum.broken.is_empty() && shows
}

/// Whether a bug is caught, over Redis.
async fn catches(bug: Bug, rule: &str) -> bool {
    let (findings, _) = round(Kind::Redis, 1, Options::ROUGH, bug, &format!("{bug:?}")).await;
    let is_caught = findings.breaks_rule(rule);
    let what = if is_caught { "is caught" } else { "IS NOT CAUGHT" };
    println!("\nnodes with the bug {bug:?}: it {what} by {rule}, {} violations", findings.broken.len());
    is_caught
}

/// One run, whose lines and logs are left in a folder of that name; with the number of connections that clients reset.
async fn round(kind: Kind, seed: u64, rough: Duration, bug: Bug, name: &str) -> (Findings, usize) {
    let plan =
        || Plan { rough, pause: Duration::from_secs(3), messages: usize::MAX, crowds: 2, ..Plan::new(seed) };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("faults").join(name);
    // There may be one of an earlier run.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target's folder takes files");
    let sink = Sink::to_file(&folder.join("lines.jsonl")).expect("the folder takes files");
    let site = Arc::new(Processes::start(plan(), kind, bug, &folder));
    schedule::run(&plan(), site.clone(), &sink).await;
    (check(&sink.lines()), site.resets.load(Relaxed))
}
