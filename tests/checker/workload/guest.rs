//! Guests: users who come and go, for others to be told of; and who a node lists.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::time::{sleep, timeout};

use super::{GRACE, JOIN, PATIENCE, PRESENCE, Phase, Stay, What, Wire, World, join, presence, users};

/// Who only asks, and is not of those who are listed.
const LISTER: &str = "lister";

/// When all nodes list the same: ten seconds after the last change, and some more for a busy machine.
const AGREED: Duration = Duration::from_secs(12);

/// Comes to a room and goes again, until all is still: then it comes to one node, and does not come back if that dies.
pub async fn visit(mut world: World, name: String, room: String, seed: u64, last: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    while world.phase() < Phase::Still {
        let node = world.any_node(&mut random);
        let life = Duration::from_millis(random.random_range(0..4_000));
        let _ = timeout(life, stay(&world, node, &name, &room)).await;
        // Half of the times it is too short to be gone.
        let away = if random.random_bool(0.5) { GRACE / 4 } else { GRACE * 3 };
        let away = away.mul_f64(random.random());
        let _ = timeout(away, world.phase.wait_for(|phase| *phase >= Phase::Still)).await;
    }
    let mut phases = world.phase.clone();
    tokio::select! {
        _ = stay(&world, last, &name, &room) => {}
        _ = phases.wait_for(|phase| *phase == Phase::Over) => {}
    }
}

/// Is there until the connection ends.
async fn stay(world: &World, node: usize, name: &str, room: &str) -> Option<()> {
    let mut wire = enter(world, node, name, room).await?;
    let _stay = Stay::new(world, name, room, node);
    loop {
        wire.next().await?;
    }
}

async fn enter(world: &World, node: usize, name: &str, room: &str) -> Option<Wire> {
    let mut wire = world.connect(node, Some(name)).await?;
    wire.send(&join(room, None)).await?;
    while wire.next().await?["id"] != JOIN {}
    Some(wire)
}

/// Writes down whom a node lists in a room, after it had the time to agree with the others.
pub async fn list(world: World, node: usize, room: String) {
    let list = async {
        let mut wire = enter(&world, node, LISTER, &room).await?;
        sleep(AGREED).await;
        wire.send(&presence(&room)).await?;
        loop {
            let frame = wire.next().await?;
            if frame["id"] == PRESENCE {
                return users(&frame["param"]);
            }
        }
    };
    let mut users = timeout(AGREED + PATIENCE, list).await.ok().flatten().unwrap_or_default();
    users.retain(|user| user != LISTER);
    world.write(&format!("node-{node}"), What::Members { room, users });
}
