//! Redis, as its section says.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    adapter::{Adapter, Redis},
    settings::{AdapterSettings, AdapterType, SettingsError},
};

pub(super) fn adapter(
    engine: AdapterType,
    settings: &AdapterSettings,
) -> Result<Arc<dyn Adapter>, SettingsError> {
    let url = settings.url().map_or_else(|| url(settings), str::to_owned);
    let redis = Redis::new(&url)
        .map_err(|error| SettingsError::Value { key: format!("{engine}.url"), problem: error.to_string() })?;
    Ok(Arc::new(redis.key_prefix(settings.key_prefix())))
}

fn url(settings: &AdapterSettings) -> String {
    let escaped =
        |text: Option<&str>| utf8_percent_encode(text.unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let host = settings.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let (username, password) = (escaped(settings.username()), escaped(settings.password()));
    let (port, db) = (settings.port().unwrap_or(6379), settings.db());
    format!("redis://{username}:{password}@{host}:{port}/{db}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_becomes_a_url() {
        let settings: AdapterSettings =
            toml::from_str("host = '::1'\nusername = 'a:b'\npassword = 'p@/'\ndb = 2").expect("a section");
        assert_eq!(url(&settings), "redis://a%3Ab:p%40%2F@[::1]:6379/2");
        assert!(adapter(AdapterType::Redis, &settings).is_ok());
        assert_eq!(url(&AdapterSettings::default()), "redis://:@localhost:6379/0");
    }

    #[test]
    fn a_url_that_is_none_is_named_by_its_key() {
        let settings: AdapterSettings = toml::from_str("url = 'geheim'").expect("a section");
        let error = adapter(AdapterType::Redis, &settings).err().expect("no URL").to_string();
        assert_eq!(error, "redis.url: not the URL of a Redis: no scheme");
    }
}
