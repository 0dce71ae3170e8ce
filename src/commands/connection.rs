//! [`Connection`]: the connector that carries out commands.
//!
//! A callback of a connection does not overlap with the next: as long as `on_message` has not returned, no further
//! message is handed over, not even the reply that a handler waits for. So a handler runs inside `on_message` only
//! as long as no request waits for this client. From the first moment at which it does not finish and one waits, it
//! goes on in a task of its own; `on_message` returns, replies go to their requests past everything else, and
//! commands that come meanwhile wait in the [`Lane`], where that task finds them in order. When the lane is empty the
//! task ends, and handlers run inside `on_message` again: a connection has a task of its own only while it needs one.
//!
//! When the lane is full, `on_message` waits, and TCP pushes back. But that would hold up the reply that might make
//! room, so while a request waits, a command that finds no room is refused as `busy` in its place.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use async_trait::async_trait;
use http::StatusCode;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::{
    conn::{Closed, ClosedBy, Conn},
    connector::{Connector, Disconnect, Handshake, Reject},
    hub::Framed,
    protocol::message::Message,
};

use super::{
    codec::{Codec, JSON, MESSAGE_PACK},
    error::{ErrorReply, code},
    frame::{ERROR, Frame, REPLY},
    lane::Entered,
    live::{Link, Live, Running},
    router::Router,
};

/// The connector of one connection.
pub(super) struct Connection<S: Send + Sync + 'static> {
    router: Arc<Router<S>>,
    state: Option<S>,
    live: Option<Arc<Live<S>>>,
    /// The task that a handler goes on in, and those after it.
    detached: Option<JoinHandle<()>>,
}

impl<S: Send + Sync + 'static> Connection<S> {
    pub(super) fn new(router: Arc<Router<S>>) -> Self {
        Self { router, state: None, live: None, detached: None }
    }

    /// Carries something out, here or, once it waits for this client, in a task of its own.
    async fn run(&mut self, live: Arc<Live<S>>, mut running: Running) -> Result<(), Disconnect> {
        if let Some(done) = first(running.as_mut(), pin!(live.link.pending.some())).await {
            return done;
        }
        live.lane.set_busy();
        self.detached = Some(tokio::spawn(live.go_on(running).in_current_span()));
        Ok(())
    }
}

#[async_trait]
impl<S: Send + Sync + 'static> Connector for Connection<S> {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let chosen = handshake.select_protocol([JSON, MESSAGE_PACK]).is_some();
        if !chosen && handshake.offered_protocols().next().is_some() {
            let spoken = format!("the subprotocols here are {JSON} and {MESSAGE_PACK}");
            return Err(Reject::new(StatusCode::BAD_REQUEST, spoken));
        }
        handshake.set_extension(Framed(match handshake.protocol() {
            Some(MESSAGE_PACK) => &Codec::MessagePack,
            _ => &Codec::Json,
        }));
        self.state = Some((self.router.state)(handshake)?);
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let Some(state) = self.state.take() else { return Ok(()) };
        let link = Arc::new(Link::new(conn, &self.router));
        conn.attach(link.clone());
        for room in conn.rooms() {
            link.entered(conn, &room);
        }
        let live = Arc::new(Live::new(self.router.clone(), conn.clone(), link, state));
        self.live = Some(live.clone());
        let Some(on_open) = self.router.on_open.clone() else { return Ok(()) };
        let context = live.context(None).await;
        self.run(live, Box::pin(async move { on_open(context).await })).await
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        let Some(live) = self.live.clone() else { return Ok(()) };
        let mut call = Frame::parse(Codec::of(conn), message);
        if let Ok(frame) = &call
            && matches!(&*frame.cmd, REPLY | ERROR)
        {
            // One that nobody waits for came too late, and an error without an id answers nothing of ours.
            if let Ok(frame) = call
                && !live.link.pending.answer(frame)
            {
                tracing::debug!("a reply that nobody waits for");
            }
            return Ok(());
        }
        loop {
            let mut moved = pin!(live.lane.moved());
            moved.as_mut().enable();
            call = match live.lane.enter(call) {
                Entered::Waits => return Ok(()),
                Entered::Idle(call) => {
                    let running = Box::pin(live.clone().carry_out(call));
                    return self.run(live.clone(), running).await;
                }
                Entered::Full(call) if live.link.pending.any() => {
                    let id = call.ok().and_then(|frame| frame.id);
                    let busy = ErrorReply::new(code::BUSY, "too many commands wait");
                    return live.tell_error(id.as_ref(), busy).await;
                }
                Entered::Full(call) => call,
            };
            first(moved, pin!(live.link.pending.some())).await;
        }
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        let Some(live) = self.live.clone() else { return };
        live.link.pending.close();
        if closed.by() == ClosedBy::Local {
            live.lane.clear();
        }
        if let Some(detached) = &mut self.detached {
            let _ = detached.await;
        }
        if let Some(on_close) = self.router.on_close.clone() {
            on_close(live.context(None).await, closed.clone()).await;
        }
    }
}

impl<S: Send + Sync + 'static> Drop for Connection<S> {
    fn drop(&mut self) {
        if let Some(detached) = &self.detached {
            detached.abort();
        }
        if let Some(live) = &self.live {
            live.link.pending.close();
        }
    }
}

/// What `a` gives, or `None` if `b` is ready first.
async fn first<A: Future + ?Sized, B: Future>(mut a: Pin<&mut A>, mut b: Pin<&mut B>) -> Option<A::Output> {
    let ready = poll_fn(|cx| match a.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => b.as_mut().poll(cx).map(|_| None),
    });
    ready.await
}
