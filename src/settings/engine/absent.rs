//! In the place of an engine that is not in this build.

use std::sync::Arc;

use crate::{
    adapter::Adapter,
    settings::{AdapterSettings, AdapterType, SettingsError},
};

pub(super) fn adapter(engine: AdapterType, _: &AdapterSettings) -> Result<Arc<dyn Adapter>, SettingsError> {
    Err(SettingsError::Adapter(engine))
}
