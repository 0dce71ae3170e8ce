//! The knobs of one connection, turned while it is open.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering::Release},
    time::Duration,
};

use tokio::time::Instant;

use crate::config::{ConnConfig, RateLimit, SlowReader, timer};

use super::Conn;

/// Limits of this connection alone. Each applies from here on, to messages that were read and not yet handed over
/// too; their defaults are the handler's.
impl Conn {
    /// The largest message that is taken, in bytes over all its fragments; a larger one closes with 1009.
    pub fn set_max_message_size(&self, bytes: usize) {
        self.configure(|config| config.incoming.max_message_size = bytes);
    }

    /// The most frames one message may have, empty ones counted; more close with 1009. A message that was read
    /// already is not counted again.
    pub fn set_max_fragments(&self, frames: usize) {
        self.configure(|config| config.incoming.max_fragments = frames);
    }

    /// The most that may wait in the outbox: bytes, frame headers included, and messages (at least 1).
    pub fn set_outbox_limits(&self, bytes: usize, messages: usize) {
        self.configure(|config| {
            config.outbox_bytes = bytes;
            config.outbox_messages = NonZeroUsize::new(messages).unwrap_or(NonZeroUsize::MIN);
        });
    }

    /// What happens when the outbox is full.
    pub fn set_slow_reader(&self, choice: SlowReader) {
        self.configure(|config| config.slow_reader = choice);
    }

    /// How many messages, and bytes of them, the peer may send per second; `None` for no limit. What was used of an
    /// earlier limit stays used.
    pub fn set_message_rate(&self, limit: impl Into<Option<RateLimit>>) {
        let limit = limit.into();
        self.configure(|config| config.message_rate = limit);
    }

    /// Closes the connection with 4401 after so long, whatever was said before; `None` for never. What else the
    /// peer has sent by then is ignored.
    pub fn set_expiry(&self, time: impl Into<Option<Duration>>) {
        self.set_expiry_at(time.into().and_then(|time| Instant::now().checked_add(time)));
    }

    pub(crate) fn set_expiry_at(&self, expiry: Option<Instant>) {
        self.configure(|config| config.expiry = expiry);
    }

    /// How often a ping goes out; `None` or zero for never.
    pub fn set_ping_interval(&self, interval: impl Into<Option<Duration>>) {
        let interval = timer(interval);
        self.configure(|config| config.ping_interval = interval);
    }

    /// After how long without any byte the peer counts as dead; `None` or zero for never. Longer than the ping
    /// interval, or idle peers are cut before they were asked.
    pub fn set_pong_timeout(&self, timeout: impl Into<Option<Duration>>) {
        let timeout = timer(timeout);
        self.configure(|config| config.pong_timeout = timeout);
    }

    /// How long [`send`](Self::send) waits for room in the outbox.
    pub fn set_write_timeout(&self, timeout: Duration) {
        self.configure(|config| config.write_timeout = timeout);
    }

    /// How long the closing handshake may take.
    pub fn set_close_timeout(&self, timeout: Duration) {
        self.configure(|config| config.close_timeout = timeout);
    }

    fn configure(&self, change: impl FnOnce(&mut ConnConfig)) {
        let mut state = self.0.state.lock();
        change(Arc::make_mut(&mut state.config));
        self.0.reconfigured.store(true, Release);
        // A timer may have come nearer, also while the transport takes nothing; and a larger outbox has room for
        // those who wait.
        self.0.rouse(&state);
        self.drained(&state);
    }
}
