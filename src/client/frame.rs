//! [`Frame`]: a command that came from the server.

use std::sync::Arc;

use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny, IntoDeserializer, value::UnitDeserializer},
};

use crate::{
    commands::{Codec, DecodeError, frame::Id},
    protocol::message::Message,
};

/// A command of the server, whose `param` is not looked at yet. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    envelope: Envelope,
    codec: Codec,
    message: Message,
}

#[derive(Debug, Deserialize)]
struct Envelope {
    cmd: Box<str>,
    channel: Option<Box<str>>,
    id: Option<Id>,
    from: Option<Box<str>>,
    offset: Option<u64>,
    prev: Option<u64>,
    param: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WithParam<P> {
    param: P,
}

impl Frame {
    /// `None` for what is no command.
    pub(super) fn parse(codec: Codec, message: Message) -> Option<Self> {
        if !codec.fits(&message) || !codec.is_map(message.as_bytes()) {
            return None;
        }
        let envelope = codec.decode(message.as_bytes()).ok()?;
        Some(Self(Arc::new(Inner { envelope, codec, message })))
    }

    /// What the command is called.
    pub fn cmd(&self) -> &str {
        &self.0.envelope.cmd
    }

    /// The room that it was sent to.
    pub fn channel(&self) -> Option<&str> {
        self.0.envelope.channel.as_deref()
    }

    /// Who caused it: the user, or the connection's id if it has no user.
    pub fn from(&self) -> Option<&str> {
        self.0.envelope.from.as_deref()
    }

    /// Its number in the log of a room that keeps history.
    pub fn offset(&self) -> Option<u64> {
        self.0.envelope.offset
    }

    /// What the command says; a `param` that is missing is as `null`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is something else.
    pub fn param<P: DeserializeOwned>(&self) -> Result<P, DecodeError> {
        if self.0.envelope.param.is_some() {
            let with: WithParam<P> = self.0.codec.decode(self.0.message.as_bytes())?;
            return Ok(with.param);
        }
        let null: UnitDeserializer<serde::de::value::Error> = ().into_deserializer();
        P::deserialize(null).map_err(DecodeError::new)
    }

    pub(super) fn id(&self) -> Option<&Id> {
        self.0.envelope.id.as_ref()
    }

    pub(super) fn prev(&self) -> Option<u64> {
        self.0.envelope.prev
    }
}
