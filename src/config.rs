//! Every knob, its default and what it costs.
//!
//! Users turn them on a [`Handler`](crate::Handler), and those of one connection also on its
//! [`Conn`](crate::Conn).

mod rate;

use std::{num::NonZeroUsize, time::Duration};

use tokio::time::Instant;

use crate::protocol::receiver;

pub(crate) use self::rate::Quota;
pub use self::rate::{RateAction, RateLimit};

/// What happens when a message is sent to a peer whose outbox is full.
///
/// [`Conn::try_send`](crate::Conn::try_send) makes the choice at once,
/// [`Conn::send`](crate::Conn::send) after it has waited for the write timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SlowReader {
    /// Close the connection with 1013, try again later. What is queued is dropped, so that the close
    /// gets through at once.
    #[default]
    Disconnect,
    /// Refuse the new message: it comes back as [`SendError::Full`](crate::SendError::Full).
    DropNewest,
    /// Drop queued messages, the oldest first, until the new one has room.
    DropOldest,
}

/// The knobs of one connection.
#[derive(Debug, Clone)]
pub(crate) struct ConnConfig {
    pub(crate) incoming: receiver::Limits,
    /// Bytes of messages that are read while a callback is busy; TCP pushes back after that.
    pub(crate) read_ahead: usize,
    pub(crate) outbox_bytes: usize,
    pub(crate) outbox_messages: NonZeroUsize,
    pub(crate) slow_reader: SlowReader,
    pub(crate) message_rate: Option<RateLimit>,
    /// When the connection is closed with 4401.
    pub(crate) expiry: Option<Instant>,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Option<Duration>,
    pub(crate) write_timeout: Duration,
    pub(crate) close_timeout: Duration,
}

impl Default for ConnConfig {
    fn default() -> Self {
        Self {
            incoming: receiver::Limits { max_message_size: 64 * 1024, max_fragments: 1024 },
            read_ahead: 64 * 1024,
            outbox_bytes: 1024 * 1024,
            outbox_messages: NonZeroUsize::new(1024).expect("1024 is not zero"),
            slow_reader: SlowReader::Disconnect,
            message_rate: None,
            expiry: None,
            ping_interval: Some(Duration::from_secs(30)),
            pong_timeout: Some(Duration::from_secs(60)),
            write_timeout: Duration::from_secs(15),
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// How long a handshake may take, from the request to the first frame.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Messages that wait for the reader in stream mode.
pub(crate) const INCOMING_MESSAGES: usize = 100;

/// `None` and zero both turn a timer off.
pub(crate) fn timer(period: impl Into<Option<Duration>>) -> Option<Duration> {
    period.into().filter(|period| !period.is_zero())
}
