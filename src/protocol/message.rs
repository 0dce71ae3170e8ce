//! [`Message`]: what an application sends and receives.

use bytes::Bytes;

use super::text::Text;

/// A whole message, text or binary (§5.6), cheap to clone.
///
/// Control frames are not messages: pings are answered, and a close shows up in
/// [`Connector::on_close`](crate::Connector::on_close).
///
/// ```
/// use gustnado::Message;
///
/// let message = Message::from("hello");
/// assert_eq!(message.text()?, "hello");
/// assert_eq!(Message::from(vec![1, 2, 3]).len(), 3);
/// # Ok::<(), gustnado::NotText>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// A text message.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
}

/// A text message was expected and a binary one came.
///
/// Left to `?` in a callback it closes the connection with 1003, unsupported data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a text message, got a binary one")]
pub struct NotText;

impl Message {
    /// The text of a text message.
    ///
    /// # Errors
    ///
    /// [`NotText`] for a binary message, whatever its bytes.
    pub fn text(&self) -> Result<&str, NotText> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(_) => Err(NotText),
        }
    }

    /// The payload, whichever kind it is.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes()
    }

    /// The payload, whichever kind it is, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Length of the payload in bytes.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether the payload is empty; an empty message is a message all the same.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Whether this is a text message.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.as_bytes_shared(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}
