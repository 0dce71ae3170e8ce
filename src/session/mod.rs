//! One task per connection: it owns bytes, connector and outbox from open to close.

mod input;
pub(crate) mod io;
mod keepalive;
mod rate;
mod wire;
mod writer;

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll};

use bytes::Bytes;

use self::{
    io::Io,
    wire::{Next, Wire},
};
use crate::{
    conn::{Cause, Closed, ClosedBy, Conn, Phase},
    connector::{Connector, Disconnect},
    panics::{CatchPanic, Panicked, catch},
    protocol::{close::CloseCode, text::Text},
    stats::{HandlerCounters, Traffic},
};

/// A connection that is open.
pub(crate) struct Session {
    connector: Box<dyn Connector>,
    conn: Conn,
    wire: Wire,
}

type Callback<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Session {
    /// Takes over a transport; `early` is what was read from it beyond the request.
    pub(crate) fn new(
        connector: Box<dyn Connector>,
        conn: Conn,
        io: Io,
        early: Bytes,
        counters: Arc<HandlerCounters>,
    ) -> Self {
        let wire = Wire::new(conn.clone(), io, early, counters);
        Self { connector, conn, wire }
    }

    /// Calls the callbacks in their order, until the connection is over and `on_close` has returned.
    pub(crate) async fn run(self) {
        let Self { mut connector, conn, mut wire } = self;
        let mut late = None;
        if let Err(disconnect) = talk(&mut *connector, &conn, &mut wire).await {
            let (frame, cause) = disconnect.into_parts();
            late.clone_from(&cause);
            conn.begin_close(Some(frame), cause);
            // No callback is called any more but the last ones.
            while !matches!(poll_fn(|cx| wire.poll_next(cx)).await, Next::Over) {}
        }
        drop(wire);
        let mut closed = conn.closed().await;
        // The callback may have failed after the connection was over.
        closed.cause = closed.cause.or(late);
        farewell(&mut *connector, &conn, &closed).await;
    }
}

/// The callbacks between the first and the last, until the connection is over or one of them fails.
async fn talk(connector: &mut dyn Connector, conn: &Conn, wire: &mut Wire) -> Result<(), Disconnect> {
    alongside(wire, || connector.on_open(conn)).await?;
    conn.opened();
    loop {
        match poll_fn(|cx| wire.poll_next(cx)).await {
            Next::Message(message) => alongside(wire, || connector.on_message(conn, message)).await?,
            Next::Pong(round_trip) => alongside(wire, || connector.on_pong(conn, round_trip)).await?,
            Next::Over => return Ok(()),
        }
    }
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
    farewell(&mut *connector, conn, &closed).await;
}

/// Runs a callback while the session goes on.
async fn alongside<'a>(
    wire: &mut Wire,
    callback: impl FnOnce() -> Callback<'a, Result<(), Disconnect>>,
) -> Result<(), Disconnect> {
    let Ok(callback) = catch(callback) else { return Err(Disconnect::failed(Cause::Panic)) };
    let mut callback = CatchPanic(callback);
    let done = poll_fn(|cx| {
        wire.unpark();
        match Pin::new(&mut callback).poll(cx) {
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => {
                wire.poll_ahead(cx);
                Poll::Pending
            }
        }
    });
    done.await.unwrap_or_else(|Panicked| Err(Disconnect::failed(Cause::Panic)))
}

/// The last callbacks, `on_error` if there is a cause, and `on_close`. A panic in the one does not cost the other.
async fn farewell(connector: &mut dyn Connector, conn: &Conn, closed: &Closed) {
    log(closed);
    if let Some(cause) = closed.cause()
        && let Ok(callback) = catch(|| connector.on_error(conn, cause))
    {
        let _ = CatchPanic(callback).await;
    }
    if let Ok(callback) = catch(|| connector.on_close(conn, closed)) {
        let _ = CatchPanic(callback).await;
    }
}

/// One event per close. What the peer chose, the reason, is escaped by its `Debug`.
fn log(closed: &Closed) {
    let traffic = closed.traffic();
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                by = ?closed.by(),
                phase = ?closed.phase(),
                code = closed.code().as_u16(),
                reason = ?closed.reason(),
                was_clean = closed.was_clean(),
                cause = closed.cause().map(|cause| cause as &(dyn std::error::Error + 'static)),
                messages_received = traffic.messages_received,
                messages_sent = traffic.messages_sent,
                bytes_received = traffic.bytes_received,
                bytes_sent = traffic.bytes_sent,
                unsent = traffic.unsent,
                rate_limited = traffic.rate_limited,
                "closed"
            )
        };
    }
    match closed.cause() {
        Some(Cause::Callback(_) | Cause::Panic | Cause::InvalidCloseCode(_)) => event!(error),
        _ => event!(info),
    }
}
