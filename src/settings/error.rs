//! [`SettingsError`].

use super::AdapterType;

/// Why settings are not good. What a file's format finds wrong is that format's own error, with the same text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A key or a value that is not allowed.
    #[error("{key}: {problem}")]
    Value {
        /// The key with its path, or the name of the environment variable.
        key: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// The engine's adapter is not in this build.
    #[error("adapter_type: the adapter {0} is not in this build: its feature `{0}` is off")]
    Adapter(AdapterType),
}
