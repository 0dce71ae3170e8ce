//! Publishers: each sends its messages one after the other, and again with the same key until it knows what became of them.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Outcome, PATIENCE, Phase, What, Wire, World, position};

/// Sends messages to a room, one after the other, so many at most, until all is mended.
pub async fn publish(world: World, name: String, room: String, messages: usize, seed: u64) {
    let mut writer = Writer::new(world, name, room, seed);
    for number in 0..messages {
        if writer.world.phase() >= Phase::Mended {
            return;
        }
        let id = format!("{}-{number}", writer.name);
        writer.publish(&id, false, 20).await;
        if writer.random.random_bool(0.05) {
            writer.wire = None;
        }
        let pause = writer.random.random_range(0..150);
        sleep(Duration::from_millis(pause)).await;
    }
}

/// Sends one message that is to come soon, since nothing is broken.
pub async fn probe(world: World, room: String) {
    let id = format!("probe-{room}");
    Writer::new(world, id.clone(), room, 0).publish(&id, true, 1).await;
}

struct Writer {
    world: World,
    name: String,
    room: String,
    random: StdRng,
    wire: Option<Wire>,
    connection: u64,
    calls: u64,
}

impl Writer {
    fn new(world: World, name: String, room: String, seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed);
        Self { world, name, room, random, wire: None, connection: 0, calls: 0 }
    }

    async fn publish(&mut self, id: &str, probe: bool, tries: usize) {
        for _ in 0..tries {
            let Some(outcome) = self.try_once(id, probe).await else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let done = outcome != Outcome::Unknown;
            self.world.write(&self.name, What::Answered { room: self.room.clone(), id: id.into(), outcome });
            if done {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// `None` if it was not sent.
    async fn try_once(&mut self, id: &str, probe: bool) -> Option<Outcome> {
        if self.wire.is_none() {
            let node = self.world.any_node(&mut self.random);
            self.wire = Some(self.world.connect(node, None).await?);
            self.connection += 1;
        }
        self.calls += 1;
        let (room, id) = (self.room.clone(), id.to_owned());
        let param = json!({ "cmd": "chat", "param": { "id": id }, "key": id });
        let sent = What::Sent { connection: self.connection, room, id: id.clone(), key: id, probe };
        self.world.write(&self.name, sent);
        let call = json!({ "cmd": "publish", "channel": self.room, "param": param, "id": self.calls });
        let answered = timeout(PATIENCE, self.answer(&call)).await.ok().flatten();
        if answered.is_none() {
            self.wire = None;
        }
        Some(answered.unwrap_or(Outcome::Unknown))
    }

    async fn answer(&mut self, call: &Value) -> Option<Outcome> {
        let wire = self.wire.as_mut()?;
        wire.send(call).await?;
        loop {
            let frame = wire.next().await?;
            if frame["id"] != call["id"] {
                continue;
            }
            return match (frame["cmd"].as_str()?, frame["param"]["code"].as_str()) {
                ("reply", _) => position(&frame["param"]["position"]).map(Outcome::Accepted),
                (_, Some("rejected")) => Some(Outcome::Rejected),
                _ => Some(Outcome::Unknown),
            };
        }
    }
}
