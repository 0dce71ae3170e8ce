//! The adapter's section.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

use super::value::{Problem, Scalar, parsed, scalar};

/// Which engine connects this node to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AdapterType {
    /// None: the rooms of one process.
    #[default]
    Memory,
    /// Redis.
    Redis,
    /// NATS.
    Nats,
}

impl fmt::Display for AdapterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Nats => "nats",
        })
    }
}

/// How an engine is reached: a table named like the engine, in which each key may be left out.
///
/// `url` stands for all but `key_prefix`, and is given in their place. Neither it nor the password is printed.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterSettings {
    #[serde(deserialize_with = "secret")]
    url: Option<String>,
    #[serde(deserialize_with = "text")]
    host: Option<String>,
    #[serde(deserialize_with = "port")]
    port: Option<u16>,
    #[serde(deserialize_with = "text")]
    username: Option<String>,
    #[serde(deserialize_with = "secret")]
    password: Option<String>,
    #[serde(deserialize_with = "db")]
    db: Option<u32>,
    #[serde(deserialize_with = "text")]
    key_prefix: Option<String>,
}

impl AdapterSettings {
    /// All in one, such as `redis://user:password@host:6379/0`.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The host, `localhost` if it is not set.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("localhost")
    }

    /// The port, if it is not the engine's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Who logs in.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// With which password.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The number of the database, 0 if it is not set.
    pub fn db(&self) -> u32 {
        self.db.unwrap_or(0)
    }

    /// What the names of all keys and subjects begin with, `gustnado` if it is not set.
    pub fn key_prefix(&self) -> &str {
        self.key_prefix.as_deref().unwrap_or("gustnado")
    }

    pub(super) fn check(&self, table: &str) -> Result<(), Problem> {
        let others = [
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("username", self.username.is_some()),
            ("password", self.password.is_some()),
            ("db", self.db.is_some()),
        ];
        match others.into_iter().find(|(_, set)| *set && self.url.is_some()) {
            Some((key, _)) => Err(Problem {
                key: format!("{table}.{key}"),
                problem: format!("not allowed beside {table}.url, which says it already"),
            }),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for AdapterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "(hidden)");
        f.debug_struct("AdapterSettings")
            .field("url", &hidden(&self.url))
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("password", &hidden(&self.password))
            .field("db", &self.db)
            .field("key_prefix", &self.key_prefix)
            .finish()
    }
}

pub(super) fn adapter_type<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AdapterType>, D::Error> {
    parsed(deserializer, "memory, redis or nats", |text| match text {
        "memory" => Some(AdapterType::Memory),
        "redis" => Some(AdapterType::Redis),
        "nats" => Some(AdapterType::Nats),
        _ => None,
    })
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    parsed(deserializer, "text", |text| (!text.is_empty()).then(|| text.to_owned()))
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    parsed(deserializer, "a port, 1 to 65535", |text| text.parse().ok().filter(|port| *port > 0))
}

fn db<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    parsed(deserializer, "the number of a database, at least 0", |text| text.parse().ok())
}

/// Text that no error repeats.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match scalar(deserializer, "text")? {
        Scalar::Null => Ok(None),
        Scalar::Text(text) => Ok(Some(text)),
        // A number may have lost zeros at its front.
        Scalar::Bare(_) => {
            Err(D::Error::custom("not text; allowed is text, in quotes if it looks like a number"))
        }
    }
}
