//! [`Room`]: what is told of a room, and what is said to it. [`Join`]: how to come in.

use std::{
    future::{IntoFuture, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::oneshot;

use super::{
    Client,
    core::Op,
    error::CommandError,
    inbox::{Inbox, inbox},
    member::{JoinParam, RoomEvent, Told},
    position::Position,
    publish::Publish,
    request::{Request, SendCommand},
};

/// A room that is about to be joined, by `.await`: [`Client::join`].
#[derive(Debug)]
#[must_use = "nothing is joined before it is awaited"]
pub struct Join {
    client: Client,
    name: Arc<str>,
    options: JoinParam,
}

impl Join {
    pub(super) fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.into(), options: JoinParam::default() }
    }

    /// Gets this many of the latest messages at first, of a room that keeps history.
    pub fn last(mut self, messages: u32) -> Self {
        self.options.last = Some(messages);
        self
    }

    /// Gets what came after this position: one that was kept from an earlier visit.
    pub fn since(mut self, position: Position) -> Self {
        self.options.since = Some(position);
        self
    }

    async fn enter(self) -> Result<Room, CommandError> {
        let Self { client, name, options } = self;
        let (reader, events) = inbox(client.read_ahead());
        let (entered, waits) = oneshot::channel();
        let position = options.since.clone();
        // Made first: if the future is dropped, the room is left by that.
        let room = Room { name: Arc::clone(&name), client, events, position };
        room.client.ask(Op::Join { room: name, options, reader, entered }).await?;
        waits.await.unwrap_or(Err(CommandError::Dropped))?;
        Ok(room)
    }
}

impl IntoFuture for Join {
    type Output = Result<Room, CommandError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.enter())
    }
}

/// A room that the client is in, and joins again on every new connection. Dropping it leaves the room, unless it was
/// joined more than once.
///
/// It is the stream of its own events, the first of which is [`RoomEvent::Joined`].
#[derive(Debug)]
pub struct Room {
    name: Arc<str>,
    client: Client,
    events: Inbox<Told>,
    position: Option<Position>,
}

impl Room {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Up to where the room's messages have been read from here, if the room keeps history.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// The next event; `None` when the client is closed, or the room cannot be joined again, and all have been read.
    /// Nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<RoomEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// As [`Client::request`], for this room.
    pub fn request<R>(&self, cmd: &str, param: impl Serialize) -> Request<R> {
        Request::new(&self.client, cmd, param, Some(&self.name))
    }

    /// As [`Client::send`], for this room.
    pub fn send(&self, cmd: &str, param: impl Serialize) -> SendCommand {
        SendCommand::new(&self.client, cmd, param, Some(&self.name))
    }

    /// Publishes a command to the room, by `.await`, where the server lets clients do so. It is repeated with the same
    /// key until it is known what became of it.
    ///
    /// ```
    /// # use gustnado::client::{CommandError, Room};
    /// # async fn example(room: Room) -> Result<(), CommandError> {
    /// let position = room.publish("chat", "hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish<P: Serialize>(&self, cmd: &str, param: P) -> Publish<P> {
        Publish::new(&self.client, &self.name, cmd, param)
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        let Some(told) = ready!(self.events.poll_next(cx)) else { return Poll::Ready(None) };
        if !matches!(told.event, RoomEvent::Missed(_)) {
            self.position = told.position;
        }
        Poll::Ready(Some(told.event))
    }
}

impl Stream for Room {
    type Item = RoomEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        self.poll_event(cx)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.events.close();
        // If there is no room for it, it is noticed at the next message of the room.
        self.client.mention(Op::Left(Arc::clone(&self.name)));
    }
}
