//! [`Publish`]: a message to a room, repeated until its fate is known.

use std::{future::IntoFuture, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::random::random;

use super::{Client, backoff::Backoff, error::CommandError, position::Position, request::Request};

/// One attempt may take this long.
const ATTEMPT: Duration = Duration::from_secs(10);

/// A server forgets a key after five minutes; a repetition must come before.
const LONGEST: Duration = Duration::from_secs(290);

/// A command that is about to be published, by `.await`: [`Room::publish`](super::Room::publish).
#[derive(Debug)]
#[must_use = "nothing is published before it is awaited"]
pub struct Publish<P> {
    client: Client,
    room: Arc<str>,
    cmd: Box<str>,
    param: P,
    key: Box<str>,
    timeout: Duration,
}

/// The `param` of the command `publish`.
#[derive(Serialize)]
struct Published<'a, P> {
    cmd: &'a str,
    param: &'a P,
    key: &'a str,
}

/// What the reply says.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Placed {
    position: Option<Position>,
}

impl<P: Serialize> Publish<P> {
    pub(super) fn new(client: &Client, room: &Arc<str>, cmd: &str, param: P) -> Self {
        let (client, room) = (client.clone(), Arc::clone(room));
        Self { client, room, cmd: cmd.into(), param, key: random_key(), timeout: Duration::from_secs(60) }
    }

    /// Names the message, 1 to 64 bytes: the same key within five minutes gives one message. Random by default.
    pub fn key(mut self, key: &str) -> Self {
        self.key = key.into();
        self
    }

    /// For how long it is tried: a minute by default, and 290 s at most.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn place(self) -> Result<Option<Position>, CommandError> {
        let deadline = Instant::now() + self.timeout.min(LONGEST);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        loop {
            let published = Published { cmd: &self.cmd, param: &self.param, key: &self.key };
            let attempt =
                Request::<Option<Placed>>::new(&self.client, "publish", published, Some(&self.room));
            let error = match attempt.timeout(ATTEMPT.min(deadline - Instant::now())).await {
                Ok(placed) => return Ok(placed.unwrap_or_default().position),
                Err(error) => error,
            };
            let wait = backoff.next();
            if !is_hopeful(&error) || Instant::now() + wait >= deadline {
                return Err(error);
            }
            sleep(wait).await;
        }
    }
}

/// Whether it is not known if the message is there, or known that it is not yet.
fn is_hopeful(error: &CommandError) -> bool {
    let again = ["unknown", "timeout", "disconnected", "expired", "busy", "internal", "closing"];
    again.contains(&error.code())
}

/// The position, if the room keeps history.
///
/// # Errors
///
/// `rejected` if nobody will ever see it; `unknown`, `timeout` and `disconnected` say that somebody may.
impl<P: Serialize + Send + Sync + 'static> IntoFuture for Publish<P> {
    type Output = Result<Option<Position>, CommandError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.place())
    }
}

fn random_key() -> Box<str> {
    format!("{:032x}", random()).into()
}
