//! [`Live`]: an open connection, and how its commands are carried out. [`Link`]: what everybody may use of it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use tracing::Instrument;

use crate::{
    conn::{Cause, Conn, Escaped, SendError},
    connector::Disconnect,
    panics::{CatchPanic, Panicked},
    protocol::close::CloseCode,
};

use super::{
    builtin,
    codec::Codec,
    context::Context,
    error::{ErrorReply, code},
    frame::{ERROR, ErrorParam, Frame, Id, Outgoing},
    lane::Lane,
    presence,
    request::Pending,
    router::{Answer, BoxFuture, PublishPolicy, Router},
};

/// What all handlers of an open connection share.
pub(super) struct Live<S> {
    router: Arc<Router<S>>,
    pub(super) conn: Conn,
    pub(super) link: Arc<Link>,
    state: Arc<tokio::sync::Mutex<S>>,
    pub(super) lane: Lane<Call>,
    errors: AtomicU32,
}

/// What is attached to the [`Conn`], so that [`Conn::ask`] finds it.
pub(super) struct Link {
    pub(super) sender: Box<str>,
    pub(super) pending: Pending,
    pub(super) presence: bool,
}

/// What is to be done in its turn: a command, or telling that it is none.
pub(super) type Call = Result<Frame, ErrorReply>;

pub(super) type Running = BoxFuture<Result<(), Disconnect>>;

impl<S: Send + Sync + 'static> Live<S> {
    pub(super) fn new(router: Arc<Router<S>>, conn: Conn, link: Arc<Link>, state: S) -> Self {
        let lane = Lane::new(router.max_waiting);
        let state = Arc::new(tokio::sync::Mutex::new(state));
        Self { router, conn, link, state, lane, errors: AtomicU32::new(0) }
    }

    pub(super) fn publish_policy(&self) -> Option<&PublishPolicy> {
        self.router.publish.as_deref()
    }

    pub(super) async fn context(self: &Arc<Self>, channel: Option<Box<str>>) -> Context<S> {
        let state = self.state.clone().lock_owned().await;
        Context { live: self.clone(), state, channel }
    }

    /// The task of a handler that waits for its own client, and of what came behind it.
    pub(super) async fn go_on(self: Arc<Self>, first: Running) {
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
    pub(super) async fn carry_out(self: Arc<Self>, call: Call) -> Result<(), Disconnect> {
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
            // Only names of handlers of ours come here, so that the field has no value of a peer's making.
            let span = tracing::debug_span!("command", cmd = %frame.cmd);
            return handler(context, frame).instrument(span).await;
        }
        let unknown = || Err(ErrorReply::new(code::UNKNOWN_COMMAND, "there is no command of that name"));
        builtin::run(&context, &frame).await.unwrap_or_else(unknown)
    }

    /// Tells the client what went wrong, and closes if that was too often.
    pub(super) async fn tell_error(&self, id: Option<&Id>, error: ErrorReply) -> Result<(), Disconnect> {
        if let Some(source) = error.source() {
            let error = &Escaped::new(source) as &(dyn std::error::Error + 'static);
            tracing::error!(error, "a command failed");
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
    pub(super) fn new<S>(conn: &Conn, router: &Router<S>) -> Self {
        if router.presence {
            presence::tell_members(conn.hub());
        }
        Self {
            sender: conn.user().map_or_else(|| conn.id().to_string(), ToOwned::to_owned).into(),
            pending: Pending::new(router.max_requests),
            presence: router.presence,
        }
    }

    /// The connection has joined a room.
    pub(super) fn entered(&self, conn: &Conn, room: &str) {
        if self.presence {
            conn.appear(room);
        }
    }
}
