//! The socket: figures every second, and what a tap sees.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    guard::Pass,
    redact::Redact,
    views::{millis, overview},
};
use crate::{
    config::SlowReader,
    conn::{Conn, ConnId, SendError},
    connector::{Disconnect, Incoming},
    handler::Handler,
    hub::{Event, EventKind, Hub, Preview, Tap, TapFilter},
    protocol::message::Message,
};

const TICK: Duration = Duration::from_secs(1);

/// How many events go into one message at most.
const BATCH: usize = 100;

/// How many bytes of a message are shown.
const PREVIEW: usize = 256;

/// What a page asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// What to tap; none to stop.
    tap: Option<Wanted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    room: Option<String>,
    user: Option<String>,
    conn: Option<String>,
    text: Option<String>,
}

/// A handler whose connections are no members of the hub that they watch. A page that does not read holds up its own
/// tap, which then misses events and counts them; nobody else waits for it.
pub(super) fn handler(hub: &Hub, redact: &Redact) -> Handler {
    let (hub, redact) = (hub.clone(), redact.clone());
    Handler::stream(move |conn, incoming| watch(hub.clone(), redact.clone(), conn, incoming))
        .outbox_limits(256 * 1024, 64)
        .slow_reader(SlowReader::DropNewest)
        .max_connections(100)
        .keep_extension::<Pass>()
}

async fn watch(hub: Hub, redact: Redact, conn: Conn, mut incoming: Incoming) -> Result<(), Disconnect> {
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut tap: Option<Tap> = None;
    loop {
        tokio::select! {
            _ = clock.tick() => {
                if !conn.extension().is_some_and(Pass::holds) {
                    return Err(Disconnect::new(4401, "the session has ended"));
                }
                if hub.draining().is_some() && hub.counts().connections == 0 {
                    return Err(Disconnect::new(1001, "the hub has shut down"));
                }
                let mut message = overview(&hub);
                message["type"] = "overview".into();
                message["missed"] = tap.as_ref().map_or(0, Tap::missed).into();
                // The next one says it all again.
                drop(conn.try_send(message.to_string()));
            }
            message = incoming.next() => {
                let Some(message) = message else { return Ok(()) };
                tap = wish(&hub, &redact, &message)?;
            }
            event = next(&mut tap) => {
                let Some(event) = event else {
                    tap = None;
                    continue;
                };
                let more = tap.iter_mut().flat_map(|tap| std::iter::from_fn(|| tap.try_next()));
                let events = std::iter::once(event).chain(more.take(BATCH - 1));
                let events: Vec<_> = events.map(|event| view(&event, &redact)).collect();
                show(&conn, &json!({ "type": "events", "events": events })).await?;
            }
        }
    }
}

/// The next event of a tap; without one, none ever comes.
async fn next(tap: &mut Option<Tap>) -> Option<Event> {
    match tap {
        Some(tap) => tap.next().await,
        None => std::future::pending().await,
    }
}

/// The tap that a page asks for.
fn wish(hub: &Hub, redact: &Redact, message: &Message) -> Result<Option<Tap>, Disconnect> {
    let Wish { tap } =
        serde_json::from_str(message.text()?).map_err(|error| Disconnect::new(1008, error.to_string()))?;
    let Some(Wanted { room, user, conn, text }) = tap else { return Ok(None) };
    let redact = redact.clone();
    let mut filter = TapFilter::default().preview(PREVIEW).redact(move |preview| redact.apply(preview));
    if let Some(room) = room {
        filter = filter.room(room);
    }
    if let Some(user) = user {
        filter = filter.user(user);
    }
    if let Some(conn) = conn {
        let conn: ConnId =
            conn.parse().map_err(|_| Disconnect::new(1008, "that is not the id of a connection"))?;
        filter = filter.conn(conn);
    }
    if let Some(text) = text {
        filter = filter.contains(text);
    }
    Ok(Some(hub.tap(filter)))
}

/// Waits until there is room, for the write timeout at most.
async fn show(conn: &Conn, value: &Value) -> Result<(), Disconnect> {
    match conn.send(value.to_string()).await {
        Ok(()) => Ok(()),
        Err(SendError::Full(_)) => Err(Disconnect::new(1013, "this is not read")),
        Err(closing) => Err(closing.into()),
    }
}

fn view(event: &Event, redact: &Redact) -> Value {
    let mut value = match &event.kind {
        EventKind::Opened => json!({ "kind": "opened" }),
        EventKind::Closed { code, reason, cause } => {
            json!({ "kind": "closed", "code": code, "reason": reason, "cause": cause })
        }
        EventKind::Joined { room, created } => {
            json!({ "kind": "joined", "rooms": [room], "created": created })
        }
        EventKind::Left { room, emptied } => json!({ "kind": "left", "rooms": [room], "emptied": emptied }),
        EventKind::Received(shown) => preview("received", shown, redact),
        EventKind::Sent(shown) => preview("sent", shown, redact),
        EventKind::Broadcast { rooms, preview: shown, report } => {
            let mut value = preview("broadcast", shown, redact);
            value["rooms"] = json!(rooms);
            value["queued"] = json!(report.queued);
            value["recipients"] = json!(report.recipients());
            value
        }
        EventKind::Link(link) => json!({ "kind": "link", "text": format!("{link:?}").to_lowercase() }),
        EventKind::Presence { room, online, meta } => {
            let kind = if *online { "present" } else { "absent" };
            json!({ "kind": kind, "rooms": [room], "metadata": meta })
        }
        EventKind::NodeCame(node) => json!({ "kind": "node came", "text": node.to_string() }),
        EventKind::NodeGone(node) => json!({ "kind": "node gone", "text": node.to_string() }),
    };
    value["time"] = millis(SystemTime::now()).into();
    value["conn"] = json!(event.conn.map(|id| id.to_string()));
    value["user"] = json!(event.user);
    value
}

/// The beginning of a message. A binary one has no fields by which it could be redacted: so then none of it is shown.
fn preview(kind: &str, preview: &Preview, redact: &Redact) -> Value {
    let text = if preview.is_text || !redact.is_on() { preview.text.as_str() } else { "" };
    let cut = if text.is_empty() { preview.len > 0 } else { preview.len > PREVIEW };
    json!({ "kind": kind, "text": text, "len": preview.len, "cut": cut, "is_text": preview.is_text })
}
