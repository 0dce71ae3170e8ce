//! The frames of the wire: what comes in, and what goes out. `docs/wire.md` specifies them.

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny, IntoDeserializer, value::UnitDeserializer},
};

use crate::protocol::message::Message;

use super::{
    codec::{Codec, DecodeError},
    error::{ErrorReply, code},
};

/// Frames of these names answer others; no handler may have them.
pub(crate) const REPLY: &str = "reply";
pub(crate) const ERROR: &str = "error";

/// The longest `id` of text, in bytes.
pub(crate) const MAX_ID: usize = 64;

/// The largest `id` of digits: what every number in JavaScript can hold exactly.
pub(crate) const MAX_ID_NUMBER: u64 = (1 << 53) - 1;

/// What ties a reply to its command: chosen by who wants the reply, returned as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Number(u64),
    Text(Box<str>),
}

/// A message that came, whose `param` is not looked at yet.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) cmd: Box<str>,
    pub(crate) channel: Option<Box<str>>,
    pub(crate) id: Option<Id>,
    has_param: bool,
    pub(crate) codec: Codec,
    message: Message,
}

/// What is looked at first. A `from` is not: the server knows who it is.
#[derive(Deserialize)]
struct Envelope {
    cmd: Box<str>,
    channel: Option<Box<str>>,
    id: Option<Id>,
    param: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WithParam<P> {
    param: P,
}

impl Frame {
    pub(crate) fn parse(codec: Codec, message: Message) -> Result<Self, ErrorReply> {
        if !codec.fits(&message) {
            let spoken = match codec {
                Codec::Json => "this connection speaks JSON, in text messages",
                Codec::MessagePack => "this connection speaks MessagePack, in binary messages",
            };
            return Err(ErrorReply::new(code::WRONG_TYPE, spoken));
        }
        if !codec.is_map(message.as_bytes()) {
            return Err(ErrorReply::new(code::BAD_FRAME, "a command is a map"));
        }
        let Envelope { cmd, channel, id, param } = codec
            .decode(message.as_bytes())
            .map_err(|error| ErrorReply::new(code::BAD_FRAME, told(&error)))?;
        let sound = match &id {
            Some(Id::Text(id)) => (1..=MAX_ID).contains(&id.len()),
            Some(Id::Number(id)) => *id <= MAX_ID_NUMBER,
            None => true,
        };
        if !sound {
            return Err(ErrorReply::new(
                code::BAD_FRAME,
                "an id is a text of 1 to 64 bytes or an integer below 2^53",
            ));
        }
        Ok(Self { cmd, channel, id, has_param: param.is_some(), codec, message })
    }

    /// The `param` as a value; one that is missing is as `null`.
    pub(crate) fn param<P: DeserializeOwned>(&self) -> Result<P, DecodeError> {
        if self.has_param {
            let with: WithParam<P> = self.codec.decode(self.message.as_bytes())?;
            return Ok(with.param);
        }
        let null: UnitDeserializer<serde::de::value::Error> = ().into_deserializer();
        P::deserialize(null).map_err(DecodeError::new)
    }
}

/// What is told to a client about its own mistake. It may quote what the client sent, so it is cut.
pub(crate) fn told(error: &DecodeError) -> String {
    error.to_string().chars().take(200).collect()
}

/// A frame that goes out. `None` and what is not there are the same.
#[derive(Serialize)]
pub(crate) struct Outgoing<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<&'a str>,
    pub(crate) cmd: &'a str,
    pub(crate) param: P,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<&'a Id>,
}

impl<'a, P> Outgoing<'a, P> {
    pub(crate) fn new(cmd: &'a str, param: P) -> Self {
        Self { channel: None, cmd, param, from: None, id: None }
    }
}

/// The `param` of an error frame, in either direction.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorParam<'a> {
    pub(crate) code: std::borrow::Cow<'a, str>,
    pub(crate) message: std::borrow::Cow<'a, str>,
}
