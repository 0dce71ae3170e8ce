//! Clients that write down what they do and see, and what they are clients of.
//!
//! They are what a client's library is: a subscriber comes back with its position, drops what it has, and believes what
//! it is told; a publisher sends again with the same key until it knows.

mod guest;
mod publisher;
mod subscriber;
mod wire;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use gustnado::{
    Handler, Hub,
    adapter::{Adapter, Retention},
    commands::Commands,
};
use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};

use self::wire::Wire;
pub use self::{
    guest::{list, visit},
    publisher::{probe, publish},
    subscriber::subscribe,
};
use super::{Outcome, Position, Sink, What};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long somebody may be away who has not gone.
pub const GRACE: Duration = Duration::from_secs(2);

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub type Dialed = Pin<Box<dyn Future<Output = Option<Box<dyn Io>>> + Send>>;

/// What the clients of a run share.
#[derive(Clone)]
pub struct World {
    pub nodes: usize,
    /// A transport to a node, if it is there.
    pub dial: Arc<dyn Fn(usize) -> Dialed + Send + Sync>,
    pub sink: Sink,
    /// Milliseconds, for all of the run.
    pub now: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub phase: watch::Receiver<Phase>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Things break, and clients cut their connections as they like.
    Rough,
    /// Nothing breaks any more, and nothing new is published.
    Mended,
    /// Each subscriber comes back once more, and stays.
    Calm,
    /// Guests, too, come once more, and stay.
    Still,
    Over,
}

/// What a node of a run is.
pub fn hub(adapter: impl Adapter, kept: Retention, recover_max: usize) -> Hub {
    let hub = Hub::builder().adapter(adapter).presence_grace(GRACE);
    hub.history("news/*", kept).recover_max(recover_max).build()
}

/// What it serves. Who connects is the user of the query.
pub fn handler(hub: &Hub) -> Handler {
    let commands = Commands::with_state(|handshake| {
        let user = handshake.query("user").map(std::borrow::Cow::into_owned);
        if let Some(user) = user {
            handshake.set_user(user);
        }
        Ok(())
    });
    commands.publish(|_| Ok(())).require_membership(false).handler().hub(hub)
}

impl World {
    fn write(&self, who: &str, what: What) {
        self.sink.write((self.now)(), who, what);
    }

    async fn connect(&self, node: usize, user: Option<&str>) -> Option<Wire> {
        timeout(PATIENCE, async { Wire::open((self.dial)(node).await?, user).await }).await.ok()?
    }

    fn any_node(&self, random: &mut StdRng) -> usize {
        random.random_range(0..self.nodes)
    }

    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }
}

/// A user's connection is in a room as long as this is there.
struct Stay {
    world: World,
    user: String,
    room: String,
    node: String,
}

impl Stay {
    fn new(world: &World, user: &str, room: &str, node: usize) -> Self {
        let stay =
            Self { world: world.clone(), user: user.into(), room: room.into(), node: format!("node-{node}") };
        let Self { user, room, node, .. } = &stay;
        let (user, room, node) = (user.clone(), room.clone(), node.clone());
        world.write(&stay.user, What::Entered { user, room, node });
        stay
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let (user, room, node) = (self.user.clone(), self.room.clone(), self.node.clone());
        self.world.write(&self.user, What::Gone { user, room, node });
    }
}

/// The ids of requests: a client has no two of a kind at once.
const JOIN: u64 = 1;
const PRESENCE: u64 = 2;

fn join(room: &str, since: Option<&Position>) -> Value {
    let since = since.map(|it| json!({ "since": { "epoch": it.epoch, "offset": it.offset } }));
    json!({ "cmd": "join", "channel": room, "param": since, "id": JOIN })
}

fn presence(room: &str) -> Value {
    json!({ "cmd": "presence", "channel": room, "id": PRESENCE })
}

fn position(value: &Value) -> Option<Position> {
    Some(Position { epoch: value["epoch"].as_str()?.to_owned(), offset: value["offset"].as_u64()? })
}

/// The users of a reply to `presence`.
fn users(param: &Value) -> Option<Vec<String>> {
    Some(param["users"].as_object()?.keys().cloned().collect())
}
