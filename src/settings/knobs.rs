//! [`Knobs`]: every key, how it is read, and what is checked between several.

use std::time::Duration;

use serde::Deserialize;

use super::{
    adapter::{self, AdapterSettings, AdapterType},
    compression::CompressionSettings,
    value::{Problem, flag, interval, number, origins, rate, size, slow_reader, timeout},
};
use crate::config::{ConnConfig, SlowReader};

/// Which pages may open a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origins {
    SameHost,
    Any,
    List(Vec<String>),
}

/// What was set; `None` leaves a knob as it is. The fields' names are the keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Knobs {
    #[serde(deserialize_with = "size")]
    pub(super) max_message_size: Option<usize>,
    #[serde(deserialize_with = "number")]
    pub(super) max_fragments: Option<usize>,
    #[serde(deserialize_with = "size")]
    pub(super) outbox_bytes: Option<usize>,
    #[serde(deserialize_with = "number")]
    pub(super) outbox_messages: Option<usize>,
    #[serde(deserialize_with = "slow_reader")]
    pub(super) slow_reader: Option<SlowReader>,
    #[serde(deserialize_with = "size")]
    pub(super) read_ahead: Option<usize>,
    /// Zero is off.
    #[serde(deserialize_with = "interval")]
    pub(super) ping_interval: Option<Duration>,
    /// Zero is off.
    #[serde(deserialize_with = "interval")]
    pub(super) pong_timeout: Option<Duration>,
    #[serde(deserialize_with = "timeout")]
    pub(super) handshake_timeout: Option<Duration>,
    #[serde(deserialize_with = "timeout")]
    pub(super) write_timeout: Option<Duration>,
    #[serde(deserialize_with = "timeout")]
    pub(super) close_timeout: Option<Duration>,
    #[serde(deserialize_with = "origins")]
    pub(super) origin: Option<Origins>,
    #[serde(deserialize_with = "flag")]
    pub(super) visible_rejects: Option<bool>,
    #[serde(deserialize_with = "flag")]
    pub(super) debug: Option<bool>,
    #[serde(deserialize_with = "number")]
    pub(super) max_connections: Option<usize>,
    #[serde(deserialize_with = "number")]
    pub(super) max_connections_per_peer: Option<usize>,
    #[serde(deserialize_with = "number")]
    pub(super) max_connections_per_user: Option<usize>,
    /// Connections per second; as many at once after a rest.
    #[serde(deserialize_with = "rate")]
    pub(super) max_new_connections: Option<u32>,
    /// Messages per second of one connection; as many at once after a rest.
    #[serde(deserialize_with = "rate")]
    pub(super) message_rate: Option<u32>,
    pub(super) compression: CompressionSettings,
    #[serde(deserialize_with = "number")]
    pub(super) max_rooms: Option<usize>,
    #[serde(deserialize_with = "number")]
    pub(super) max_room_name: Option<usize>,
    #[serde(deserialize_with = "adapter::adapter_type")]
    pub(super) adapter_type: Option<AdapterType>,
    pub(super) redis: AdapterSettings,
    pub(super) nats: AdapterSettings,
}

impl Knobs {
    /// What no value shows by itself.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let default = ConnConfig::default();
        let effective = |set: Option<Duration>, default: Option<Duration>| {
            set.or(default).filter(|period| !period.is_zero())
        };
        let ping = effective(self.ping_interval, default.ping_interval);
        let pong = effective(self.pong_timeout, default.pong_timeout);
        if let (Some(ping), Some(pong)) = (ping, pong)
            && pong <= ping
        {
            return Err(Problem {
                key: "pong_timeout".into(),
                problem: format!(
                    "idle peers would be cut before they were asked: allowed is more than the ping_interval, \
                     which is {ping:?}, and it is {pong:?}"
                ),
            });
        }
        self.redis.check("redis")?;
        self.nats.check("nats")
    }
}
