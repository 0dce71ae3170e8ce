//! [`Ahead`]: what was read while a callback was busy.

use std::{collections::VecDeque, time::Duration};

use crate::protocol::message::Message;

/// What a message that is read ahead counts for, beside its payload.
const MESSAGE_OVERHEAD: usize = 64;

/// What the connector is to be told next.
pub(super) enum Next {
    Message(Message),
    Pong(Duration),
    Over,
}

/// What waits for the callback to return.
#[derive(Default)]
pub(super) struct Ahead {
    queue: VecDeque<Next>,
    /// Bytes, each message counted with its overhead.
    pub(super) size: usize,
}

impl Ahead {
    pub(super) fn push(&mut self, next: Next) {
        let payload = if let Next::Message(message) = &next { message.len() } else { 0 };
        self.size += payload + MESSAGE_OVERHEAD;
        self.queue.push_back(next);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Next> {
        if self.size == 0 { None } else { self.pop_front() }
    }

    fn pop_front(&mut self) -> Option<Next> {
        let next = self.queue.pop_front()?;
        let payload = if let Next::Message(message) = &next { message.len() } else { 0 };
        self.size -= payload + MESSAGE_OVERHEAD;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        Some(next)
    }

    /// How many messages were thrown away.
    pub(super) fn clear(&mut self) -> u64 {
        let messages = self.queue.iter().filter(|next| matches!(next, Next::Message(_))).count();
        *self = Self::default();
        messages as u64
    }
}
