//! What adapters of engines have in common: a queue, a voice, and patience.

mod outgoing;
mod owned;
mod payload;
mod retry;
mod voice;

pub(super) use self::{
    outgoing::{Counts, Outgoing},
    owned::Owned,
    payload::Payload,
    retry::Backoff,
    voice::{ShardId, Voice},
};
