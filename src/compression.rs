//! Where permessage-deflate is chosen: on [`Handler`], [`Handshake`] and [`Conn`].

use std::sync::Arc;

use crate::{conn::Conn, connector::Handshake, handler::Handler, protocol::deflate::Compression};

impl<F> Handler<F> {
    /// How messages are compressed, with the feature `deflate`: for clients that offer it, without context takeover,
    /// from 512 bytes on, at level 1. `None` is not at all.
    ///
    /// [`max_message_size`](Self::max_message_size) holds for what is inflated.
    #[must_use]
    pub fn compression(self, compression: impl Into<Option<Compression>>) -> Self {
        let compression = compression.into();
        self.conn(|config| config.compression = compression)
    }
}

impl Handshake {
    /// As [`Handler::compression`], for this connection. What comes of it depends on what the client offers.
    pub fn set_compression(&mut self, compression: impl Into<Option<Compression>>) {
        Arc::make_mut(&mut self.config).compression = compression.into();
    }
}

impl Conn {
    /// Whether messages are compressed that are written from here on, if that was agreed: on by default. What the
    /// client sends is its own choice.
    pub fn set_compression(&self, on: bool) {
        self.turn_compression(on);
    }

    /// Whether compression was agreed in the handshake.
    pub fn is_compressed(&self) -> bool {
        self.agreed().is_some()
    }
}
