//! [`Command`]: one that the server sends, to a connection or to many.

use serde::Serialize;

use crate::{
    conn::{Conn, SendError},
    hub::{Report, Target},
};

use super::{
    codec::{Codec, EncodeError, MESSAGE_PACK},
    frame::Outgoing,
    publish::PublishCommandError,
};

/// A command that the server sends, and that nobody answers.
///
/// ```
/// # async fn example(hub: gustnado::Hub) -> Result<(), gustnado::commands::EncodeError> {
/// use gustnado::commands::Command;
///
/// let news = Command::new("news", "the build is green").channel("lobby").from("system");
/// hub.room("lobby").send_command(&news).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `send_command`"]
pub struct Command<P> {
    cmd: String,
    param: P,
    channel: Option<String>,
    from: Option<String>,
}

impl<P: Serialize> Command<P> {
    /// A command with its parameter; `()` for none.
    pub fn new(cmd: impl Into<String>, param: P) -> Self {
        Self { cmd: cmd.into(), param, channel: None, from: None }
    }

    /// The room that the command is about.
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.channel = Some(channel.into());
        self
    }

    /// Who the command is from.
    pub fn from(mut self, from: impl Into<String>) -> Self {
        self.from = Some(from.into());
        self
    }

    fn outgoing(&self) -> Outgoing<'_, &P> {
        let (channel, from) = (self.channel.as_deref(), self.from.as_deref());
        Outgoing { channel, from, ..Outgoing::new(&self.cmd, &self.param) }
    }
}

/// Why a command was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendCommandError {
    /// The parameter cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The outbox did not take it.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Conn {
    /// Sends a command, in the codec of this connection.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] and [`SendError`], as those of [`send`](Self::send).
    pub async fn send_command<P: Serialize>(&self, command: &Command<P>) -> Result<(), SendCommandError> {
        let message = Codec::of(self).encode(&command.outgoing())?;
        Ok(self.send(message).await?)
    }
}

impl Target {
    /// Sends a command to everybody it is for: encoded once for each codec that they speak. Connections that speak
    /// neither, since their connector is not [`Commands`](super::Commands), get it as JSON.
    ///
    /// Members who speak MessagePack get it after the others, and not under the room's lock: two broadcasts of two
    /// senders may come to them in another order.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], and then nobody gets it.
    pub async fn send_command<P: Serialize>(&self, command: &Command<P>) -> Result<Report, EncodeError> {
        self.send_frame(&command.outgoing()).await
    }

    /// As [`send_command`](Self::send_command), and waits until the engine between the nodes has taken it, as
    /// [`publish`](Self::publish) does.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], and then nobody gets it; [`PublishError`](crate::PublishError) as that of `publish`.
    pub async fn publish_command<P: Serialize>(
        &self,
        command: &Command<P>,
    ) -> Result<Report, PublishCommandError> {
        self.publish_frame(&command.outgoing()).await
    }

    pub(super) async fn publish_frame<P: Serialize>(
        &self,
        frame: &Outgoing<'_, P>,
    ) -> Result<Report, PublishCommandError> {
        let (json, packed) = (Codec::Json.encode(frame)?, Codec::MessagePack.encode(frame)?);
        Ok(self.publish_both(json, Some((MESSAGE_PACK.to_owned(), packed)), true).await?)
    }

    pub(super) async fn send_frame<P: Serialize>(
        &self,
        frame: &Outgoing<'_, P>,
    ) -> Result<Report, EncodeError> {
        if self.keeps_history() {
            let (json, packed) = (Codec::Json.encode(frame)?, Codec::MessagePack.encode(frame)?);
            return Ok(self.send_both(json, Some((MESSAGE_PACK.to_owned(), packed)), true).await);
        }
        let json = Codec::Json.encode(frame)?;
        let packed = || Codec::MessagePack.encode(frame);
        if self.is_clustered() {
            // Other nodes get both forms, whoever is there.
            return Ok(self.send_forms(json, MESSAGE_PACK, packed()?));
        }
        let report = self.offer_forms(&json, Some(MESSAGE_PACK), packed)?;
        self.tell_taps(&json, report);
        Ok(report)
    }

    /// As [`send_frame`](Self::send_frame), to connections of this node only, and without a word to the taps.
    pub(super) fn send_frame_here<P: Serialize>(
        &self,
        frame: &Outgoing<'_, P>,
    ) -> Result<Report, EncodeError> {
        let packed = || Codec::MessagePack.encode(frame);
        self.offer_forms(&Codec::Json.encode(frame)?, Some(MESSAGE_PACK), packed)
    }
}
