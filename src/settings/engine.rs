//! From the adapter's section to an adapter.

use std::sync::Arc;

use super::{AdapterSettings, AdapterType, SettingsError};
use crate::adapter::Adapter;

#[cfg(feature = "nats")]
mod nats;
#[cfg(not(feature = "nats"))]
#[path = "engine/absent.rs"]
mod nats;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
#[path = "engine/absent.rs"]
mod redis;

/// The adapter of that type, if there is one and it is in this build.
pub(super) fn adapter(
    engine: AdapterType,
    settings: &AdapterSettings,
) -> Result<Option<Arc<dyn Adapter>>, SettingsError> {
    match engine {
        AdapterType::Memory => Ok(None),
        AdapterType::Redis => redis::adapter(engine, settings).map(Some),
        AdapterType::Nats => nats::adapter(engine, settings).map(Some),
    }
}
