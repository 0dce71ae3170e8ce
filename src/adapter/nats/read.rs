//! Reading the log of a room: where it ends, then each entry by its number.

use std::{ops::RangeInclusive, time::SystemTime};

use async_nats::{HeaderValue, Message, header};
use bytes::Bytes;
use tokio::time::sleep;

use super::{
    api::Failure,
    log::{ASK_AGAIN, Logs},
    stream::{KEY_AGE, State, time},
};
use crate::adapter::{Gap, Position, ReadFrom, Retention, Slice};

/// How often entries are asked for that may have been deleted.
const TRIES: usize = 5;

impl Logs {
    pub(super) async fn read_now(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        retention: Retention,
    ) -> Result<Slice, Failure> {
        let _turn = self.reads.acquire().await.map_err(|_closed| Failure::NoAnswer)?;
        let api = self.api()?;
        let mut tries = 0;
        loop {
            let (top, state) = self.open(&api, room, retention).await?;
            let offsets = match wanted(top, &state, from, max) {
                Ok(offsets) => offsets,
                Err(gap) => return Ok(Slice { top, entries: Err(gap) }),
            };
            let Some(name) = self.setup.name(room) else { return Err(Failure::Absent) };
            let asks: Vec<_> = offsets.clone().map(|offset| get(&name, offset)).collect();
            let answers = api.ask_all(asks.into_iter()).await?;
            let entries = self.setup.entries(room, top.epoch);
            let oldest = SystemTime::now().checked_sub(retention.age()).filter(|_| retention.age() < KEY_AGE);
            let found = answers.iter().map(|answer| entry(answer, &entries, oldest));
            let mut found: Vec<_> = offsets.zip(found).collect();
            tries += 1;
            let some_are_missing = found.iter().any(|(_, found)| *found == Err(Gone::Missing));
            if some_are_missing && (!state.has_holes() || tries < TRIES) {
                // Trimmed meanwhile; or a replica was asked that does not have them yet.
                sleep(ASK_AGAIN).await;
                continue;
            }
            let gone = found.iter().rposition(|(_, found)| found.is_err()).map_or(0, |last| last + 1);
            if gone > 0 && matches!(from, ReadFrom::After(_)) {
                return Ok(Slice { top, entries: Err(Gap::Trimmed) });
            }
            let kept = found.drain(gone..);
            let entries = kept.filter_map(|(offset, found)| Some((offset, found.ok()?))).collect();
            return Ok(Slice { top, entries: Ok(entries) });
        }
    }
}

/// Why an entry is not given.
#[derive(Debug, PartialEq, Eq)]
enum Gone {
    /// The server did not have it.
    Missing,
    /// It is older than what is kept.
    Expired,
}

/// Which entries are asked for, if the log may have all of them.
fn wanted(top: Position, state: &State, from: ReadFrom, max: usize) -> Result<RangeInclusive<u64>, Gap> {
    let end = top.offset;
    let first = if state.messages == 0 { end + 1 } else { state.first_seq };
    match from {
        ReadFrom::Last(count) => {
            let count = count.min(max) as u64;
            Ok(first.max((end + 1).saturating_sub(count))..=end)
        }
        ReadFrom::After(position) if position.epoch != top.epoch || position.offset > end => Err(Gap::Epoch),
        ReadFrom::After(position) if position.offset + 1 < first => Err(Gap::Trimmed),
        ReadFrom::After(position) if end - position.offset > max as u64 => Err(Gap::Limit),
        ReadFrom::After(position) => Ok(position.offset + 1..=end),
    }
}

fn get(stream: &str, offset: u64) -> (String, Bytes) {
    (format!("DIRECT.GET.{stream}"), format!(r#"{{"seq":{offset}}}"#).into())
}

/// An entry of the epoch that these subjects are of.
fn entry(answer: &Message, entries: &str, oldest: Option<SystemTime>) -> Result<Bytes, Gone> {
    let header =
        |name| answer.headers.as_ref().and_then(|headers| headers.get(name)).map(HeaderValue::as_str);
    if answer.status.is_some() || header(header::NATS_SUBJECT) != Some(entries) {
        return Err(Gone::Missing);
    }
    match oldest {
        Some(oldest) if header(header::NATS_TIME_STAMP).and_then(time) <= Some(oldest) => Err(Gone::Expired),
        _ => Ok(answer.payload.clone()),
    }
}
