//! What there is to do.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::route::Task;
use crate::{
    conn::{ConnId, InvalidConnId},
    hub::{Hub, Remote, Report, Target},
    protocol::{close::CloseFrame, message::Message},
};

/// What is refused, and why.
pub(super) type Refused = (StatusCode, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sending {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
    code: u16,
    #[serde(default)]
    reason: String,
}

pub(super) async fn run(hub: &Hub, task: Task, param: Value) -> Result<Value, Refused> {
    match task {
        Task::Send(id) => send(hub.conn(parse(&id)?), param).await,
        Task::Close(id) => close(hub.conn(parse(&id)?), param).await,
        Task::Broadcast(room) => send(hub.room(room), param).await,
        Task::Notify(user) => send(hub.user(user), param).await,
        Task::Disconnect(user) => close(hub.user(user), param).await,
    }
}

/// What became of it for those on this node, whether it was handed over for other nodes, and whether the room's history
/// keeps it.
async fn send(target: Target, param: Value) -> Result<Value, Refused> {
    let report = target.send(text(param)?).await;
    let Report { queued, dropped, disconnected, too_large, closing, remote, position, .. } = report;
    if report.recipients() == 0 && remote == Remote::None && position.is_none() {
        return Err(nobody());
    }
    Ok(json!({
        "queued": queued,
        "dropped": dropped,
        "disconnected": disconnected,
        "too_large": too_large,
        "closing": closing,
        "handed_over": handed_over(remote),
        "kept": u8::from(position.is_some()),
    }))
}

async fn close(target: Target, param: Value) -> Result<Value, Refused> {
    let affected = target.close(frame(param)?).await;
    match (affected.here, affected.remote) {
        (0, Remote::None) => Err(nobody()),
        (here, remote) => Ok(json!({ "closed": here, "handed_over": handed_over(remote) })),
    }
}

/// Whether it was handed over for other nodes: 1 or 0.
fn handed_over(remote: Remote) -> u8 {
    u8::from(remote == Remote::HandedOver)
}

fn parse(id: &str) -> Result<ConnId, Refused> {
    id.parse().map_err(|error: InvalidConnId| (StatusCode::NOT_FOUND, error.to_string()))
}

fn text(param: Value) -> Result<Message, Refused> {
    let Sending { text } = serde_json::from_value(param).map_err(|error| bad(&error))?;
    Ok(text.into())
}

fn frame(param: Value) -> Result<CloseFrame, Refused> {
    let Closing { code, reason } = serde_json::from_value(param).map_err(|error| bad(&error))?;
    CloseFrame::new(code, reason).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn bad(error: &serde_json::Error) -> Refused {
    (StatusCode::BAD_REQUEST, error.to_string())
}

fn nobody() -> Refused {
    (StatusCode::NOT_FOUND, "nobody is there".into())
}
