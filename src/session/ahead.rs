//! [`Ahead`]: what was read while a callback was busy.

use std::{collections::VecDeque, time::Duration};

use crate::protocol::message::Message;

/// What a message that is read ahead counts for, beside its payload.
const MESSAGE_OVERHEAD: usize = 64;

/// What the connector is to be told next.
pub(super) enum Next {
    Open,
    Message(Message),
    Pong(Duration),
    Over,
}

/// What waits for the callback to return. Boxed, since mostly nothing does.
#[derive(Default)]
pub(super) struct Ahead(Option<Box<Waiting>>);

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Next>,
    /// Bytes, each message counted with its overhead.
    size: usize,
}

impl Ahead {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes, each message counted with its overhead.
    pub(super) fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.size)
    }

    pub(super) fn push(&mut self, next: Next) {
        let waiting = self.0.get_or_insert_default();
        waiting.size += size(&next);
        waiting.queue.push_back(next);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Next> {
        if self.0.is_none() { None } else { self.pop_front() }
    }

    fn pop_front(&mut self) -> Option<Next> {
        let waiting = self.0.as_mut()?;
        let next = waiting.queue.pop_front()?;
        waiting.size -= size(&next);
        if waiting.queue.is_empty() {
            self.0 = None;
        }
        Some(next)
    }

    /// How many messages were thrown away.
    pub(super) fn clear(&mut self) -> u64 {
        let thrown = self.0.take().map_or_else(VecDeque::new, |waiting| waiting.queue);
        thrown.iter().filter(|next| matches!(next, Next::Message(_))).count() as u64
    }
}

fn size(next: &Next) -> usize {
    let payload = if let Next::Message(message) = next { message.len() } else { 0 };
    payload + MESSAGE_OVERHEAD
}
