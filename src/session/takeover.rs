//! [`Takeover`]: messages that refer to earlier ones are compressed here, in the order in which they go out.

use bytes::Bytes;

use crate::{
    conn::{Conn, queue::Queue},
    protocol::{
        deflate::{Compressor, Outgoing},
        frame::{Header, MAX_HEADER},
    },
};

/// How much is compressed at a time, before it is written.
const BATCH: usize = 64 * 1024;

/// The compressor of a connection with context takeover. It is made for the first message that is worth it.
pub(super) struct Takeover {
    outgoing: Outgoing,
    compressor: Option<Compressor>,
}

impl Takeover {
    /// One, if that was agreed.
    pub(super) fn new(conn: &Conn) -> Option<Box<Self>> {
        let outgoing = *conn.agreed()?.outgoing();
        outgoing.takeover().then(|| Box::new(Self { outgoing, compressor: None }))
    }

    /// Compresses what goes out next, while nobody has to wait for the outbox; whether there was something.
    pub(super) fn prepare(&mut self, conn: &Conn) -> bool {
        let Some(mut plain) = conn.state().outbox.take_uncompressed(BATCH) else { return false };
        let on = conn.outgoing().is_some();
        let mut compressed = Queue::default();
        while !plain.is_empty() {
            if on && self.compress(&plain, &mut compressed) {
                plain.drop_front();
            } else {
                plain.move_front(&mut compressed);
            }
        }
        conn.state().outbox.put_compressed(compressed);
        true
    }

    /// Compresses the first message of `from`, if it is worth it. It goes out compressed even if it has become larger,
    /// since what follows may refer to it.
    fn compress(&mut self, from: &Queue, to: &mut Queue) -> bool {
        let Some((header, payload)) = from.front() else { return false };
        if !self.outgoing.is_worth(header.len as usize) {
            return false;
        }
        let compressor = self.compressor.get_or_insert_with(|| Compressor::with_context(&self.outgoing));
        let mut out = Vec::with_capacity(header.len as usize / 2);
        compressor.message(payload, &mut out);
        let mut head = [0; MAX_HEADER];
        let size = Header { compressed: true, len: out.len() as u64, ..header }.write(&mut head);
        to.push(&head[..size], &Bytes::from(out));
        true
    }
}
