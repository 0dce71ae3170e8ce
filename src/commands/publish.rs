//! The command `publish`: what a client sends goes to its room as it is, if the application lets it.

use serde::{Deserialize, Serialize};

use crate::{conn::Conn, hub::PublishError};

use super::{
    context::Context,
    error::{ErrorReply, code},
    frame::{ERROR, Frame, REPLY, told},
    history::WirePosition,
    router::{Answer, answer},
};

/// The longest key, in bytes.
const MAX_KEY: usize = 64;

/// What a client wants to publish, as the policy of [`Commands::publish`](super::Commands::publish) sees it.
#[derive(Debug)]
#[non_exhaustive]
pub struct PublishRequest<'a> {
    /// The client's connection.
    pub conn: &'a Conn,
    /// The room.
    pub channel: &'a str,
    /// The name of the command that its members get.
    pub cmd: &'a str,
    /// Its parameter.
    pub param: &'a serde_json::Value,
}

/// The `param` of `publish`.
#[derive(Deserialize)]
struct Param {
    cmd: String,
    #[serde(default)]
    param: serde_json::Value,
    key: Option<String>,
}

#[derive(Serialize)]
struct Accepted {
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<WirePosition>,
}

pub(super) async fn run<S: Send + Sync + 'static>(
    context: &Context<S>,
    frame: &Frame,
) -> Result<Answer, ErrorReply> {
    let bad = |message: String| ErrorReply::new(code::BAD_PARAMS, message);
    let Param { cmd, param, key } = frame.param().map_err(|error| bad(told(&error)))?;
    if matches!(&*cmd, REPLY | ERROR | "recovered" | "online") {
        return Err(bad(format!("`{cmd}` is what a server says")));
    }
    if key.as_ref().is_some_and(|key| !(1..=MAX_KEY).contains(&key.len())) {
        return Err(bad("a key is 1 to 64 bytes".into()));
    }
    let channel = context.need_channel()?;
    let request = PublishRequest { conn: context.conn(), channel, cmd: &cmd, param: &param };
    context.may_publish(&request)?;
    // Who has a name has keys of its own.
    let key = key.map(|key| match context.user() {
        Some(user) => format!("{user}\n{key}"),
        None => key,
    });
    let report = context.publish_to_channel(&cmd, &param, key).await.map_err(refused)?;
    answer(frame, &Accepted { position: report.position.map(WirePosition::from) })
}

fn refused(error: PublishCommandError) -> ErrorReply {
    match error {
        PublishCommandError::Encode(error) => error.into(),
        PublishCommandError::Publish(error @ PublishError::Rejected(_)) => {
            ErrorReply::new(code::REJECTED, error.to_string())
        }
        PublishCommandError::Publish(error) => ErrorReply::new(code::UNKNOWN, error.to_string()),
    }
}

/// Why a command was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishCommandError {
    /// The parameter cannot be encoded.
    #[error(transparent)]
    Encode(#[from] super::EncodeError),
    /// It is not known that all it is for get it.
    #[error(transparent)]
    Publish(#[from] PublishError),
}
