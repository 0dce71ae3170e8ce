//! One task per connection: it owns bytes, connector and outbox from open to close.

mod ahead;
mod input;
pub(crate) mod io;
mod keepalive;
mod rate;
mod takeover;
mod wire;
mod writer;

use std::{
    error::Error,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
};

use bytes::Bytes;
use tracing::Level;

use self::{ahead::Next, io::Io, wire::Wire};
use crate::{
    conn::{Cause, Closed, ClosedBy, Conn, Escaped, Phase},
    connector::{Connector, Disconnect},
    panics::{CatchPanic, Panicked, catch},
    protocol::{close::CloseCode, text::Text},
    stats::Traffic,
};

/// A connection that is open. `Place` is what is held for it until the end.
pub(crate) struct Session<Place> {
    connector: Box<dyn Connector>,
    conn: Conn,
    wire: Wire,
    // After the wire, so that it is dropped after it.
    unlogged: Unlogged,
    _place: Place,
}

type Callback<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<Place: Send> Session<Place> {
    /// Takes over a transport; `early` is what was read from it beyond the request.
    pub(crate) fn new(connector: Box<dyn Connector>, conn: Conn, io: Io, early: Bytes, place: Place) -> Self {
        let wire = Wire::new(conn.clone(), io, early);
        let unlogged = Unlogged(Some(conn.clone()));
        Self { connector, conn, wire, unlogged, _place: place }
    }

    /// Calls the callbacks in their order, until the connection is over and `on_close` has returned.
    // No `async fn`, and nothing is moved out of `self`: either would keep room for a session twice, for as long as
    // the connection lives.
    #[allow(clippy::manual_async_fn)]
    pub(crate) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            // All of it, the place too; and one reference, since each would be kept for as long.
            let it = &mut self;
            let talked = talk(&mut it.connector, &it.conn, &mut it.wire).await;
            // Boxed, since it needs room only once, and only then.
            Box::pin(end(&mut *it.connector, &it.conn, &mut it.wire, &mut it.unlogged, talked)).await;
        }
    }
}

/// The callbacks between the first and the last, until the connection is over or one of them fails.
// No `async fn`, as for `run`.
#[allow(clippy::manual_async_fn)]
fn talk(
    connector: &mut Box<dyn Connector>,
    conn: &Conn,
    wire: &mut Wire,
) -> impl Future<Output = Result<(), Disconnect>> + Send {
    async move {
        if let Some(opened) = call(connector, conn, wire, true).await {
            opened?;
        }
        conn.opened();
        while let Some(called) = call(connector, conn, wire, false).await {
            called?;
        }
        Ok(())
    }
}

/// Ends the connection, if it is not over yet, and calls the last callbacks.
async fn end(
    connector: &mut dyn Connector,
    conn: &Conn,
    wire: &mut Wire,
    unlogged: &mut Unlogged,
    talked: Result<(), Disconnect>,
) {
    let mut late = None;
    if let Err(disconnect) = talked {
        let (frame, cause) = disconnect.into_end_of(conn);
        late.clone_from(&cause);
        conn.begin_close(Some(frame), cause);
        // No callback is called any more but the last ones.
        while !matches!(poll_fn(|cx| wire.poll_next(cx)).await, Next::Over) {}
    }
    let mut closed = conn.closed().await;
    // The callback may have failed after the connection was over.
    closed.cause = closed.cause.or(late);
    unlogged.log(&closed);
    farewell(connector, conn, &closed).await;
}

/// The last callbacks of a connection that was accepted, and never opened since the answer got lost.
pub(crate) async fn never_opened(mut connector: Box<dyn Connector>, conn: &Conn, cause: Cause) {
    let closed = Closed {
        by: ClosedBy::Transport,
        phase: Phase::Opening,
        code: CloseCode::ABNORMAL,
        reason: Text::default(),
        was_clean: false,
        cause: Some(Arc::new(cause)),
        traffic: Traffic::default(),
    };
    conn.shut(&mut conn.state());
    conn.finish(closed.clone());
    log(&closed);
    farewell(&mut *connector, conn, &closed).await;
}

/// Waits for what comes next, unless the connection is just `opening`, and runs its callback while the session goes on.
/// `None` once the connection is over.
// No `async fn`: it would keep room for its arguments twice; and a reference to the box is half as large as one to what
// is in it.
fn call<'a>(
    connector: &'a mut Box<dyn Connector>,
    conn: &'a Conn,
    wire: &'a mut Wire,
    opening: bool,
) -> impl Future<Output = Option<Result<(), Disconnect>>> {
    let (mut connector, mut running) = (Some(connector), None);
    poll_fn(move |cx| {
        let next = match &connector {
            None => None,
            Some(_) if opening => Some(Next::Open),
            Some(_) => Some(ready!(wire.poll_next(cx))),
        };
        wire.unpark();
        // Most callbacks are ready at once: they are made and polled under one guard.
        let polled = catch(|| {
            if let (Some(next), Some(connector)) = (next, connector.take()) {
                running = callback(&mut **connector, conn, next);
            }
            running.as_mut().map_or(Poll::Ready(None), |running| running.as_mut().poll(cx).map(Some))
        });
        match polled {
            Ok(Poll::Ready(done)) => Poll::Ready(done),
            Ok(Poll::Pending) => {
                wire.poll_ahead(cx);
                Poll::Pending
            }
            Err(Panicked) => Poll::Ready(Some(Err(Disconnect::failed(Cause::Panic)))),
        }
    })
}

#[inline]
fn callback<'a>(
    connector: &'a mut dyn Connector,
    conn: &'a Conn,
    next: Next,
) -> Option<Callback<'a, Result<(), Disconnect>>> {
    Some(match next {
        Next::Open => connector.on_open(conn),
        Next::Message(message) => connector.on_message(conn, message),
        Next::Pong(round_trip) => connector.on_pong(conn, round_trip),
        Next::Over => return None,
    })
}

/// The last callbacks, `on_error` if there is a cause, and `on_close`. A panic in the one does not cost the other.
async fn farewell(connector: &mut dyn Connector, conn: &Conn, closed: &Closed) {
    if let Some(cause) = closed.cause()
        && let Ok(callback) = catch(|| connector.on_error(conn, cause))
    {
        let _ = CatchPanic(callback).await;
    }
    if let Ok(callback) = catch(|| connector.on_close(conn, closed)) {
        let _ = CatchPanic(callback).await;
    }
}

/// Logs how a connection ended, at the latest when the runtime drops the connection's task.
struct Unlogged(Option<Conn>);

impl Unlogged {
    fn log(&mut self, closed: &Closed) {
        self.0 = None;
        log(closed);
    }
}

impl Drop for Unlogged {
    fn drop(&mut self) {
        if let Some(closed) = self.0.as_ref().and_then(Conn::ended) {
            log(closed);
        }
    }
}

/// One event per close. What the peer chose is escaped: the reason by its `Debug`, and errors that may quote it.
fn log(closed: &Closed) {
    let is_ours =
        matches!(closed.cause(), Some(Cause::Callback(_) | Cause::Panic | Cause::InvalidCloseCode(_)));
    // To write the cause down costs 7 % of a connection that opens and closes: only for somebody who reads it.
    let is_read = if is_ours { tracing::enabled!(Level::ERROR) } else { tracing::enabled!(Level::INFO) };
    if !is_read {
        return;
    }
    let traffic = closed.traffic();
    let cause = closed.cause().map(|cause| Escaped::new(cause));
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                by = ?closed.by(),
                phase = ?closed.phase(),
                code = closed.code().as_u16(),
                reason = ?closed.reason(),
                was_clean = closed.was_clean(),
                cause = cause.as_ref().map(|cause| cause as &(dyn Error + 'static)),
                messages_received = traffic.messages_received,
                messages_sent = traffic.messages_sent,
                bytes_received = traffic.bytes_received,
                bytes_sent = traffic.bytes_sent,
                dropped_newest = traffic.dropped_newest,
                dropped_oldest = traffic.dropped_oldest,
                unsent = traffic.unsent,
                ignored = traffic.ignored,
                rate_limited = traffic.rate_limited,
                "closed"
            )
        };
    }
    if is_ours {
        event!(error);
    } else {
        event!(info);
    }
}
