//! Every knob, its default and what it costs.
//!
//! Users turn them on a [`Handler`](crate::Handler), and those of one connection also on its
//! [`Conn`](crate::Conn).

mod rate;

use std::{num::NonZeroUsize, time::Duration};

use tokio::time::Instant;

use crate::protocol::{
    deflate::{self, Compression},
    receiver,
};

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
    /// What is agreed to in the handshake; `None` is to agree to nothing.
    pub(crate) compression: Option<Compression>,
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
            compression: deflate::by_default(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: usize) -> String {
        match bytes {
            _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
            _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
            _ => format!("{bytes} B"),
        }
    }

    fn count(count: usize) -> String {
        if count < 1000 { count.to_string() } else { format!("{},{:03}", count / 1000, count % 1000) }
    }

    fn time(period: impl Into<Option<Duration>>) -> String {
        period.into().map_or("off".to_owned(), |period| format!("{period:?}").replace('s', " s"))
    }

    /// `tests/docs.rs` holds the table in the docs of `Handler` to the guide's.
    #[test]
    fn the_guide_has_these_defaults() {
        let conn = ConnConfig::default();
        let outbox =
            format!("{} and {} messages", bytes(conn.outbox_bytes), count(conn.outbox_messages.get()));
        assert_eq!(conn.slow_reader, SlowReader::Disconnect);
        let rows = [
            ("`max_message_size`", bytes(conn.incoming.max_message_size)),
            ("`max_fragments`", count(conn.incoming.max_fragments)),
            ("`outbox_limits`", outbox),
            ("`slow_reader`", "disconnect, 1013".to_owned()),
            ("`read_ahead`", bytes(conn.read_ahead)),
            (
                "`ping_interval` / `pong_timeout`",
                format!("{} / {}", time(conn.ping_interval), time(conn.pong_timeout)),
            ),
            ("`handshake_timeout`", time(HANDSHAKE_TIMEOUT)),
            ("`write_timeout`", time(conn.write_timeout)),
            ("`close_timeout`", time(conn.close_timeout)),
            ("messages that wait for the reader in stream mode", INCOMING_MESSAGES.to_string()),
        ];
        let guide = include_str!("../docs/guide/limits.md");
        for (knob, default) in rows {
            let row = format!("| {knob} | {default} |");
            assert!(guide.contains(&row), "{row} is missing in the guide");
        }
    }
}
