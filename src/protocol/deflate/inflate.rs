//! The content of a compressed message (RFC 7692 §7.2.2).

use std::cell::RefCell;

use bytes::BytesMut;
use flate2::{Decompress, FlushDecompress, Status};

use super::{Agreed, TAIL};
use crate::protocol::error::ProtocolError;

/// How much is inflated before it is looked at.
const STEP: usize = 16 * 1024;

/// What an inflater holds, whatever its window; `tests/memory` holds the figure.
pub(super) const MEMORY: usize = 48 * 1024;

thread_local! {
    static WORKER: RefCell<Worker> = const { RefCell::new(Worker { idle: None, out: Vec::new() }) };
}

/// What a thread lends to connections.
struct Worker {
    /// One that inflates no message now.
    idle: Option<Box<Decompress>>,
    /// Room for a step.
    out: Vec<u8>,
}

/// Inflates the messages of one connection.
#[derive(Debug)]
pub(crate) struct Inflater {
    takeover: bool,
    /// There while a compressed message is being received; with context takeover, from the first one on.
    stream: Option<Box<Decompress>>,
    /// A final block has ended where its piece did.
    ended: bool,
}

impl Inflater {
    pub(crate) fn new(agreed: &Agreed) -> Self {
        Self { takeover: agreed.client_takeover, stream: None, ended: false }
    }

    /// Appends what the next piece of a message holds to `content`, which grows to `limit` bytes at most.
    pub(crate) fn push(
        &mut self,
        mut piece: &[u8],
        limit: usize,
        content: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        WORKER.with_borrow_mut(|Worker { idle, out }| {
            let stream = self
                .stream
                .get_or_insert_with(|| idle.take().unwrap_or_else(|| Box::new(Decompress::new(false))));
            loop {
                if self.ended && !piece.is_empty() {
                    // §7.2.3.4: a final block may be followed by others, from the next byte on. They know
                    // nothing of what was before: this is where the sender's compressor has begun anew, too.
                    stream.reset(false);
                    self.ended = false;
                }
                out.clear();
                out.reserve(STEP);
                let before = stream.total_in();
                let status = stream.decompress_vec(piece, out, FlushDecompress::None);
                let status = status.map_err(|_| ProtocolError::InvalidDeflate)?;
                let taken = (stream.total_in() - before) as usize;
                piece = &piece[taken..];
                self.ended |= status == Status::StreamEnd;
                if out.len() > limit.saturating_sub(content.len()) {
                    return Err(ProtocolError::MessageTooBig { limit });
                }
                grow(content, out.len(), limit);
                content.extend_from_slice(out);
                let more = !piece.is_empty() || out.len() == out.capacity();
                if !more || taken == 0 && out.is_empty() && !self.ended {
                    return Ok(());
                }
            }
        })
    }

    /// Ends a message.
    pub(crate) fn finish(&mut self, limit: usize, content: &mut BytesMut) -> Result<(), ProtocolError> {
        // A message that ends with a final block lacks the empty block whose tail was taken off. It should not, but
        // there is no doubt about what is meant.
        if !self.ended {
            self.push(&TAIL, limit, content)?;
        }
        if !self.takeover
            && let Some(mut stream) = self.stream.take()
        {
            self.ended = false;
            stream.reset(false);
            WORKER.with_borrow_mut(|worker| worker.idle = Some(stream));
        }
        Ok(())
    }
}

/// Makes room: just enough for a message of one step, and then twice as much each time, but no more than may be
/// needed.
fn grow(content: &mut BytesMut, more: usize, limit: usize) {
    if content.capacity() - content.len() < more {
        let wanted = content.len().max(more).min(limit - content.len());
        content.reserve(wanted);
    }
}
