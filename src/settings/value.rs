//! How single values are read: all of them from text too, since the environment has nothing else.

use std::{fmt, time::Duration};

use serde::{
    Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::knobs::Origins;
use crate::{config::SlowReader, protocol::origin::Origin};

/// A key, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) key: String,
    pub(super) problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

/// A value that a format may write as a number or as text.
pub(super) enum Scalar {
    Null,
    Text(String),
    /// Not text in the format; as it would be written.
    Bare(String),
}

/// Reads one value; `allowed` is what an error says.
pub(super) fn scalar<'de, D: Deserializer<'de>>(
    deserializer: D,
    allowed: &'static str,
) -> Result<Scalar, D::Error> {
    deserializer.deserialize_any(ScalarVisitor(allowed))
}

struct ScalarVisitor(&'static str);

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bare(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Bare(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Bare(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Bare(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_none<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Reads one value by a function of its text.
pub(super) fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    allowed: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, D::Error> {
    match scalar(deserializer, allowed)? {
        Scalar::Null => Ok(None),
        Scalar::Text(text) | Scalar::Bare(text) => match parse(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(D::Error::custom(format_args!("{text:?} is not allowed; allowed is {allowed}"))),
        },
    }
}

pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    parsed(deserializer, "a whole number, at least 1", |text| text.parse().ok().filter(|number| *number > 0))
}

pub(super) fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    parsed(deserializer, "a whole number, at least 1", |text| text.parse().ok().filter(|number| *number > 0))
}

pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    parsed(deserializer, "true or false", |text| text.parse().ok())
}

pub(super) fn slow_reader<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SlowReader>, D::Error> {
    parsed(deserializer, "disconnect, drop_newest or drop_oldest", |text| match text {
        "disconnect" => Some(SlowReader::Disconnect),
        "drop_newest" => Some(SlowReader::DropNewest),
        "drop_oldest" => Some(SlowReader::DropOldest),
        _ => None,
    })
}

#[cfg(feature = "deflate")]
pub(super) fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    parsed(deserializer, "a level from 1 to 9", |text| {
        text.parse().ok().filter(|level| (1..=9).contains(level))
    })
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    parsed(deserializer, "a number of bytes, at least 1, or a size such as 64 KiB, 1 MiB or 1 GiB", |text| {
        bytes(text).filter(|bytes| *bytes > 0)
    })
}

#[cfg(feature = "deflate")]
pub(super) fn size_or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    parsed(deserializer, "a number of bytes, or a size such as 512 B or 1 KiB", bytes)
}

fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)?.try_into().ok()
}

/// A timer that cannot be off.
pub(super) fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    parsed(deserializer, "a duration from 1ms to 24h, such as 500ms, 30s, 5m or 1h", duration)
}

/// A timer that can be off, which is zero.
pub(super) fn interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let allowed = "off, or a duration from 1ms to 24h, such as 500ms, 30s, 5m or 1h";
    parsed(deserializer, allowed, |text| match text {
        // YAML 1.1 reads `off` as a boolean.
        "off" | "false" => Some(Duration::ZERO),
        _ => duration(text),
    })
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let millis = number.checked_mul(millis)?;
    // Longer than a day is no timeout, and may be more than a clock can add.
    (1..=24 * 3_600_000).contains(&millis).then(|| Duration::from_millis(millis))
}

/// A number and its unit, with or without a space between them.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

pub(super) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Origins>, D::Error> {
    deserializer.deserialize_any(OriginsVisitor)
}

struct OriginsVisitor;

impl<'de> Visitor<'de> for OriginsVisitor {
    type Value = Option<Origins>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("same_host, any, or a list of origins such as https://example.com")
    }

    /// One word, or origins with commas between them.
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.trim() {
            "same_host" => Ok(Some(Origins::SameHost)),
            "any" => Ok(Some(Origins::Any)),
            text => list(text.split(',').map(|origin| origin.trim().to_owned()).collect(), &self),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut origins: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(origin) = origins.next_element()? {
            all.push(origin);
        }
        list(all, &self)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

fn list<E: Error>(origins: Vec<String>, allowed: &OriginsVisitor) -> Result<Option<Origins>, E> {
    struct Allowed<'a>(&'a OriginsVisitor);
    impl fmt::Display for Allowed<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }
    }
    match origins.iter().find(|origin| Origin::parse(origin).is_err()) {
        Some(bad) => Err(E::custom(format_args!("{bad:?} is not allowed; allowed is {}", Allowed(allowed)))),
        None => Ok(Some(Origins::List(origins))),
    }
}
