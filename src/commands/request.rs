//! Requests of the server: [`Conn::ask`], its [`Reply`] and why there may be none.

use std::{collections::HashMap, pin::pin, time::Duration};

use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Notify, oneshot};

use crate::{
    conn::{Conn, SendError},
    protocol::text::Text,
};

use super::{
    codec::{Codec, DecodeError, EncodeError},
    frame::{ERROR, ErrorParam, Frame, Id, Outgoing},
    live::Link,
};

/// What a client answered to a request.
#[derive(Debug)]
pub struct Reply(Frame);

impl Reply {
    /// The answer as a value.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is something else.
    pub fn param<P: DeserializeOwned>(&self) -> Result<P, DecodeError> {
        self.0.param()
    }
}

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The client answered with an error.
    #[error("the client answered {code}: {message}")]
    Refused {
        /// The client's code; treat it as user input.
        code: Text,
        /// The client's message; treat it as user input.
        message: Text,
    },
    /// No reply came in time. One that comes later is ignored.
    #[error("no reply came in time")]
    Timeout,
    /// The connection ended before a reply came.
    #[error("the connection ended before a reply came")]
    Closed,
    /// As many requests as are allowed wait for a reply already.
    #[error("too many requests wait for a reply")]
    TooMany,
    /// The connection's connector is not [`Commands`](super::Commands), or it is not open yet.
    #[error("the connection speaks no commands")]
    NoCommands,
    /// The parameter cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The outbox did not take the request.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Conn {
    /// Asks the client, and waits for its reply, from any task. A command's handler may ask its own client.
    ///
    /// The timeout covers the sending too. At most 64 requests wait per connection; see
    /// [`Commands::max_requests`](super::Commands::max_requests).
    ///
    /// ```
    /// # async fn example(conn: gustnado::Conn) -> Result<(), gustnado::commands::RequestError> {
    /// use std::time::Duration;
    ///
    /// let reply = conn.ask("confirm", "delete everything?", Duration::from_secs(30)).await?;
    /// let sure: bool = reply.param().unwrap_or(false);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RequestError`]: the client refused, is too slow, or is gone.
    pub async fn ask<P: Serialize>(
        &self,
        cmd: &str,
        param: P,
        timeout: Duration,
    ) -> Result<Reply, RequestError> {
        let link: &Link = self.attached().ok_or(RequestError::NoCommands)?;
        let waiting = link.pending.begin()?;
        let id = Id::Number(waiting.id);
        let message = Codec::of(self).encode(&Outgoing { id: Some(&id), ..Outgoing::new(cmd, param) })?;
        let answered = async {
            self.send(message).await?;
            waiting.answer().await
        };
        tokio::time::timeout(timeout, answered).await.unwrap_or(Err(RequestError::Timeout))
    }
}

/// The requests of one connection that wait for a reply.
pub(super) struct Pending {
    max: usize,
    waiting: Mutex<Waiting>,
    /// Told when a request begins.
    began: Notify,
}

struct Waiting {
    /// The last id that was given out; none is used twice.
    last: u64,
    by_id: HashMap<u64, oneshot::Sender<Frame>>,
    closed: bool,
}

impl Pending {
    pub(super) fn new(max: usize) -> Self {
        let waiting = Mutex::new(Waiting { last: 0, by_id: HashMap::new(), closed: false });
        Self { max, waiting, began: Notify::new() }
    }

    fn begin(&self) -> Result<Request<'_>, RequestError> {
        let (sender, reply) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(RequestError::Closed);
        }
        if waiting.by_id.len() >= self.max {
            return Err(RequestError::TooMany);
        }
        waiting.last += 1;
        let id = waiting.last;
        waiting.by_id.insert(id, sender);
        self.began.notify_waiters();
        Ok(Request { pending: self, id, reply })
    }

    /// Hands a reply to the request that waits for it; `false` if none does.
    pub(super) fn answer(&self, frame: Frame) -> bool {
        let Some(Id::Number(id)) = frame.id else { return false };
        let waiting = self.waiting.lock().by_id.remove(&id);
        waiting.is_some_and(|waiting| waiting.send(frame).is_ok())
    }

    /// Whether a request waits for the client.
    pub(super) fn any(&self) -> bool {
        !self.waiting.lock().by_id.is_empty()
    }

    /// Returns once a request waits for the client.
    pub(super) async fn some(&self) {
        loop {
            let mut began = pin!(self.began.notified());
            began.as_mut().enable();
            if self.any() {
                return;
            }
            began.await;
        }
    }

    /// No reply comes any more.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.by_id.clear();
    }
}

/// A request's place; dropping it gives it up.
struct Request<'a> {
    pending: &'a Pending,
    id: u64,
    reply: oneshot::Receiver<Frame>,
}

impl Request<'_> {
    async fn answer(mut self) -> Result<Reply, RequestError> {
        let frame = (&mut self.reply).await.map_err(|_closed| RequestError::Closed)?;
        if &*frame.cmd != ERROR {
            return Ok(Reply(frame));
        }
        let error: ErrorParam<'static> = frame.param().unwrap_or_default();
        let [code, message] = [error.code, error.message].map(|it| Text::from(it.into_owned()));
        Err(RequestError::Refused { code, message })
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.pending.waiting.lock().by_id.remove(&self.id);
    }
}
