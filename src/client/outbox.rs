//! What waits for a connection, in order and within limits.

use std::{collections::VecDeque, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use crate::protocol::message::Message;

use super::{error::CommandError, frame::Frame};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendResult {
    /// An open connection has taken it, which is not yet delivered.
    Sent,
    /// The outbox was full, or the client closed.
    Dropped,
    /// There was no connection in time.
    Expired,
}

/// Who wants to know what becomes of a message.
#[derive(Debug)]
pub(super) enum Settle {
    Sender(oneshot::Sender<SendResult>),
    /// The caller of a request, who waits for the answer with this id.
    Caller(u64, Answer),
}

/// The way to who waits for an answer.
pub(super) type Answer = oneshot::Sender<Result<Frame, CommandError>>;

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) message: Message,
    pub(super) expires: Instant,
    pub(super) settle: Settle,
}

#[derive(Debug)]
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Outbox {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { waiting: VecDeque::new(), bytes: 0, max_messages, max_bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Queues a message; the oldest ones are dropped where there is no room.
    pub(super) fn push(&mut self, waiting: Waiting) {
        let len = waiting.message.len();
        if len > self.max_bytes || self.max_messages == 0 {
            return waiting.settle.not_sent(SendResult::Dropped);
        }
        while self.waiting.len() >= self.max_messages || self.bytes + len > self.max_bytes {
            let Some(oldest) = self.take() else { break };
            oldest.settle.not_sent(SendResult::Dropped);
        }
        self.bytes += len;
        self.waiting.push_back(waiting);
    }

    /// The oldest message that somebody still wants to be sent.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        loop {
            let waiting = self.take()?;
            if !waiting.settle.is_given_up() {
                return Some(waiting);
            }
        }
    }

    fn take(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.message.len();
        Some(waiting)
    }

    /// When the first message expires.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.expires).min()
    }

    /// Drops what has expired.
    pub(super) fn expire(&mut self, now: Instant) {
        let all = self.waiting.len();
        for _ in 0..all {
            let Some(waiting) = self.take() else { return };
            if waiting.expires <= now {
                waiting.settle.not_sent(SendResult::Expired);
            } else {
                self.bytes += waiting.message.len();
                self.waiting.push_back(waiting);
            }
        }
    }

    /// Drops all that waits.
    pub(super) fn clear(&mut self) {
        while let Some(waiting) = self.take() {
            waiting.settle.not_sent(SendResult::Dropped);
        }
    }
}

impl Settle {
    fn not_sent(self, result: SendResult) {
        // Who asked may have gone.
        match self {
            Self::Sender(sender) => drop(sender.send(result)),
            Self::Caller(_, caller) => {
                let error =
                    if result == SendResult::Expired { CommandError::Timeout } else { CommandError::Dropped };
                drop(caller.send(Err(error)));
            }
        }
    }

    /// A request whose caller has gone before it was sent need not be sent. A message is.
    fn is_given_up(&self) -> bool {
        matches!(self, Self::Caller(_, caller) if caller.is_closed())
    }
}

/// When something that may wait for `time` is over; far away where there is no such instant.
pub(super) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400 * 365))
}
