//! The knobs of a client, and their defaults.

use std::{collections::HashMap, error::Error, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio_rustls::rustls::ClientConfig;

use crate::commands::{Codec, JSON, MESSAGE_PACK};

use super::{
    answers::Answerer,
    closing::Closed,
    dial::{Address, Dialer},
};

const SECOND: Duration = Duration::from_secs(1);

/// Where a credential goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenIn {
    /// `Authorization: Bearer <token>`: the default.
    Header,
    /// The query's parameter of this name. Queries end up in logs of proxies: use tickets there.
    Query(String),
    /// The subprotocol `bearer.<token>`, which may hold what a subprotocol may, such as base64url.
    Subprotocol,
    /// The first message, all text of it.
    Message,
}

pub(super) type TokenProvider =
    Arc<dyn Fn() -> BoxFuture<'static, Result<String, Box<dyn Error + Send + Sync>>> + Send + Sync>;

/// Has the last word on whether to connect again.
pub(super) type Reconnect = Arc<dyn Fn(&Closed) -> bool + Send + Sync>;

/// What a client is made from.
pub(super) struct Config {
    pub(super) address: Address,
    pub(super) codec: Codec,
    pub(super) token: Option<TokenProvider>,
    pub(super) token_in: TokenIn,
    pub(super) dialer: Option<Dialer>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) answers: HashMap<Box<str>, Answerer>,
    pub(super) reconnect: Option<Reconnect>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) read_ahead: usize,
    pub(super) max_message_size: usize,
    pub(super) first_wait: Duration,
    pub(super) longest_wait: Duration,
    pub(super) outbox_messages: usize,
    pub(super) outbox_bytes: usize,
    pub(super) outbox_expires: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) heartbeat_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: Address::default(),
            codec: Codec::Json,
            token: None,
            token_in: TokenIn::Header,
            dialer: None,
            tls: None,
            answers: HashMap::new(),
            reconnect: None,
            timeout: 10 * SECOND,
            connect_timeout: 10 * SECOND,
            read_ahead: 1_000,
            max_message_size: 4 << 20,
            first_wait: SECOND,
            longest_wait: 30 * SECOND,
            outbox_messages: 100,
            outbox_bytes: 1 << 20,
            outbox_expires: 60 * SECOND,
            heartbeat_interval: 25 * SECOND,
            heartbeat_timeout: 20 * SECOND,
        }
    }
}

impl Config {
    pub(super) fn subprotocol(&self) -> &'static str {
        match self.codec {
            Codec::Json => JSON,
            Codec::MessagePack => MESSAGE_PACK,
        }
    }
}
