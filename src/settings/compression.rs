//! The section of compression.

use serde::Deserialize;

use super::value::{flag, level, size, size_or_zero};
use crate::handler::Handler;

/// What was set of [`Compression`](crate::Compression); `None` leaves it as it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CompressionSettings {
    #[serde(deserialize_with = "flag")]
    enabled: Option<bool>,
    #[serde(deserialize_with = "level")]
    level: Option<u8>,
    #[serde(deserialize_with = "size_or_zero")]
    min_size: Option<usize>,
    #[serde(deserialize_with = "flag")]
    server_context_takeover: Option<bool>,
    #[serde(deserialize_with = "flag")]
    client_context_takeover: Option<bool>,
    #[serde(deserialize_with = "flag")]
    ignore_client_hint: Option<bool>,
    #[serde(deserialize_with = "size")]
    max_memory: Option<usize>,
}

impl CompressionSettings {
    pub(super) fn apply<F>(&self, handler: Handler<F>) -> Handler<F> {
        handler.conn(|config| {
            if let Some(enabled) = self.enabled {
                config.compression = enabled.then(|| config.compression.unwrap_or_default());
            }
            let Some(mut chosen) = config.compression else { return };
            macro_rules! turn {
                ($($knob:ident),*) => {
                    $(if let Some(value) = self.$knob {
                        chosen = chosen.$knob(value);
                    })*
                };
            }
            turn!(level, min_size, server_context_takeover, client_context_takeover);
            turn!(ignore_client_hint, max_memory);
            config.compression = Some(chosen);
        })
    }
}
