//! Publishers and subscribers that write down what they do and see.
//!
//! They are what a client's library is: a subscriber comes back with its position, drops what it has, and believes what
//! it is told; a publisher sends again with the same key until it knows.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use gustnado::{Handler, Hub, commands::Commands};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{Outcome, Position, Sink, What};
use crate::support::{PONG, TEXT, frame, request};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub type Dialed = Pin<Box<dyn Future<Output = Option<Box<dyn Io>>> + Send>>;

/// What the clients of a run share.
#[derive(Clone)]
pub struct World {
    /// A transport to any node that is there.
    pub dial: Arc<dyn Fn() -> Dialed + Send + Sync>,
    pub sink: Sink,
    /// Milliseconds, for all of the run.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub phase: watch::Receiver<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Clients cut their connections as they like.
    Rough,
    /// Each comes back once more, and stays.
    Calm,
    Over,
}

/// What the nodes of a run serve.
pub fn handler(hub: &Hub) -> Handler {
    Commands::new().publish(|_| Ok(())).require_membership(false).presence(false).handler().hub(hub)
}

impl World {
    fn write(&self, who: &str, what: What) {
        self.sink.write((self.now)(), who, what);
    }

    async fn connect(&self) -> Option<Wire> {
        let io = (self.dial)().await?;
        timeout(PATIENCE, Wire::open(io)).await.ok()?
    }

    fn is(&self, phase: Phase) -> bool {
        *self.phase.borrow() == phase
    }
}

/// Stays in a room until the run is over, whatever happens to its connections.
pub async fn subscribe(mut world: World, name: String, room: String, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut reader = Reader { world: world.clone(), name, room, position: None };
    while !world.is(Phase::Over) {
        let calm = world.is(Phase::Calm);
        world.phase.mark_unchanged();
        let life = if calm { 3_600_000 } else { random.random_range(0..6_000) };
        tokio::select! {
            _ = timeout(Duration::from_millis(life), reader.one_connection()) => {}
            _ = world.phase.changed() => {}
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
    async fn one_connection(&mut self) -> Option<()> {
        let mut wire = self.world.connect().await?;
        let mut asked = self.join(&mut wire).await?;
        loop {
            let frame = wire.next().await?;
            match frame["cmd"].as_str()? {
                "reply" => self.joined(asked.take(), &frame["param"]),
                "recovered" => self.lost(&frame["param"]),
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
        let since = self.position.as_ref().map(|it| json!({ "epoch": it.epoch, "offset": it.offset }));
        let param = since.map_or(Value::Null, |since| json!({ "since": since }));
        wire.send(&json!({ "cmd": "join", "channel": self.room, "param": param, "id": 1 })).await?;
        Some(self.position.clone())
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
        self.world.write(&self.name, What::Joined { room: self.room.clone(), asked, lost, position });
    }

    fn lost(&mut self, param: &Value) {
        let Some(position) = position(&param["position"]) else { return };
        let why = param["reason"].as_str().unwrap_or_default().to_owned();
        self.position = Some(position.clone());
        self.world.write(&self.name, What::Lost { room: self.room.clone(), why, position });
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
        self.world.write(&self.name, What::Received { room: self.room.clone(), id, position });
        Some(())
    }
}

/// Sends so many messages to a room, one after the other.
pub async fn publish(world: World, name: String, room: String, messages: usize, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut writer = Writer { world, name, room, wire: None, connection: 0, calls: 0 };
    for number in 0..messages {
        let id = format!("{}-{number}", writer.name);
        writer.publish(&id, false, 20).await;
        if random.random_bool(0.05) {
            writer.wire = None;
        }
        sleep(Duration::from_millis(random.random_range(0..150))).await;
    }
}

/// Sends one message that is to come soon, since nothing is broken.
pub async fn probe(world: World, room: String) {
    let mut writer =
        Writer { world, name: format!("probe-{room}"), room, wire: None, connection: 0, calls: 0 };
    let id = writer.name.clone();
    writer.publish(&id, true, 1).await;
}

struct Writer {
    world: World,
    name: String,
    room: String,
    wire: Option<Wire>,
    connection: u64,
    calls: u64,
}

impl Writer {
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
            self.wire = Some(self.world.connect().await?);
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

fn position(value: &Value) -> Option<Position> {
    Some(Position { epoch: value["epoch"].as_str()?.to_owned(), offset: value["offset"].as_u64()? })
}

/// A connection that speaks commands in JSON. Everything is `None` once it is over, and may be dropped at any await.
struct Wire {
    io: Box<dyn Io>,
    read: BytesMut,
}

impl Wire {
    async fn open(mut io: Box<dyn Io>) -> Option<Self> {
        io.write_all(request().as_bytes()).await.ok()?;
        let mut read = BytesMut::new();
        let end = loop {
            if let Some(at) = read.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            if io.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let opened = read.starts_with(b"HTTP/1.1 101");
        read.advance(end);
        opened.then_some(Self { io, read })
    }

    async fn send(&mut self, value: &Value) -> Option<()> {
        self.io.write_all(&frame(TEXT, value.to_string().as_bytes())).await.ok()
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            let Some((first, payload)) = self.take_frame() else {
                if self.io.read_buf(&mut self.read).await.ok()? == 0 {
                    return None;
                }
                continue;
            };
            match first & 0x0F {
                TEXT => return serde_json::from_slice(&payload).ok(),
                9 => self.io.write_all(&frame(PONG, &payload)).await.ok()?,
                PONG => {}
                _ => return None,
            }
        }
    }

    fn take_frame(&mut self) -> Option<(u8, BytesMut)> {
        let (len, header) = match (*self.read.get(1)?, self.read.len()) {
            (126, 4..) => (usize::from(u16::from_be_bytes([self.read[2], self.read[3]])), 4),
            (127, 10..) => (u64::from_be_bytes(self.read[2..10].try_into().ok()?) as usize, 10),
            (126 | 127, _) => return None,
            (len, _) => (usize::from(len), 2),
        };
        if self.read.len() < header + len {
            return None;
        }
        let first = self.read[0];
        self.read.advance(header);
        Some((first, self.read.split_to(len)))
    }
}

/// Waits until a moment of the run's clock, under virtual time or not.
pub async fn at(start: Instant, millis: u64) {
    let never = std::future::pending::<()>();
    let _ = timeout_at(start + Duration::from_millis(millis), never).await;
}
