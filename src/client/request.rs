//! [`Request`] and [`SendCommand`]: commands that are about to be sent, by `.await`.

use std::{future::IntoFuture, marker::PhantomData, time::Duration};

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{sync::oneshot, time::timeout};

use crate::{
    commands::{
        EncodeError,
        frame::{Id, Outgoing},
    },
    protocol::message::Message,
};

use super::{
    Client,
    core::Op,
    error::CommandError,
    outbox::{SendResult, Settle, Waiting, after},
};

/// A command whose reply is waited for, by `.await`: [`Client::request`].
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct Request<R> {
    client: Client,
    id: u64,
    message: Result<Message, EncodeError>,
    timeout: Duration,
    reply: PhantomData<fn() -> R>,
}

impl<R> Request<R> {
    pub(super) fn new(client: &Client, cmd: &str, param: impl Serialize, channel: Option<&str>) -> Self {
        let id = client.next_id();
        let frame = Outgoing { channel, id: Some(&Id::Number(id)), ..Outgoing::new(cmd, param) };
        let message = client.codec().encode(&frame);
        Self { client: client.clone(), id, message, timeout: client.timeout(), reply: PhantomData }
    }

    /// How long the answer may take, the wait for a connection included.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<R: DeserializeOwned + 'static> IntoFuture for Request<R> {
    type Output = Result<R, CommandError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (answer, waits) = oneshot::channel();
            let settle = Settle::Caller(self.id, answer);
            let waiting = Waiting { message: self.message?, expires: after(self.timeout), settle };
            let asked = async {
                self.client.ask(Op::Send(waiting)).await?;
                waits.await.unwrap_or(Err(CommandError::Dropped))
            };
            let reply = timeout(self.timeout, asked).await.unwrap_or(Err(CommandError::Timeout))?;
            Ok(reply.param()?)
        })
    }
}

/// A command that needs no answer, and is sent by `.await`: [`Client::send`].
#[derive(Debug)]
#[must_use = "nothing is sent before it is awaited"]
pub struct SendCommand {
    client: Client,
    message: Result<Message, EncodeError>,
    expires: Duration,
}

impl SendCommand {
    pub(super) fn new(client: &Client, cmd: &str, param: impl Serialize, channel: Option<&str>) -> Self {
        let message = client.codec().encode(&Outgoing { channel, ..Outgoing::new(cmd, param) });
        Self { client: client.clone(), message, expires: client.expires() }
    }

    /// How long it may wait for a connection.
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }
}

impl IntoFuture for SendCommand {
    type Output = Result<SendResult, EncodeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (sender, result) = oneshot::channel();
            let settle = Settle::Sender(sender);
            let waiting = Waiting { message: self.message?, expires: after(self.expires), settle };
            // Who is not told was dropped, by a client that is closed.
            Ok(match self.client.ask(Op::Send(waiting)).await {
                Ok(()) => result.await.unwrap_or(SendResult::Dropped),
                Err(_) => SendResult::Dropped,
            })
        })
    }
}
