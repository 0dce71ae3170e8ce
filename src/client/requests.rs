//! [`Requests`]: what was sent and waits for its answer.

use std::{collections::HashMap, sync::Arc};

use super::{error::CommandError, frame::Frame, outbox::Answer};

/// Who waits.
#[derive(Debug)]
pub(super) enum Asked {
    Caller(Answer),
    /// This room, which is to be joined.
    Room(Arc<str>),
}

/// Requests that were sent on the present connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: HashMap<u64, Asked>,
    /// How many may be there before it is looked for callers who have gone.
    sweep: usize,
}

impl Requests {
    pub(super) fn insert(&mut self, id: u64, asked: Asked) {
        if self.waiting.len() >= self.sweep {
            self.waiting.retain(|_, asked| !matches!(asked, Asked::Caller(caller) if caller.is_closed()));
            self.sweep = 64 + 2 * self.waiting.len();
        }
        self.waiting.insert(id, asked);
    }

    /// Who waits for this answer, if anybody still does.
    pub(super) fn take(&mut self, id: u64) -> Option<Asked> {
        self.waiting.remove(&id)
    }

    /// The connection has ended: nothing of it will be answered.
    pub(super) fn disconnected(&mut self) {
        for (_, asked) in self.waiting.drain() {
            // Rooms are joined again on the next connection.
            if let Asked::Caller(caller) = asked {
                drop(caller.send(Err(CommandError::Disconnected)));
            }
        }
    }
}

/// Gives an answer to who asked.
pub(super) fn settle(caller: Answer, answer: Result<Frame, CommandError>) {
    // Who asked may have gone.
    drop(caller.send(answer));
}
