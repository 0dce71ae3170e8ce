//! Rooms that keep history, on the wire: frames with their offset, `join` from a position, and what is told of losses.

use std::mem;

use serde::{Deserialize, Serialize};

use crate::{
    adapter::{Position, ReadFrom},
    hub::{Entered, Framing, Joined, Lost, LostMessages, Words},
    protocol::message::Message,
};

use super::{
    builtin::outcome,
    codec::Codec,
    context::Context,
    error::{ErrorReply, code},
    frame::{Frame, Id, Outgoing, REPLY, told},
    router::Answer,
};

/// What a server says of losses on an open connection.
const RECOVERED: &str = "recovered";

/// The `param` of `join`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct From {
    since: Option<WirePosition>,
    last: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WirePosition {
    /// 32 hexadecimal digits.
    epoch: String,
    offset: u64,
}

/// The `param` of the reply to `join`, and of `recovered`.
#[derive(Debug, Serialize)]
struct Standing {
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<WirePosition>,
}

impl From {
    fn of(frame: &Frame) -> Result<(Self, ReadFrom), ErrorReply> {
        let bad = |message: String| ErrorReply::new(code::BAD_PARAMS, message);
        let param: Option<Self> = frame.param().map_err(|error| bad(told(&error)))?;
        let from = param.unwrap_or_default();
        let since = match &from.since {
            Some(WirePosition { epoch, offset }) => {
                let epoch = epoch.parse().map_err(|_| bad("an epoch is 32 hexadecimal digits".into()))?;
                ReadFrom::After(Position { epoch, offset: *offset })
            }
            None => ReadFrom::Last(from.last.unwrap_or(0)),
        };
        Ok((from, since))
    }
}

impl std::convert::From<Position> for WirePosition {
    fn from(position: Position) -> Self {
        Self { epoch: position.epoch.to_string(), offset: position.offset }
    }
}

impl Standing {
    fn new(result: Option<&'static str>, asked: bool, entered: &Entered) -> Self {
        Self {
            result,
            recovered: (asked || entered.missed.is_err()).then_some(entered.missed.is_ok()),
            reason: entered.missed.err().map(reason),
            position: entered.position.map(WirePosition::from),
        }
    }
}

fn reason(why: Lost) -> &'static str {
    match why {
        Lost::Epoch => "epoch",
        Lost::Trimmed => "trimmed",
        Lost::Limit => "limit",
        Lost::Unavailable => "unavailable",
    }
}

/// Joins as `join` says. The answer goes out ahead of the room's messages, so there is none left to give.
pub(super) async fn join<S: Send + Sync + 'static>(
    context: &Context<S>,
    frame: &Frame,
) -> Result<Answer, ErrorReply> {
    let room = context.need_channel()?;
    let (from, since) = From::of(frame)?;
    let asked = from.since.is_some() || from.last.is_some();
    let (id, codec, channel) = (frame.id.clone(), frame.codec, room.to_owned());
    let hello = move |joined: Joined| -> Words {
        Box::new(move |entered| {
            let standing = Standing::new(Some(outcome(joined)), asked, entered);
            match &id {
                Some(id) => standing.reply(codec, id),
                None if entered.missed.is_err() => standing.notice(codec, &channel),
                None => None,
            }
        })
    };
    context.join_saying(room, since, hello).await?;
    Ok(None)
}

/// What is told to whoever asks a room without history for some.
pub(super) fn without_history(frame: &Frame, joined: Joined) -> Result<Option<impl Serialize>, ErrorReply> {
    let (from, _) = From::of(frame)?;
    let asked = from.since.is_some() || from.last.is_some();
    let entered = Entered { position: None, missed: Err(Lost::Unavailable) };
    Ok(asked.then(|| Standing::new(Some(outcome(joined)), true, &entered)))
}

impl Standing {
    fn reply(&self, codec: Codec, id: &Id) -> Option<Message> {
        codec.encode(&Outgoing { id: Some(id), ..Outgoing::new(REPLY, self) }).ok()
    }

    fn notice(&self, codec: Codec, room: &str) -> Option<Message> {
        codec.encode(&Outgoing { channel: Some(room), ..Outgoing::new(RECOVERED, self) }).ok()
    }
}

/// The keys of a frame's place in the log go to its end: it was encoded before it had one, and once for all.
impl Framing for Codec {
    fn entry(&self, frame: &Message, offset: u64, prev: Option<u64>) -> Message {
        match self {
            Self::Json => json_entry(frame, offset, prev),
            Self::MessagePack => pack_entry(frame, offset, prev),
        }
    }

    fn lost(&self, lost: &LostMessages<'_>) -> Message {
        let entered = Entered { position: Some(lost.position), missed: Err(lost.why) };
        let notice = Standing::new(None, true, &entered).notice(*self, lost.room);
        notice.unwrap_or_else(|| Message::from(""))
    }
}

fn json_entry(frame: &Message, offset: u64, prev: Option<u64>) -> Message {
    use std::fmt::Write;

    let Ok(Some(open)) = frame.text().map(|text| text.strip_suffix('}')) else { return frame.clone() };
    let mut text = String::with_capacity(open.len() + 64);
    text.push_str(open);
    // Into a string that cannot fail.
    let _ = write!(text, ",\"offset\":{offset}");
    if let Some(prev) = prev {
        let _ = write!(text, ",\"prev\":{prev}");
    }
    text.push('}');
    text.into()
}

fn pack_entry(frame: &Message, offset: u64, prev: Option<u64>) -> Message {
    /// A map of at most 15 keys begins with this and their number.
    const FIX_MAP: u8 = 0x80;

    let mut bytes = frame.as_bytes().to_vec();
    let more = 1 + u8::from(prev.is_some());
    match bytes.first_mut() {
        Some(first) if *first & 0xF0 == FIX_MAP && *first + more <= 0x8F => *first += more,
        _ => return frame.clone(),
    }
    let mut put = |key: &str, value: u64| {
        for part in [rmp_serde::to_vec(key), rmp_serde::to_vec(&value)] {
            bytes.extend(part.unwrap_or_default());
        }
    };
    put("offset", offset);
    if let Some(prev) = prev {
        put("prev", prev);
    }
    mem::take(&mut bytes).into()
}
