//! [`Ends`]: where logs ended when they were last heard of, so that one that lost entries is noticed.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::adapter::{Position, Retention};

/// Of so many rooms it is remembered; of all it is forgotten when there are more.
const ROOMS: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Ends(Mutex<HashMap<Box<str>, Known>>);

/// What was last heard of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) top: Position,
    pub(super) retention: Retention,
}

impl Ends {
    pub(super) fn get(&self, room: &str) -> Option<Known> {
        self.0.lock().get(room).copied()
    }

    /// A log that is known goes up to here, at least.
    pub(super) fn heard(&self, room: &str, position: Position) {
        if let Some(Known { top, .. }) = self.0.lock().get_mut(room)
            && top.epoch == position.epoch
        {
            top.offset = top.offset.max(position.offset);
        }
    }

    pub(super) fn learn(&self, room: &str, top: Position, retention: Retention) {
        let mut all = self.0.lock();
        if all.len() >= ROOMS && !all.contains_key(room) {
            all.clear();
        }
        let known = all.entry(room.into()).or_insert(Known { top, retention });
        known.retention = retention;
        // What was heard of meanwhile may be newer.
        if known.top.epoch != top.epoch || known.top.offset < top.offset {
            known.top = top;
        }
    }

    pub(super) fn forget(&self, room: &str) {
        self.0.lock().remove(room);
    }
}

impl Known {
    /// Whether a log that ends here now, and was known before it was asked, has lost entries.
    pub(super) fn has_lost_some(&self, now: Position) -> bool {
        self.top.epoch == now.epoch && now.offset < self.top.offset
    }
}
