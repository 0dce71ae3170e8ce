//! [`Codec`]: the bytes of a command, as JSON or as MessagePack.

use std::error::Error;

use serde::{Serialize, de::DeserializeOwned};

use crate::{conn::Conn, protocol::message::Message};

/// The subprotocol that speaks JSON, in text messages.
pub const JSON: &str = "gustnado.v1.json";

/// The subprotocol that speaks MessagePack, in binary messages.
pub const MESSAGE_PACK: &str = "gustnado.v1.msgpack";

/// How deep values may be nested, so that a small message cannot exhaust the stack; what `serde_json` allows too.
const MAX_DEPTH: usize = 128;

/// How commands are written on one connection; its subprotocol says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// `gustnado.v1.json`, and what a client speaks that asks for no subprotocol.
    Json,
    /// `gustnado.v1.msgpack`.
    MessagePack,
}

/// A value that the codec cannot write, such as a map in JSON whose keys are no strings.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be encoded")]
pub struct EncodeError(#[source] Box<dyn Error + Send + Sync>);

/// Bytes that the codec cannot read as what was asked for.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DecodeError(Box<dyn Error + Send + Sync>);

impl Codec {
    /// What a connection speaks.
    pub fn of(conn: &Conn) -> Self {
        match conn.protocol() {
            Some(MESSAGE_PACK) => Self::MessagePack,
            _ => Self::Json,
        }
    }

    pub(crate) fn encode(self, value: &impl Serialize) -> Result<Message, EncodeError> {
        match self {
            Self::Json => serde_json::to_string(value).map(Message::from).map_err(EncodeError::new),
            // Fields by name: a positional array would tie clients to the order in which we declare them.
            Self::MessagePack => rmp_serde::to_vec_named(value).map(Message::from).map_err(EncodeError::new),
        }
    }

    /// Whether a message is of the kind that this codec is spoken in.
    pub(crate) fn fits(self, message: &Message) -> bool {
        message.is_text() == (self == Self::Json)
    }

    /// Whether `bytes` are a map at all: serde would also take an array, field by field.
    pub(crate) fn is_map(self, bytes: &[u8]) -> bool {
        match self {
            Self::Json => bytes.trim_ascii_start().first() == Some(&b'{'),
            Self::MessagePack => matches!(bytes.first(), Some(0x80..=0x8F | 0xDE | 0xDF)),
        }
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(DecodeError::new),
            Self::MessagePack => {
                let mut decoder = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
                decoder.set_max_depth(MAX_DEPTH);
                let value = T::deserialize(&mut decoder).map_err(DecodeError::new)?;
                match decoder.position() == bytes.len() as u64 {
                    true => Ok(value),
                    false => Err(DecodeError("trailing bytes".into())),
                }
            }
        }
    }
}

impl EncodeError {
    fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl DecodeError {
    pub(crate) fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}
