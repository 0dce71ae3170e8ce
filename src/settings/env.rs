//! Settings from environment variables.

use std::{collections::BTreeMap, ffi::OsString};

use serde::{
    Deserializer,
    de::{
        IntoDeserializer, Visitor,
        value::{Error, MapDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{Settings, SettingsError};

/// The keys that are tables: what follows their name and an underscore is a key in them.
const TABLES: [&str; 3] = ["compression", "redis", "nats"];

impl Settings {
    /// Reads the environment variables whose names begin with `prefix` and an underscore.
    ///
    /// With the prefix `GUSTNADO`, the key `max_message_size` is `GUSTNADO_MAX_MESSAGE_SIZE`, and `port` in the table
    /// `redis` is `GUSTNADO_REDIS_PORT`. Values are written as they are in a file, without quotes; a list of origins has
    /// commas between them. An empty value counts as none. A variable with the prefix and no key is an error, since
    /// it may be a key that is spelt wrong.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Value`] with the variable's name.
    pub fn from_env(prefix: &str) -> Result<Self, SettingsError> {
        Self::from_vars(prefix, std::env::vars_os())
    }

    /// As [`from_env`](Self::from_env), from variables that come from elsewhere.
    ///
    /// ```
    /// use gustnado::settings::Settings;
    ///
    /// let error = Settings::from_vars("GUSTNADO", [("GUSTNADO_ADAPTER_TYPE", "cluster")]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"GUSTNADO_ADAPTER_TYPE: "cluster" is not allowed; allowed is memory, redis or nats"#,
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// As `from_env`.
    pub fn from_vars<N, V>(
        prefix: &str,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, SettingsError>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let mut top = BTreeMap::new();
        let mut tables: BTreeMap<&str, BTreeMap<String, Node>> = BTreeMap::new();
        for (name, value) in variables {
            // A name that is not UTF-8 is none of ours.
            let Ok(name) = name.into().into_string() else { continue };
            let Some(key) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) else {
                continue;
            };
            let Ok(value) = value.into().into_string() else {
                return Err(SettingsError::Value { key: name, problem: "not UTF-8".into() });
            };
            if value.is_empty() {
                continue;
            }
            let key = key.to_ascii_lowercase();
            let table = TABLES
                .iter()
                .find_map(|table| Some((*table, key.strip_prefix(table)?.strip_prefix('_')?.to_owned())));
            match table {
                Some((table, key)) => tables.entry(table).or_default().insert(key, Node::Text(value)),
                None => top.insert(key, Node::Text(value)),
            };
        }
        top.extend(tables.into_iter().map(|(name, table)| (name.to_owned(), Node::Table(table))));
        Self::read(Node::Table(top)).map_err(|problem| SettingsError::Value {
            key: format!("{prefix}_{}", problem.key.replace('.', "_").to_ascii_uppercase()),
            problem: problem.problem,
        })
    }
}

/// What the variables say, in the shape of a file.
enum Node {
    Text(String),
    Table(BTreeMap<String, Node>),
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => visitor.visit_string(text),
            Self::Table(table) => visitor.visit_map(MapDeserializer::new(table.into_iter())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, Error> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
