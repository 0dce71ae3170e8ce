//! Answering the server's requests.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    commands::{
        Codec, EncodeError, ErrorReply, code,
        frame::{ERROR, ErrorParam, Id, Outgoing, REPLY, told},
    },
    panics::CatchPanic,
    protocol::message::Message,
};

use super::{error::ClientError, frame::Frame};

/// How many requests are answered at a time; the server asks no more at once by default.
pub(super) const MAX_ANSWERS: usize = 64;

/// A handler whose types are known to itself only.
pub(super) type Answerer = Arc<dyn Fn(Frame, Codec) -> Answering + Send + Sync>;

type Answering = BoxFuture<'static, Result<Message, ErrorReply>>;

/// What goes back, and what went wrong here.
pub(super) struct Answered {
    /// On which connection the server asked.
    pub(super) connection: u64,
    pub(super) message: Option<Message>,
    pub(super) error: Option<ClientError>,
}

pub(super) fn answerer<P, R, F, Fut>(handler: F) -> Answerer
where
    P: DeserializeOwned + Send + 'static,
    R: Serialize + Send,
    F: Fn(P) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, ErrorReply>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Arc::new(move |frame, codec| {
        let handler = Arc::clone(&handler);
        Box::pin(async move {
            let param = frame.param().map_err(|error| ErrorReply::new(code::BAD_PARAMS, told(&error)))?;
            let reply = handler(param).await?;
            Ok(codec.encode(&Outgoing { id: frame.id(), ..Outgoing::new(REPLY, reply) })?)
        })
    })
}

/// Has a request answered. A panic stays within.
pub(super) async fn answer(answering: Answering, frame: Frame, codec: Codec, connection: u64) -> Answered {
    let internal = || ErrorReply::new(code::INTERNAL, "an error within the client");
    let error = match CatchPanic(answering).await {
        Ok(Ok(message)) => return Answered { connection, message: Some(message), error: None },
        Ok(Err(error)) => error,
        Err(_) => internal(),
    };
    let failed = error.code() == code::INTERNAL;
    let error = if failed { internal() } else { error };
    Answered {
        connection,
        message: refusal(codec, frame.id(), &error).ok(),
        error: failed.then(|| ClientError::Answer { cmd: frame.cmd().into() }),
    }
}

/// An answer that is an error.
pub(super) fn refusal(codec: Codec, id: Option<&Id>, error: &ErrorReply) -> Result<Message, EncodeError> {
    let param = ErrorParam { code: error.code().into(), message: error.message().into() };
    codec.encode(&Outgoing { id, ..Outgoing::new(ERROR, param) })
}
