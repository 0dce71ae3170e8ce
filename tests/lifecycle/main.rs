//! Ten thousand random lives of a connection, in memory, each held against the rules of a connection.
//!
//! `SEED=.. cargo test --test lifecycle` draws the same lives again.
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod client;
mod life;
mod model;
mod plan;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use gustnado::{Connector, Factory, Handler, Handshake, Reject};
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use parking_lot::Mutex;
use rand::{SeedableRng, rngs::SmallRng};
use tokio::{io::duplex, task::JoinSet};

use self::{
    life::Life,
    plan::{Clock, Plan},
};

const LIVES: usize = 10_000;

/// How many live at the same time.
const CROWD: usize = 500;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Default, Clone)]
struct Lives(Arc<Mutex<HashMap<usize, Arc<Life>>>>);

#[async_trait]
impl Factory for Lives {
    async fn create(&self, handshake: &Handshake) -> Result<Box<dyn Connector>, Reject> {
        let index = handshake.query("n").and_then(|n| n.parse().ok());
        let life = index.and_then(|index: usize| self.0.lock().get(&index).cloned());
        let life = life.ok_or((StatusCode::NOT_FOUND, "an unknown life"));
        let life = life.map_err(|(status, why)| Reject::new(status, why))?;
        Ok(Box::new(life::create(&life).await?))
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_lives_keep_the_rules_while_time_flies() {
    live(Clock::Virtual).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_lives_keep_the_rules_on_many_threads() {
    live(Clock::Real).await;
}

async fn live(clock: Clock) {
    let seed = std::env::var("SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("SEED={seed}");
    let base = alive();
    let lives = Lives::default();
    let mut handler = Handler::from_factory(lives.clone());
    if clock == Clock::Real {
        // On a busy machine a timeout may pass at any time, and would also hide a wakeup that got lost.
        handler = handler.handshake_timeout(HOUR).close_timeout(HOUR).write_timeout(HOUR).pong_timeout(None);
    }
    let mut crowd = JoinSet::new();
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(LIVES);
    for index in 0..LIVES {
        if crowd.len() == CROWD {
            outcomes.push(crowd.join_next().await.expect("a crowd").expect("a whole life"));
        }
        let mut rng = SmallRng::seed_from_u64(seed ^ (index as u64) << 32);
        let life = Life::new(Plan::draw(&mut rng, clock));
        lives.0.lock().insert(index, life.clone());
        crowd.spawn(one(handler.clone(), lives.clone(), life, index, clock, seed));
    }
    while let Some(outcome) = crowd.join_next().await {
        outcomes.push(outcome.expect("a whole life"));
    }
    let count = |outcome| outcomes.iter().filter(|it| **it == outcome).count() as u64;

    eventually("every task is gone", || alive() == base).await;
    let stats = handler.stats();
    assert_eq!((stats.open, stats.accepted), (0, count(Outcome::Accepted)), "SEED={seed}");
    // A client that does not wait for the answer may have been refused, or gone before the factory was asked.
    let refused = count(Outcome::Refused)..=count(Outcome::Refused) + count(Outcome::Unknown);
    assert!(refused.contains(&stats.refused), "{refused:?}, {stats:?}, SEED={seed}");
    println!("{stats:#?}");
    assert_eq!(Arc::strong_count(&lives.0), 2, "the handler and the test hold the lives");
    assert!(lives.0.lock().is_empty());
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Refused,
    Unknown,
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Lets other tasks run until `holds`.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if holds() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("not so: {what}");
}

/// One life from before the request to after the last callback.
async fn one(
    handler: Handler,
    lives: Lives,
    life: Arc<Life>,
    index: usize,
    clock: Clock,
    seed: u64,
) -> Outcome {
    let whole = async {
        let (near, far) = duplex(life.plan.pipe);
        let http = http1::Builder::new()
            .serve_connection(TokioIo::new(far), TowerToHyperService::new(handler))
            .with_upgrades();
        let http = tokio::spawn(http);
        let sight = client::live(&life, index, near).await;
        // Then it is known whether there is a connector.
        let _ = http.await.expect("the HTTP server does not panic");
        if life.created.load(std::sync::atomic::Ordering::SeqCst) {
            life.over().await;
        }
        sight
    };
    let told = || format!("SEED={seed} life {index}: {:#?}", *life);
    // Only a life without end takes so long.
    let limit = if clock == Clock::Virtual { HOUR } else { Duration::from_secs(50) };
    let sight = tokio::time::timeout(limit, whole).await;
    let sight = sight.unwrap_or_else(|_| panic!("never ended: {}", told()));
    let tasks = std::mem::take(&mut *life.tasks.lock());
    for task in tasks {
        task.await.expect("a close does not panic");
    }
    lives.0.lock().remove(&index);
    drop(lives);

    let mut broken = model::broken(&life, &sight, clock);
    broken.extend(model::afterwards(&life).await);
    assert!(broken.is_empty(), "{broken:#?}\n{sight:?}\n{}", told());
    eventually("the life is nobody's any more", || Arc::strong_count(&life) == 1).await;
    match (life.closed.get(), sight.status) {
        (Some(_), _) => Outcome::Accepted,
        (None, Some(_)) => Outcome::Refused,
        (None, None) => Outcome::Unknown,
    }
}
