//! The stream of a room: what it is called, how it is set up, and what is known of it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::adapter::{Epoch, Position, Retention, Subject};

/// How long a key makes one entry of several appends.
pub(super) const KEY_AGE: Duration = Duration::from_secs(300);
/// Of a stream, and of the folder that a server keeps it in.
const LONGEST_NAME: usize = 255;

/// What all names begin with, and how streams are set up.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) prefix: String,
    pub(super) replicas: usize,
}

/// What a server says of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) config: Config,
    pub(super) state: State,
    created: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Config {
    pub(super) name: String,
    #[serde(default)]
    subjects: Vec<String>,
    max_msgs: i64,
    /// In nanoseconds.
    max_age: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) messages: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    last_ts: String,
}

impl Setup {
    pub(super) fn channel(&self, subject: &Subject) -> String {
        // A subject of NATS has no empty token, and the name of a room may be empty.
        format!("{}.{subject}_", self.prefix)
    }

    /// The name of a room's stream; `None` for a room whose name is too long.
    pub(super) fn name(&self, room: &str) -> Option<String> {
        // `=` is in no prefix and in no subject.
        let name = format!("{}.{}", self.prefix, Subject::room(room)).replace('.', "=");
        (name.len() <= LONGEST_NAME).then_some(name)
    }

    /// Where the entries of one life of a log are published: what is stored or acknowledged there is of that epoch.
    pub(super) fn entries(&self, room: &str, epoch: Epoch) -> String {
        format!("{}.log.{epoch}.{}_", self.prefix, Subject::room(room))
    }

    /// The entries of all logs.
    pub(super) fn all_entries(&self) -> String {
        format!("{}.log.>", self.prefix)
    }

    /// The epoch that entries published there are of.
    pub(super) fn epoch_of(&self, entries: &str) -> Option<Epoch> {
        let (epoch, _room) = entries.strip_prefix(&self.prefix)?.strip_prefix(".log.")?.split_once('.')?;
        epoch.parse().ok()
    }

    pub(super) fn config(&self, room: &str, epoch: Epoch, retention: Retention) -> Bytes {
        let entries = self.entries(room, epoch);
        let config = json!({
            "name": self.name(room),
            "subjects": [&entries],
            "retention": "limits",
            "discard": "old",
            "storage": "file",
            "num_replicas": self.replicas,
            "max_msgs": messages(retention),
            "max_age": age(retention),
            "duplicate_window": nanoseconds(KEY_AGE),
            "allow_direct": true,
            // What was stored goes to the nodes with members in the room, with its number.
            "republish": { "src": entries, "dest": self.channel(&Subject::room(room)) },
        });
        config.to_string().into()
    }
}

impl State {
    /// Whether some were deleted between the first and the last, as an operator can.
    pub(super) fn has_holes(&self) -> bool {
        self.messages > 0 && self.last_seq.saturating_sub(self.first_seq) >= self.messages
    }
}

impl Info {
    /// Which life of a log it is.
    pub(super) fn epoch(&self, setup: &Setup) -> Option<Epoch> {
        self.config.subjects.first().and_then(|entries| setup.epoch_of(entries))
    }

    pub(super) fn top(&self, epoch: Epoch) -> Position {
        Position { epoch, offset: self.state.last_seq }
    }

    /// Whether it keeps what it should.
    pub(super) fn keeps(&self, retention: Retention) -> bool {
        (self.config.max_msgs, self.config.max_age) == (messages(retention), age(retention))
    }

    /// Whether it has had nothing to keep for so long.
    pub(super) fn is_idle(&self, duration: Duration, now: SystemTime) -> bool {
        let kept = Duration::from_nanos(self.config.max_age);
        let since = match self.state.last_seq {
            0 => time(&self.created),
            _ => time(&self.state.last_ts).map(|last| last + kept),
        };
        let idle = since.and_then(|since| now.duration_since(since).ok());
        self.state.messages == 0 && idle.is_some_and(|idle| idle > duration)
    }

    /// The room whose log it is.
    pub(super) fn channel(&self, setup: &Setup) -> Option<String> {
        let (_epoch, room) = self
            .config
            .subjects
            .first()?
            .strip_prefix(&setup.prefix)?
            .strip_prefix(".log.")?
            .split_once('.')?;
        Some(format!("{}.{room}", setup.prefix))
    }
}

fn messages(retention: Retention) -> i64 {
    i64::try_from(retention.messages()).unwrap_or(i64::MAX)
}

/// A server finds no key that is older than the entries it keeps, so none is kept for less.
fn age(retention: Retention) -> u64 {
    nanoseconds(retention.age().max(KEY_AGE))
}

fn nanoseconds(duration: Duration) -> u64 {
    // What the server counts in has a sign.
    duration.as_nanos().min(i64::MAX as u128) as u64
}

/// A time as servers write it: `2026-11-21T09:02:55.03201418Z`.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u32>().ok().map(u64::from));
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let (hours, minutes): (u32, u32) = (time.next()?.parse().ok()?, time.next()?.parse().ok()?);
    let seconds: f64 = time.next()?.parse().ok()?;
    // Years that begin in March, so that a leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let whole = days.checked_sub(DAYS_TO_1970)? * 86_400 + u64::from(hours) * 3_600 + u64::from(minutes) * 60;
    let whole = Duration::from_secs(whole);
    SystemTime::UNIX_EPOCH.checked_add(whole)?.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// Of the year 0 that begins in March, the day before included.
const DAYS_TO_1970: u64 = 719_469;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_servers_write_them() {
        let at = |seconds: u64, nanos| Some(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(time("1970-01-01T00:00:00Z"), at(0, 0));
        assert_eq!(time("2000-02-29T23:59:59.5Z"), at(951_868_799, 500_000_000));
        assert_eq!(time("2026-11-21T09:02:55Z"), at(1_795_251_775, 0));
        for odd in [
            "0001-01-01T00:00:00Z",
            "",
            "T",
            "2026-11-21T09:02Z",
            "2026-11-21T09:02:55+01:00",
            "2026-11-21T09:02:-1Z",
        ] {
            assert_eq!(time(odd), None, "{odd}");
        }
    }

    #[test]
    fn names_are_told_apart_and_say_the_epoch() {
        let setup = Setup { prefix: "shop.eu".into(), replicas: 1 };
        assert_eq!(setup.name("news/1").as_deref(), Some("shop=eu=room=news%2f1"));
        assert_eq!(setup.name(&"x".repeat(300)), None);
        let epoch = Epoch::new(7);
        assert_eq!(setup.epoch_of(&setup.entries("a.b", epoch)), Some(epoch));
        assert_eq!(setup.epoch_of("shop.eu.room.a_"), None);
        assert_eq!(setup.epoch_of("shop.log.0.room.a_"), None);
    }
}
