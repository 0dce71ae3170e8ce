//! [`Settings`]: the knobs of a handler and of a hub, from a file or from the environment.
//!
//! Any format that serde reads will do; bring its crate. `examples/configured` does so with TOML and YAML.
//!
//! ```
//! use gustnado::{Handler, settings::Settings};
//! # struct Echo; impl gustnado::Connector for Echo {}
//!
//! let settings: Settings = toml::from_str(r#"
//!     max_message_size = "1 MiB"
//!     ping_interval = "20s"
//!     origin = ["https://app.example.com"]
//!     adapter_type = "memory"
//! "#)?;
//! let hub = settings.hub()?;
//! let handler = settings.apply(Handler::new(|| Echo))?.hub(&hub);
//!
//! let error = toml::from_str::<Settings>(r#"ping_interval = "soon""#).unwrap_err();
//! assert!(error.to_string().contains("ping_interval: "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | key | what it takes | what it turns |
//! |---|---|---|
//! | `max_message_size` | a size | [`Handler::max_message_size`] |
//! | `max_fragments` | a number | [`Handler::max_fragments`] |
//! | `outbox_bytes`, `outbox_messages` | a size, a number | [`Handler::outbox_limits`] |
//! | `slow_reader` | `disconnect`, `drop_newest`, `drop_oldest` | [`Handler::slow_reader`] |
//! | `read_ahead` | a size | [`Handler::read_ahead`] |
//! | `ping_interval`, `pong_timeout` | a duration or `off` | [`Handler::ping_interval`], [`Handler::pong_timeout`] |
//! | `handshake_timeout`, `write_timeout`, `close_timeout` | a duration | the [`Handler`]'s of that name |
//! | `origin` | `same_host`, `any`, or a list of origins | [`Handler::allow_origins`], [`Handler::allow_any_origin`] |
//! | `visible_rejects`, `debug` | `true` or `false` | the [`Handler`]'s of that name |
//! | `max_connections`, `max_connections_per_peer`, `max_connections_per_user` | a number | the [`Handler`]'s of that name |
//! | `max_new_connections`, `message_rate` | a number per second, and as many at once | the [`Handler`]'s of that name |
//! | `compression` | a table: `enabled`, `level`, `min_size`, `server_context_takeover`, `client_context_takeover`, `ignore_client_hint`, `max_memory` | `Handler::compression`, with the feature `deflate` |
//! | `max_rooms`, `max_room_name` | a number | the [`HubBuilder`](crate::HubBuilder)'s of that name |
//! | `adapter_type` | `memory`, `redis`, `nats` | which engine connects this node to others |
//! | `redis`, `nats` | a table: see [`AdapterSettings`] | how that engine is reached |
//!
//! A size is a number of bytes, or a number with `B`, `KiB`, `MiB` or `GiB`. A duration is a number with `ms`, `s`, `m`
//! or `h`, from 1ms to 24h. A key that is left out leaves its knob as it is; one that is not in this table is an error,
//! and so is a bad value. Errors name the key, with its path, and what is allowed.

mod adapter;
#[cfg(feature = "deflate")]
mod compression;
#[cfg(not(feature = "deflate"))]
#[path = "compression_off.rs"]
mod compression;
mod engine;
mod env;
mod error;
mod knobs;
mod value;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, de::Error as _};

pub use self::{
    adapter::{AdapterSettings, AdapterType},
    error::SettingsError,
};
use self::{
    knobs::{Knobs, Origins},
    value::Problem,
};
use crate::{
    adapter::Adapter,
    config::{ConnConfig, RateLimit},
    handler::Handler,
    hub::Hub,
};

/// Settings that were read and found good; see the [module](self) for the keys.
#[derive(Clone, Default)]
pub struct Settings(Knobs);

impl Settings {
    /// Turns the knobs of a handler.
    ///
    /// Those of the hub, and the adapter, take effect through [`hub`](Self::hub). If only one of `outbox_bytes` and
    /// `outbox_messages` is set, the other gets its default.
    ///
    /// # Errors
    ///
    /// As [`hub`](Self::hub): a handler whose hub would be alone is refused as well.
    pub fn apply<F>(&self, mut handler: Handler<F>) -> Result<Handler<F>, SettingsError> {
        self.engine()?;
        let knobs = &self.0;
        macro_rules! turn {
            ($($knob:ident),*) => {
                $(if let Some(value) = knobs.$knob {
                    handler = handler.$knob(value);
                })*
            };
        }
        turn!(max_message_size, max_fragments, slow_reader, read_ahead, ping_interval, pong_timeout);
        turn!(handshake_timeout, write_timeout, close_timeout, visible_rejects, debug);
        turn!(max_connections, max_connections_per_peer, max_connections_per_user);
        handler = knobs.compression.apply(handler);
        if let Some(per_second) = knobs.max_new_connections {
            handler = handler.max_new_connections(per_second, per_second);
        }
        if let Some(per_second) = knobs.message_rate {
            handler = handler.message_rate(RateLimit::new(per_second));
        }
        if knobs.outbox_bytes.is_some() || knobs.outbox_messages.is_some() {
            let default = ConnConfig::default();
            handler = handler.outbox_limits(
                knobs.outbox_bytes.unwrap_or(default.outbox_bytes),
                knobs.outbox_messages.unwrap_or(default.outbox_messages.get()),
            );
        }
        match &knobs.origin {
            // The handler's own default; one that was chosen in code is not undone.
            None | Some(Origins::SameHost) => {}
            Some(Origins::Any) => handler = handler.allow_any_origin(),
            Some(Origins::List(list)) => {
                handler = handler.allow_origins(list.iter().map(String::as_str)).map_err(|error| {
                    SettingsError::Value { key: "origin".into(), problem: error.to_string() }
                })?;
            }
        }
        Ok(handler)
    }

    /// A hub with these limits and this adapter, for [`Handler::hub`]. With an adapter it begins to connect, and has to
    /// be called within a runtime.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Adapter`] if the adapter is not in this build, [`SettingsError::Value`] if its URL is none.
    pub fn hub(&self) -> Result<Hub, SettingsError> {
        let mut builder = Hub::builder();
        if let Some(adapter) = self.engine()? {
            builder = builder.adapter(adapter);
        }
        if let Some(rooms) = self.0.max_rooms {
            builder = builder.max_rooms(rooms);
        }
        if let Some(bytes) = self.0.max_room_name {
            builder = builder.max_room_name(bytes);
        }
        Ok(builder.build())
    }

    /// Which engine connects this node to others: memory, which is none, unless another is set.
    pub fn adapter_type(&self) -> AdapterType {
        self.0.adapter_type.unwrap_or_default()
    }

    /// How the engine is reached; `None` for [`AdapterType::Memory`], which needs nothing.
    pub fn adapter(&self) -> Option<&AdapterSettings> {
        match self.adapter_type() {
            AdapterType::Memory => None,
            AdapterType::Redis => Some(&self.0.redis),
            AdapterType::Nats => Some(&self.0.nats),
        }
    }

    fn engine(&self) -> Result<Option<Arc<dyn Adapter>>, SettingsError> {
        match self.adapter() {
            Some(settings) => engine::adapter(self.adapter_type(), settings),
            None => Ok(None),
        }
    }

    /// Reads and checks them from anything, with the path of what is wrong.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, Problem> {
        let knobs: Knobs = serde_path_to_error::deserialize(deserializer).map_err(|error| Problem {
            key: error.path().to_string(),
            problem: error.into_inner().to_string(),
        })?;
        knobs.check()?;
        Ok(Self(knobs))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer).map_err(D::Error::custom)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
