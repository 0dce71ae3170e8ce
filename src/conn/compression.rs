//! What a connection knows about compression.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::protocol::{
    deflate::{Agreed, Outgoing},
    encoded::Encoded,
    message::Message,
};

use super::{Conn, Inner};

/// What was agreed, and whether it is made use of.
pub(super) struct Compressing {
    agreed: Agreed,
    on: AtomicBool,
}

impl Compressing {
    pub(super) fn new(agreed: Agreed) -> Box<Self> {
        Box::new(Self { agreed, on: AtomicBool::new(true) })
    }
}

impl Conn {
    /// What was agreed in the handshake.
    pub(crate) fn agreed(&self) -> Option<&Agreed> {
        self.0.compressing.as_ref().map(|compressing| &compressing.agreed)
    }

    /// How messages are compressed that are sent now.
    pub(crate) fn outgoing(&self) -> Option<&Outgoing> {
        self.0.outgoing()
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn turn_compression(&self, on: bool) {
        if let Some(compressing) = &self.0.compressing {
            compressing.on.store(on, Relaxed);
        }
    }
}

impl Inner {
    pub(super) fn outgoing(&self) -> Option<&Outgoing> {
        let compressing = self.compressing.as_ref().filter(|compressing| compressing.on.load(Relaxed))?;
        Some(compressing.agreed.outgoing())
    }

    /// The forms of a message that this connection may get, made before the lock is taken.
    pub(super) fn encode<'a>(&self, message: &'a Message) -> Encoded<'a> {
        let mut encoded = Encoded::new(message);
        if let Some(outgoing) = self.outgoing()
            && !self.closing.load(Relaxed)
        {
            encoded.compress(outgoing);
        }
        encoded
    }
}
