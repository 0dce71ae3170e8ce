//! [`Router`]: which handler carries out which command.

use std::{collections::HashMap, pin::Pin, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    conn::Closed,
    connector::{Disconnect, Handshake, Reject},
    protocol::message::Message,
};

use super::{
    context::Context,
    error::{ErrorReply, code},
    frame::{Frame, Outgoing, REPLY, told},
    publish::PublishRequest,
};

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The frame that answers a command; `None` if nobody asked for an answer.
pub(super) type Answer = Option<Message>;

type Run<S> = dyn Fn(Context<S>, Frame) -> BoxFuture<Result<Answer, ErrorReply>> + Send + Sync;
type MakeState<S> = dyn Fn(&mut Handshake) -> Result<S, Reject> + Send + Sync;
type OnOpen<S> = dyn Fn(Context<S>) -> BoxFuture<Result<(), Disconnect>> + Send + Sync;
type OnClose<S> = dyn Fn(Context<S>, Closed) -> BoxFuture<()> + Send + Sync;

/// Whether a client may publish something.
pub(super) type PublishPolicy = dyn Fn(&PublishRequest<'_>) -> Result<(), ErrorReply> + Send + Sync;

/// All that connections share.
pub(super) struct Router<S> {
    pub(super) state: Arc<MakeState<S>>,
    handlers: HashMap<Box<str>, Arc<Run<S>>>,
    pub(super) on_open: Option<Arc<OnOpen<S>>>,
    pub(super) on_close: Option<Arc<OnClose<S>>>,
    pub(super) presence: bool,
    pub(super) publish: Option<Arc<PublishPolicy>>,
    pub(super) membership: bool,
    pub(super) max_errors: Option<u32>,
    pub(super) max_requests: usize,
    pub(super) max_waiting: usize,
}

impl<S: Send + Sync + 'static> Router<S> {
    pub(super) fn new(state: Arc<MakeState<S>>) -> Self {
        Self {
            state,
            handlers: HashMap::new(),
            on_open: None,
            on_close: None,
            presence: true,
            publish: None,
            membership: true,
            max_errors: None,
            max_requests: 64,
            max_waiting: 64,
        }
    }

    pub(super) fn add<P, R, F, Fut>(&mut self, cmd: Box<str>, handler: F)
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Context<S>, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ErrorReply>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let run = move |context: Context<S>, frame: Frame| -> BoxFuture<Result<Answer, ErrorReply>> {
            let handler = handler.clone();
            Box::pin(async move {
                let param = frame.param().map_err(|error| ErrorReply::new(code::BAD_PARAMS, told(&error)))?;
                let value = handler(context, param).await?;
                answer(&frame, &value)
            })
        };
        self.handlers.insert(cmd, Arc::new(run));
    }

    pub(super) fn handler(&self, cmd: &str) -> Option<Arc<Run<S>>> {
        self.handlers.get(cmd).cloned()
    }
}

/// The reply frame, if the command has an `id` to tell it by.
pub(super) fn answer(frame: &Frame, value: &impl Serialize) -> Result<Answer, ErrorReply> {
    let Some(id) = &frame.id else { return Ok(None) };
    let reply = Outgoing { id: Some(id), ..Outgoing::new(REPLY, value) };
    Ok(Some(frame.codec.encode(&reply)?))
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            handlers: self.handlers.clone(),
            on_open: self.on_open.clone(),
            on_close: self.on_close.clone(),
            presence: self.presence,
            publish: self.publish.clone(),
            membership: self.membership,
            max_errors: self.max_errors,
            max_requests: self.max_requests,
            max_waiting: self.max_waiting,
        }
    }
}
