//! What there is to do.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{route::Task, views::find};
use crate::{
    hub::{Hub, Report, Target},
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
        Task::Send(id) => {
            let conn = find(hub, &id).ok_or_else(gone)?;
            let sent = hub.send_to(conn.id(), text(param)?);
            sent.map_err(|error| (StatusCode::CONFLICT, error.to_string()))?;
            Ok(json!({ "queued": 1 }))
        }
        Task::Close(id) => {
            let frame = frame(param)?;
            let conn = find(hub, &id).ok_or_else(gone)?;
            conn.close_with(frame);
            Ok(json!({ "closed": 1 }))
        }
        Task::Broadcast(room) => broadcast(hub.room(room), param).await,
        Task::Notify(user) => broadcast(hub.user(user), param).await,
        Task::Disconnect(user) => {
            let frame = frame(param)?;
            Ok(json!({ "closed": hub.user(user).close(frame).await }))
        }
    }
}

async fn broadcast(target: Target, param: Value) -> Result<Value, Refused> {
    let Report { queued, dropped, disconnected, too_large, closing, .. } = target.send(text(param)?).await;
    Ok(json!({
        "queued": queued,
        "dropped": dropped,
        "disconnected": disconnected,
        "too_large": too_large,
        "closing": closing,
    }))
}

fn text(param: Value) -> Result<Message, Refused> {
    let Sending { text } = serde_json::from_value(param).map_err(bad)?;
    Ok(text.into())
}

fn frame(param: Value) -> Result<CloseFrame, Refused> {
    let Closing { code, reason } = serde_json::from_value(param).map_err(bad)?;
    CloseFrame::new(code, reason).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn bad(error: serde_json::Error) -> Refused {
    (StatusCode::BAD_REQUEST, error.to_string())
}

fn gone() -> Refused {
    (StatusCode::NOT_FOUND, "the connection is gone".into())
}
