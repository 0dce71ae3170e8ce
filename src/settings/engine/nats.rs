//! NATS, as its section says.

use std::sync::Arc;

use crate::{
    adapter::{Adapter, Nats},
    settings::{AdapterSettings, AdapterType, SettingsError},
};

pub(super) fn adapter(
    engine: AdapterType,
    settings: &AdapterSettings,
) -> Result<Arc<dyn Adapter>, SettingsError> {
    let url = settings.url().map_or_else(|| url(settings), str::to_owned);
    let mut nats = Nats::new(&url)
        .map_err(|error| SettingsError::Value { key: format!("{engine}.url"), problem: error.to_string() })?;
    if settings.username().is_some() || settings.password().is_some() {
        nats = nats.login(settings.username().unwrap_or_default(), settings.password().unwrap_or_default());
    }
    Ok(Arc::new(nats.subject_prefix(settings.key_prefix())))
}

fn url(settings: &AdapterSettings) -> String {
    let host = settings.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("nats://{host}:{}", settings.port().unwrap_or(4222))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_becomes_a_url() {
        let settings: AdapterSettings = toml::from_str("host = '::1'\nusername = 'ann'").expect("a section");
        assert_eq!(url(&settings), "nats://[::1]:4222");
        assert!(adapter(AdapterType::Nats, &settings).is_ok());
        assert_eq!(url(&AdapterSettings::default()), "nats://localhost:4222");
    }
}
