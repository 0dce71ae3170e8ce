//! The logs of rooms, each a stream.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use redis::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    map::Map,
    names::Keys,
    options::Options,
    script::{self, Call, Scripts, Source},
    shard::Shard,
};
use crate::{
    adapter::{
        AppendError, Epoch, Gap, History, Position, ReadFrom, Retention, Slice, Unavailable, link::ShardId,
    },
    random::random,
};

/// How long anything here may take.
const ANSWER_WITHIN: Duration = Duration::from_millis(950);
/// How long to wait before asking again a server that was not ready.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// The least time for which the epoch of an idle log is remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// What a server says that has not carried out a script, but may soon: it is starting, in a failover, or gives a slot
/// away.
const NOT_YET: [&str; 8] =
    ["ASK", "BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MOVED", "READONLY", "TRYAGAIN"];

pub(super) struct Streams {
    map: Arc<Map>,
    options: Arc<Options>,
    scripts: Scripts,
}

/// Why there is no answer.
enum Failure {
    /// It was not carried out.
    Refused(String),
    /// Nobody knows.
    NoAnswer,
}

impl Streams {
    pub(super) fn new(map: Arc<Map>, options: Arc<Options>) -> Self {
        Self { map, options, scripts: Scripts::new() }
    }

    /// Carries out a script for rooms of one server.
    async fn call(
        &self,
        shard: &Shard,
        source: &Source,
        keys: &[&Keys],
        remembered: Duration,
        arguments: impl Fn(&Keys, &mut Call),
    ) -> Result<Vec<Value>, Failure> {
        let away = || Failure::Refused("the server is away".into());
        let mut server = shard.commands.connected().ok_or_else(away)?;
        let run_id = if self.options.trust_engine { "" } else { &*server.run_id };
        let calls = keys.iter().map(|keys| {
            let mut call = Call {
                keys: vec![keys.stream.clone(), keys.meta.clone()],
                arguments: vec![run_id.into(), new_epoch(), milliseconds(remembered)],
            };
            arguments(keys, &mut call);
            call
        });
        let calls: Vec<_> = calls.collect();
        script::run(&mut server, source, &calls).await.map_err(|_| Failure::NoAnswer)
    }

    /// Carries out a script for one room, and again while its server is not ready.
    async fn call_one(
        &self,
        source: &Source,
        keys: &Keys,
        retention: Retention,
        arguments: impl Fn(&Keys, &mut Call),
    ) -> Result<Value, Failure> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let remembered = REMEMBERED.max(retention.age() * 2);
        loop {
            let shard = self.map.shard(&keys.channel);
            let shard = shard.ok_or_else(|| Failure::Refused("no server holds the slot".into()))?;
            let answers = async { self.call(&shard, source, &[keys], remembered, &arguments).await };
            let answers = timeout_at(deadline, answers).await.map_err(|_| Failure::NoAnswer)??;
            let answer = answers.into_iter().next().ok_or(Failure::NoAnswer)?;
            let Value::ServerError(error) = answer else { return Ok(answer) };
            let is_over = Instant::now() + ASK_AGAIN > deadline;
            if is_over || !NOT_YET.contains(&error.code()) {
                let details = error.details().unwrap_or_default();
                return Err(Failure::Refused(format!("{} {details}", error.code())));
            }
            self.map.look_again();
            sleep(ASK_AGAIN).await;
        }
    }
}

#[async_trait]
impl History for Streams {
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        retention: Retention,
    ) -> Result<Position, AppendError> {
        let keys = Keys::new(&self.options.prefix, room);
        let publish = if self.options.is_cluster() { "SPUBLISH" } else { "PUBLISH" };
        let arguments = |keys: &Keys, call: &mut Call| {
            call.keys.extend(key.map(|key| keys.note(key)));
            call.arguments.extend([
                entry.to_vec(),
                retention.messages().to_string().into(),
                milliseconds(retention.age()),
                keys.channel.as_str().into(),
                publish.into(),
            ]);
        };
        match self.call_one(&self.scripts.append, &keys, retention, arguments).await {
            Ok(answer) => position(&answer).ok_or(AppendError::Unknown),
            Err(Failure::Refused(why)) => Err(AppendError::Rejected(why)),
            Err(Failure::NoAnswer) => Err(AppendError::Unknown),
        }
    }

    async fn read(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        retention: Retention,
    ) -> Result<Slice, Unavailable> {
        let keys = Keys::new(&self.options.prefix, room);
        let (mode, number, epoch) = match from {
            ReadFrom::Last(count) => ("last", count as u64, String::new()),
            ReadFrom::After(position) => ("after", position.offset, position.epoch.to_string()),
        };
        let arguments = |_: &Keys, call: &mut Call| {
            call.arguments.extend([
                mode.into(),
                milliseconds(retention.age()),
                max.to_string().into(),
                number.to_string().into(),
                epoch.clone().into(),
            ]);
        };
        let answer = self.call_one(&self.scripts.read, &keys, retention, arguments).await;
        answer.ok().and_then(slice).ok_or(Unavailable)
    }

    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        let rooms: Vec<_> = rooms.iter().map(|room| Keys::new(&self.options.prefix, room)).collect();
        let mut tops = vec![None; rooms.len()];
        let mut places: HashMap<ShardId, (Arc<Shard>, Vec<usize>)> = HashMap::new();
        for (place, keys) in rooms.iter().enumerate() {
            let shard = self.map.shard(&keys.channel).ok_or(Unavailable)?;
            places.entry(shard.id).or_insert((shard, Vec::new())).1.push(place);
        }
        let deadline = Instant::now() + ANSWER_WITHIN;
        for (shard, places) in places.into_values() {
            let keys: Vec<_> = places.iter().map(|place| &rooms[*place]).collect();
            let answers = self.call(&shard, &self.scripts.top, &keys, REMEMBERED, |_, _| {});
            let answers = timeout_at(deadline, answers).await.map_err(|_| Unavailable)?;
            for (place, answer) in places.into_iter().zip(answers.map_err(|_| Unavailable)?) {
                tops[place] = match answer {
                    Value::Nil => None,
                    answer => Some(position(&answer).ok_or(Unavailable)?),
                };
            }
        }
        Ok(tops)
    }
}

/// For the case that an epoch begins: a server's own random numbers are the same for each script.
fn new_epoch() -> Vec<u8> {
    Epoch::new(random()).to_string().into()
}

fn milliseconds(duration: Duration) -> Vec<u8> {
    duration.as_millis().to_string().into()
}

/// `[epoch, offset, ..]`
fn position(answer: &Value) -> Option<Position> {
    let Value::Array(parts) = answer else { return None };
    let [epoch, offset, ..] = &parts[..] else { return None };
    Some(Position { epoch: text(epoch)?.parse().ok()?, offset: text(offset)?.parse().ok()? })
}

/// `[epoch, offset, gap, [[id, entry], ..]]`
fn slice(answer: Value) -> Option<Slice> {
    let top = position(&answer)?;
    let Value::Array(parts) = answer else { return None };
    let mut parts = parts.into_iter().skip(2);
    let (gap, entries) = (parts.next()?, parts.next()?);
    let entries = match text(&gap)? {
        "" => {
            let Value::Array(entries) = entries else { return None };
            Ok(entries.into_iter().map(entry).collect::<Option<_>>()?)
        }
        "epoch" => Err(Gap::Epoch),
        "trimmed" => Err(Gap::Trimmed),
        "limit" => Err(Gap::Limit),
        _ => return None,
    };
    Some(Slice { top, entries })
}

/// `["offset-0", entry]`
fn entry(value: Value) -> Option<(u64, Bytes)> {
    let Value::Array(parts) = value else { return None };
    let mut parts = parts.into_iter();
    let (id, entry) = (parts.next()?, parts.next()?);
    let Value::BulkString(entry) = entry else { return None };
    Some((text(&id)?.strip_suffix("-0")?.parse().ok()?, entry.into()))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
