//! A client of servers that use [`commands`](crate::commands): it connects again, keeps for a while what cannot be sent
//! yet, joins its rooms again, and tells what it missed. `docs/wire.md` is what it speaks.
//!
//! ```no_run
//! use gustnado::client::{Client, RoomEvent};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Chat {
//!     text: String,
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("ws://127.0.0.1:8080/ws").connect()?;
//! let sum: i64 = client.request("add", (1, 2)).await?;
//!
//! let mut lobby = client.join("lobby").await?; // and again on every new connection
//! lobby.send("chat", serde_json::json!({ "text": "hi" })).await?;
//! while let Some(event) = lobby.next().await {
//!     match event {
//!         RoomEvent::Command(frame) if frame.cmd() == "chat" => {
//!             let Chat { text } = frame.param()?;
//!             println!("{}: {text}", frame.from().unwrap_or("somebody"));
//!         }
//!         RoomEvent::Recovered(recovery) if !recovery.recovered => println!("something is missing"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! - **It comes back.** After a failure it waits any time between 100 ms and a bound, which is 1 s at first and doubles
//!   up to 30 s; a connection that has lasted a minute resets it. Close codes that mean *do not come back* are obeyed, and so
//!   are `reconnect within N ms` of a server that goes down and `Retry-After` of one that refuses.
//! - **It notices a dead server.** After 25 s without any frame, the server's pings included, it pings; 20 s later it gives
//!   the connection up.
//! - **It tells what became of a message**: [`SendResult`], or a reply. While there is no connection, messages wait, within
//!   limits. While there is one that takes no more, those who send wait.
//! - **It misses nothing unsaid.** In a room that keeps history duplicates are dropped, what was missed is asked for after
//!   a reconnect, and a hole is repaired by joining again; [`RoomEvent::Recovered`] tells what could not be. A
//!   reader that is too slow is told how much it missed.
//! - **It is one task**, which ends when the client is closed, or dropped with all its clones and rooms. No code of the
//!   application runs under a lock.

mod answers;
mod backoff;
mod builder;
mod closing;
mod config;
mod core;
mod dial;
mod driver;
mod error;
mod events;
mod frame;
mod heartbeat;
mod inbox;
mod member;
mod outbox;
mod position;
mod publish;
mod request;
mod requests;
mod room;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::sync::{mpsc, watch};

pub use self::{
    builder::Builder,
    closing::Closed,
    config::TokenIn,
    dial::InvalidAddress,
    error::{ClientError, CommandError},
    events::{Event, Events, State},
    frame::Frame,
    member::{Recovery, RoomEvent},
    outbox::SendResult,
    position::Position,
    publish::Publish,
    request::{Request, SendCommand},
    room::{Join, Room},
};
use self::{
    config::Config,
    core::{Core, Op},
    driver::Driver,
    inbox::inbox,
};
use crate::{
    commands::Codec,
    protocol::{
        close::{CloseCode, CloseFrame},
        text::Text,
    },
};

/// How many operations of handles wait for the client's task; those beyond wait in the tasks that want them.
const MAX_OPS: usize = 64;

/// Speaks commands with a server, over one connection after the other. Cheap to clone; the [module](self) tells more.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

struct Handle {
    config: Arc<Config>,
    ids: Arc<AtomicU64>,
    ops: mpsc::Sender<Op>,
    closing: watch::Sender<Option<CloseFrame>>,
    state: watch::Receiver<State>,
}

impl Client {
    /// A client of the server at this address: `ws:`, `wss:`, `http:` or `https:`.
    pub fn builder(address: &str) -> Builder {
        Builder::new(address)
    }

    fn start(config: Config) -> Self {
        let (config, ids) = (Arc::new(config), Arc::new(AtomicU64::new(1)));
        let (ops, asked) = mpsc::channel(MAX_OPS);
        let (closing, closed) = watch::channel(None);
        let (tell_state, state) = watch::channel(State::Connecting);
        let core = Core::new(Arc::clone(&config), Arc::clone(&ids), tell_state);
        tokio::spawn(Driver::new(core, asked, closed).run());
        Self(Arc::new(Handle { config, ids, ops, closing, state }))
    }

    /// What the client is doing.
    pub fn state(&self) -> State {
        *self.0.state.borrow()
    }

    /// Waits until there is a connection, and tells whether there is one: `false` once the client is closed.
    pub async fn opened(&self) -> bool {
        let mut state = self.0.state.clone();
        let state = state.wait_for(|state| matches!(state, State::Open | State::Closed)).await;
        state.is_ok_and(|state| *state == State::Open)
    }

    /// What happens from now on.
    pub async fn events(&self) -> Events {
        let (teller, events) = inbox(self.read_ahead());
        // Of a client that is closed they are over at once.
        let _ = self.ask(Op::Listen(teller)).await;
        Events(events)
    }

    /// Sends a command and returns its reply, by `.await`. The parameter is encoded now.
    ///
    /// ```
    /// # use gustnado::client::{Client, CommandError};
    /// # async fn example(client: Client) -> Result<(), CommandError> {
    /// use std::time::Duration;
    ///
    /// let sum: i64 = client.request("add", (1, 2)).timeout(Duration::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request<R>(&self, cmd: &str, param: impl Serialize) -> Request<R> {
        Request::new(self, cmd, param, None)
    }

    /// Sends a command that needs no answer, by `.await`, which tells what became of it. The parameter is encoded now.
    pub fn send(&self, cmd: &str, param: impl Serialize) -> SendCommand {
        SendCommand::new(self, cmd, param, None)
    }

    /// Joins a room, by `.await`, and joins it again on every new connection until the [`Room`] is dropped. It takes as
    /// long as it takes until there is a connection. Of a room that was joined already it gives one more reader, whose
    /// options are not looked at.
    ///
    /// # Errors
    ///
    /// [`CommandError`], if the server refuses.
    pub fn join(&self, room: &str) -> Join {
        Join::new(self.clone(), room)
    }

    /// Ends everything, with the close code 1000. What still waits is dropped.
    pub async fn close(&self) {
        self.close_with(CloseFrame::sendable(CloseCode::NORMAL, Text::from(""))).await;
    }

    /// Ends everything, with a code and a reason of the application's choice.
    pub async fn close_with(&self, frame: CloseFrame) {
        self.0.closing.send_if_modified(|closing| {
            let is_first = closing.is_none();
            closing.get_or_insert(frame);
            is_first
        });
        // The task has ended, which may say goodbye for a second.
        self.0.ops.closed().await;
    }

    fn next_id(&self) -> u64 {
        self.0.ids.fetch_add(1, Ordering::Relaxed)
    }

    fn codec(&self) -> Codec {
        self.0.config.codec
    }

    fn timeout(&self) -> Duration {
        self.0.config.timeout
    }

    fn expires(&self) -> Duration {
        self.0.config.outbox_expires
    }

    fn read_ahead(&self) -> usize {
        self.0.config.read_ahead
    }

    async fn ask(&self, op: Op) -> Result<(), CommandError> {
        self.0.ops.send(op).await.map_err(|_| CommandError::Dropped)
    }

    /// As [`ask`](Self::ask), where it does not matter whether it is heard.
    fn mention(&self, op: Op) {
        let _ = self.0.ops.try_send(op);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}
