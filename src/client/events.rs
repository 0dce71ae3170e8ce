//! [`Events`]: what happens to a client, as a stream.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use super::{
    closing::Closed,
    error::ClientError,
    frame::Frame,
    inbox::{Inbox, Missed},
};

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// An attempt is under way.
    Connecting,
    /// There is a connection.
    Open,
    /// The next attempt comes after this time.
    Waiting {
        /// From the beginning of the wait.
        retry_in: Duration,
    },
    /// For good.
    Closed,
}

/// What happens to a client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The client is doing something else now.
    State(State),
    /// A command of the server, of whatever room; of rooms that keep history each once, and in order.
    Command(Frame),
    /// A connection has ended, or an attempt has failed.
    Closed(Closed),
    /// Something went wrong.
    Error(Arc<ClientError>),
    /// The reader was too slow for so many events, which would have been here.
    Missed(u64),
}

impl From<Missed> for Event {
    fn from(Missed(events): Missed) -> Self {
        Self::Missed(events)
    }
}

/// The events of a client, from when they were asked for until it is closed.
#[derive(Debug)]
pub struct Events(pub(super) Inbox<Event>);

impl Events {
    /// The next event; `None` when the client is closed and all have been read. Nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next(cx)
    }
}
