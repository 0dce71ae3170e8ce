//! Subscribers: each stays in a room for the whole run, over any number of connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{JOIN, PRESENCE, Phase, Position, Stay, What, Wire, World, join, position, presence, users};

/// Stays in a room until the run is over, whatever happens to its connections.
pub async fn subscribe(mut world: World, name: String, room: String, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut reader = Reader { world: world.clone(), name, room, position: None };
    while world.phase() < Phase::Over {
        let calm = world.phase() >= Phase::Calm;
        let life = if calm { 3_600_000 } else { random.random_range(0..6_000) };
        let node = world.any_node(&mut random);
        let ends = if calm { Phase::Over } else { Phase::Calm };
        tokio::select! {
            _ = timeout(Duration::from_millis(life), reader.one_connection(node)) => {}
            _ = world.phase.wait_for(|phase| *phase >= ends) => {}
        }
        sleep(Duration::from_millis(random.random_range(0..300))).await;
    }
}

struct Reader {
    world: World,
    name: String,
    room: String,
    position: Option<Position>,
}

impl Reader {
    async fn one_connection(&mut self, node: usize) -> Option<()> {
        let mut wire = self.world.connect(node, Some(&self.name)).await?;
        let mut asked = self.join(&mut wire).await?;
        let mut stay = None;
        // Who came and who went since it was asked who is there: it may be newer than the answer.
        let mut since = BTreeMap::new();
        loop {
            let frame = wire.next().await?;
            let param = &frame["param"];
            match frame["cmd"].as_str()? {
                "reply" if frame["id"] == JOIN => {
                    self.joined(asked.take(), param);
                    if stay.is_none() {
                        stay = Some(Stay::new(&self.world, &self.name, &self.room, node));
                        wire.send(&presence(&self.room)).await?;
                    }
                }
                "reply" if frame["id"] == PRESENCE => self.present(users(param)?, std::mem::take(&mut since)),
                "online" => {
                    let (user, online) = (param["user"].as_str()?, param["online"].as_bool()?);
                    since.insert(user.to_owned(), online);
                    self.online(user, online);
                }
                "recovered" => self.lost(param),
                "chat" => {
                    if self.take(&frame).is_none() {
                        // A hole, which servers repair themselves: but a client asks again.
                        asked = self.join(&mut wire).await?;
                    }
                }
                _ => return None,
            }
        }
    }

    async fn join(&self, wire: &mut Wire) -> Option<Option<Position>> {
        wire.send(&join(&self.room, self.position.as_ref())).await?;
        Some(self.position.clone())
    }

    fn write(&self, what: What) {
        self.world.write(&self.name, what);
    }

    fn joined(&mut self, asked: Option<Position>, param: &Value) {
        let position = position(&param["position"]);
        let lost = match param["recovered"].as_bool() {
            Some(false) => param["reason"].as_str().map(ToOwned::to_owned),
            _ => None,
        };
        if asked.is_none() || lost.is_some() {
            self.position.clone_from(&position);
        }
        self.write(What::Joined { room: self.room.clone(), asked, lost, position });
    }

    fn present(&self, users: Vec<String>, since: BTreeMap<String, bool>) {
        let mut users: BTreeSet<_> = users.into_iter().collect();
        for (user, online) in since {
            if online {
                users.insert(user)
            } else {
                users.remove(&user)
            };
        }
        self.write(What::Present { room: self.room.clone(), users: users.into_iter().collect() });
    }

    fn online(&self, user: &str, online: bool) {
        self.write(What::Online { room: self.room.clone(), user: user.into(), online });
    }

    fn lost(&mut self, param: &Value) {
        let Some(position) = position(&param["position"]) else { return };
        let why = param["reason"].as_str().unwrap_or_default().to_owned();
        self.position = Some(position.clone());
        self.write(What::Lost { room: self.room.clone(), why, position });
    }

    /// `None` for a frame behind a hole.
    fn take(&mut self, frame: &Value) -> Option<()> {
        let offset = frame["offset"].as_u64().unwrap_or_default();
        let prev = frame["prev"].as_u64().unwrap_or(offset.saturating_sub(1));
        let at = self.position.get_or_insert_with(|| Position { epoch: "none".into(), offset: 0 });
        if offset <= at.offset {
            return Some(());
        }
        if prev > at.offset {
            return None;
        }
        at.offset = offset;
        let position = at.clone();
        let id = frame["param"]["id"].as_str().unwrap_or_default().to_owned();
        self.write(What::Received { room: self.room.clone(), id, position });
        Some(())
    }
}
