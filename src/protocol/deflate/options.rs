//! [`Compression`]: what an application chooses.

use super::{MAX_WINDOW_BITS, MIN_WINDOW_BITS, compress, inflate};

/// How messages are compressed for clients that offer it: permessage-deflate (RFC 7692).
///
/// By default no side refers to earlier messages (*context takeover*): a connection then holds no memory for it, since
/// the worker threads lend what is needed, and a message to a room is compressed once for all members. With context
/// takeover small messages of one kind become much smaller, and each connection holds its own state for as long as it
/// lives: 48 KiB to inflate, 252 KiB to 372 KiB to compress.
///
/// What is compressed tells something by its length. Do not send a secret in one message with what somebody else may
/// choose, nor, with context takeover, on one connection.
///
/// ```
/// use gustnado::{Compression, Handler};
///
/// let handler = Handler::new(|| gustnado::Echo)
///     .compression(Compression::new().level(4).min_size(1024));
/// let without = handler.clone().compression(None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Compression {
    pub(crate) level: u8,
    pub(crate) min_size: usize,
    pub(crate) server_takeover: bool,
    pub(crate) client_takeover: bool,
    pub(crate) ignore_client_hint: bool,
    pub(crate) max_memory: usize,
}

impl Default for Compression {
    fn default() -> Self {
        Self {
            level: 1,
            min_size: 512,
            server_takeover: false,
            client_takeover: false,
            ignore_client_hint: false,
            max_memory: usize::MAX,
        }
    }
}

impl Compression {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// From 1, fast, to 9, small: 1 by default. Of 1 KiB of JSON level 1 makes 370 bytes in 3.4 µs, level 2 makes 290
    /// in 8.8 µs, and level 6 makes 280 in 10 µs. Values outside are taken for the nearest one.
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// Messages of fewer bytes are sent as they are: 512 by default. With context takeover a lower one may pay.
    pub fn min_size(mut self, bytes: usize) -> Self {
        self.min_size = bytes;
        self
    }

    /// Whether messages to a client may refer to earlier ones: off by default, and never for a client that asks for
    /// `server_no_context_takeover`.
    ///
    /// A message to a room is compressed for each such member by itself.
    pub fn server_context_takeover(mut self, takeover: bool) -> Self {
        self.server_takeover = takeover;
        self
    }

    /// Whether a client's messages may refer to earlier ones: off by default, and not agreed to with a client that
    /// hints, with `client_no_context_takeover`, that it will not do so anyway.
    pub fn client_context_takeover(mut self, takeover: bool) -> Self {
        self.client_takeover = takeover;
        self
    }

    /// Leaves that hint unanswered (§7.1.1.2), so that a client that gave it may use context takeover all the same:
    /// off by default. Some clients hint always.
    pub fn ignore_client_hint(mut self, ignore: bool) -> Self {
        self.ignore_client_hint = ignore;
        self
    }

    /// What context takeover may cost a connection, in bytes: no limit by default. The server's window is made smaller
    /// until it fits, and where that does not do, first the server and then the client goes without takeover.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Whom to grant context takeover (server, client) of those who are to have it, and the server's largest window
    /// up to `window_bits`, within the memory.
    pub(super) fn within_memory(&self, server: bool, client: bool, window_bits: u8) -> (bool, bool, u8) {
        let client_memory = if client { inflate::MEMORY } else { 0 };
        let fits = |bits: &u8| compress::memory(*bits).saturating_add(client_memory) <= self.max_memory;
        match (MIN_WINDOW_BITS..=window_bits.min(MAX_WINDOW_BITS)).rev().find(fits) {
            Some(bits) if server => (true, client, bits),
            _ => (false, client_memory <= self.max_memory && client, window_bits),
        }
    }
}
