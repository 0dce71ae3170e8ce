//! [`Builder`]: where to connect, and the knobs.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::commands::{Codec, ErrorReply};

use super::{
    Client,
    answers::answerer,
    closing::Closed,
    config::{Config, TokenIn},
    dial::{Address, InvalidAddress, Transport, tls},
};

/// Where to connect, and the knobs; [`connect`](Self::connect) makes a [`Client`] of it.
///
/// | knob | default | |
/// |---|---|---|
/// | [`timeout`](Self::timeout) | 10 s | of a request, the wait for a connection included |
/// | [`connect_timeout`](Self::connect_timeout) | 10 s | of an attempt, the wait for a token included |
/// | [`read_ahead`](Self::read_ahead) | 1,000 events | held for each slow reader |
/// | [`max_message_size`](Self::max_message_size) | 4 MiB | of the server; beyond it the client closes for good |
/// | [`backoff`](Self::backoff) | 1 s, 30 s | the bound of the first wait, and the longest |
/// | [`outbox`](Self::outbox) | 100 messages, 1 MiB, 60 s | what waits for a connection, and how long |
/// | [`heartbeat`](Self::heartbeat) | 25 s, 20 s | silence until the server is asked, and until it is dead then |
#[must_use]
pub struct Builder {
    address: String,
    trusted: Vec<Vec<u8>>,
    config: Config,
}

impl Builder {
    pub(super) fn new(address: &str) -> Self {
        Self { address: address.into(), trusted: Vec::new(), config: Config::default() }
    }

    /// How commands are written: [`Codec::Json`] by default.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.config.codec = codec;
        self
    }

    /// Is asked for a credential at each attempt to connect. If it fails, the attempt has failed.
    ///
    /// A connection that ends with 4401, or a handshake with 401, is tried once more with a new token. No event has the
    /// token in it, unless the provider's own error does.
    pub fn token<F, Fut, E>(mut self, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let provider = Arc::new(provider);
        self.config.token = Some(Arc::new(move || {
            let provider = Arc::clone(&provider);
            Box::pin(async move { provider().await.map_err(Into::into) })
        }));
        self
    }

    /// Where the credential goes: [`TokenIn::Header`] by default.
    pub fn token_in(mut self, place: TokenIn) -> Self {
        self.config.token_in = place;
        self
    }

    /// Answers the server's requests of this name. An [`ErrorReply`] is told to the server; any other error and a
    /// panic as `internal`, and here as an [`Event::Error`](super::Event::Error). Answering is part of the client's task:
    /// await what takes long. At most 64 requests are answered at a time; more are refused with `busy`.
    ///
    /// ```
    /// use gustnado::client::Client;
    ///
    /// let client = Client::builder("ws://localhost/ws").answer("sure", |question: String| async move {
    ///     Ok(question == "really?")
    /// });
    /// ```
    pub fn answer<P, R, F, Fut>(mut self, cmd: &str, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + Send,
        F: Fn(P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ErrorReply>> + Send + 'static,
    {
        self.config.answers.insert(cmd.into(), answerer(handler));
        self
    }

    /// Has the last word on whether to connect again; [`Closed::reconnects`] is what the code says.
    pub fn reconnect_if(mut self, decide: impl Fn(&Closed) -> bool + Send + Sync + 'static) -> Self {
        self.config.reconnect = Some(Arc::new(decide));
        self
    }

    /// How long a request waits for its answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// How long an attempt to connect may take.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// How many events are held for each reader that is behind; it misses those beyond, and is told how many.
    pub fn read_ahead(mut self, events: usize) -> Self {
        self.config.read_ahead = events;
        self
    }

    /// How large the server's messages may be, in bytes. A larger one ends the client with 1009.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.config.max_message_size = bytes;
        self
    }

    /// The bound of the first wait, which doubles with each failure, and what it grows to. It begins anew once a
    /// connection has lasted a minute.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        (self.config.first_wait, self.config.longest_wait) = (first, longest);
        self
    }

    /// How much waits for a connection, and for how long. The oldest messages are dropped where there is no room.
    pub fn outbox(mut self, messages: usize, bytes: usize, expires: Duration) -> Self {
        self.config.outbox_messages = messages;
        self.config.outbox_bytes = bytes;
        self.config.outbox_expires = expires;
        self
    }

    /// After how much silence the server is pinged, and how long after that it is dead.
    pub fn heartbeat(mut self, interval: Duration, timeout: Duration) -> Self {
        (self.config.heartbeat_interval, self.config.heartbeat_timeout) = (interval, timeout);
        self
    }

    /// Trusts this certificate (DER), beside the system's, for `wss:`.
    pub fn trust(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.trusted.push(certificate.into());
        self
    }

    /// The way to the server where it is not TCP, and TLS for `wss:`: a proxy, a Unix socket, memory in tests. The
    /// address then only says what is asked for.
    pub fn transport<F, Fut, T>(mut self, dialer: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let dialer = Arc::new(dialer);
        self.config.dialer = Some(Arc::new(move || {
            let dialer = Arc::clone(&dialer);
            Box::pin(async move { Ok(Box::new(dialer().await?) as Box<dyn Transport>) })
        }));
        self
    }

    /// Connects, and goes on doing so until the client is closed, or dropped with all its clones and rooms. Returns at
    /// once; what is sent meanwhile waits. For `wss:` the system's certificates are read, from disk.
    ///
    /// # Errors
    ///
    /// [`InvalidAddress`], if there is no such address.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn connect(mut self) -> Result<Client, InvalidAddress> {
        self.config.address = Address::parse(&self.address)?;
        if self.config.address.is_secure() && self.config.dialer.is_none() {
            self.config.tls = Some(tls(&self.trusted));
        }
        Ok(Client::start(self.config))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the address, whose query may be a credential.
        f.debug_struct("Builder").field("codec", &self.config.codec).finish_non_exhaustive()
    }
}
