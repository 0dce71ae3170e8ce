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
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::Poll,
};

use async_trait::async_trait;
use http::StatusCode;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::{
    conn::{Cause, Closed, ClosedBy, Conn, SendError},
    connector::{Connector, Disconnect, Handshake, Reject},
    panics::{CatchPanic, Panicked},
    protocol::{close::CloseCode, message::Message},
};

use super::{
    builtin,
    codec::{Codec, JSON, MESSAGE_PACK},
    context::Context,
    error::{ErrorReply, code},
    frame::{ERROR, ErrorParam, Frame, Id, Outgoing, REPLY},
    lane::{Entered, Lane},
    presence::Presence,
    request::Pending,
    router::{Answer, BoxFuture, Router},
};

/// The connector of one connection.
pub(super) struct Connection<S: Send + Sync + 'static> {
    router: Arc<Router<S>>,
    state: Option<S>,
    live: Option<Arc<Live<S>>>,
    /// The task that a handler goes on in, and those after it.
    detached: Option<JoinHandle<()>>,
}

/// What all handlers of an open connection share.
pub(super) struct Live<S> {
    router: Arc<Router<S>>,
    pub(super) conn: Conn,
    pub(super) link: Arc<Link>,
    state: Arc<tokio::sync::Mutex<S>>,
    lane: Lane<Call>,
    errors: AtomicU32,
}

/// What is attached to the [`Conn`], so that [`Conn::ask`] finds it.
pub(super) struct Link {
    pub(super) sender: Box<str>,
    pub(super) pending: Pending,
    presence: Option<Arc<Presence>>,
    /// The rooms where this connection counts.
    present: Mutex<Vec<Box<str>>>,
}

/// What is to be done in its turn: a command, or telling that it is none.
type Call = Result<Frame, ErrorReply>;

type Running = BoxFuture<Result<(), Disconnect>>;

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
        self.state = Some((self.router.state)(handshake)?);
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let Some(state) = self.state.take() else { return Ok(()) };
        let link = Arc::new(Link {
            sender: conn.user().map_or_else(|| conn.id().to_string(), ToOwned::to_owned).into(),
            pending: Pending::new(self.router.max_requests),
            presence: self.router.presence.clone(),
            present: Mutex::default(),
        });
        conn.attach(link.clone());
        for room in conn.rooms() {
            link.entered(conn, &room);
        }
        let live = Arc::new(Live {
            router: self.router.clone(),
            conn: conn.clone(),
            link,
            state: Arc::new(tokio::sync::Mutex::new(state)),
            lane: Lane::new(self.router.max_waiting),
            errors: AtomicU32::new(0),
        });
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
        // While the connection is still in its rooms, and whatever happened in `on_close`.
        if let Some(live) = &self.live {
            live.link.pending.close();
            live.link.left_all(&live.conn);
        }
    }
}

impl<S: Send + Sync + 'static> Live<S> {
    async fn context(self: &Arc<Self>, channel: Option<Box<str>>) -> Context<S> {
        let state = self.state.clone().lock_owned().await;
        Context { live: self.clone(), state, channel }
    }

    /// The task of a handler that waits for its own client, and of what came behind it.
    async fn go_on(self: Arc<Self>, first: Running) {
        let mut running = Some(first);
        while let Some(run) = running {
            let end = match CatchPanic(run).await {
                Ok(Ok(())) => {
                    let next = self.lane.next();
                    running = next.map(|call| Box::pin(self.clone().carry_out(call)) as Running);
                    continue;
                }
                Ok(Err(disconnect)) => disconnect,
                Err(Panicked) => Disconnect::failed(Cause::Panic),
            };
            let (frame, cause) = end.into_parts();
            self.conn.begin_close(Some(frame), cause);
            self.lane.clear();
            // The lane stays busy: nothing is carried out any more.
            return;
        }
    }

    /// Carries out a command and answers it.
    async fn carry_out(self: Arc<Self>, call: Call) -> Result<(), Disconnect> {
        let (id, done) = match call {
            Ok(frame) => (frame.id.clone(), self.dispatch(frame).await),
            Err(error) => (None, Err(error)),
        };
        let error = match done {
            Ok(None) => return Ok(()),
            Ok(Some(answer)) => match self.conn.send(answer).await {
                Err(error @ SendError::TooLarge(_)) => error.into(),
                // The outbox was full for the whole write timeout, or the connection is closing.
                _ => return Ok(()),
            },
            Err(error) => error,
        };
        self.tell_error(id.as_ref(), error).await
    }

    async fn dispatch(self: &Arc<Self>, mut frame: Frame) -> Result<Answer, ErrorReply> {
        let channel = frame.channel.take();
        if self.router.membership
            && let Some(channel) = &channel
            && !builtin::is_about_membership(&frame.cmd)
            && !self.conn.is_in(channel)
        {
            return Err(ErrorReply::new(code::NOT_A_MEMBER, "join the channel first"));
        }
        let context = self.context(channel).await;
        if let Some(handler) = self.router.handler(&frame.cmd) {
            return handler(context, frame).await;
        }
        let unknown = || Err(ErrorReply::new(code::UNKNOWN_COMMAND, "there is no command of that name"));
        builtin::run(&context, &frame).await.unwrap_or_else(unknown)
    }

    /// Tells the client what went wrong, and closes if that was too often.
    async fn tell_error(&self, id: Option<&Id>, error: ErrorReply) -> Result<(), Disconnect> {
        if let Some(source) = error.source() {
            tracing::error!(error = source, "a command failed");
        }
        let param = ErrorParam { code: error.code().into(), message: error.message().into() };
        let frame = Outgoing { id, ..Outgoing::new(ERROR, param) };
        // Closing, or too slow to read: then nobody is there to be told.
        let _ = self.conn.send(Codec::of(&self.conn).encode(&frame)?).await;
        if error.is_clients() {
            let errors = self.errors.fetch_add(1, Relaxed).saturating_add(1);
            if self.router.max_errors.is_some_and(|max| errors >= max) {
                return Err(Disconnect::new(CloseCode::POLICY_VIOLATION, "too many errors"));
            }
        }
        Ok(())
    }
}

impl Link {
    /// The connection has joined a room.
    pub(super) fn entered(&self, conn: &Conn, room: &str) {
        if let Some(presence) = &self.presence {
            self.present.lock().push(room.into());
            presence.enter(conn, room, &self.sender);
        }
    }

    /// The connection has left a room, or was not in it.
    pub(super) fn left(&self, conn: &Conn, room: &str) {
        let Some(presence) = &self.presence else { return };
        let mut present = self.present.lock();
        if let Some(at) = present.iter().position(|it| &**it == room) {
            present.swap_remove(at);
            drop(present);
            presence.leave(conn, room, &self.sender);
        }
    }

    fn left_all(&self, conn: &Conn) {
        let present = std::mem::take(&mut *self.present.lock());
        if let Some(presence) = &self.presence {
            for room in &present {
                presence.leave(conn, room, &self.sender);
            }
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
