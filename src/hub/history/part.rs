//! [`Part`]: a part of a log that was read, and what can be told from it.

use crate::adapter::{Position, ReadFrom};

use super::Lost;

/// What a read has given.
pub(super) struct Part<E> {
    pub(super) asked: ReadFrom,
    /// More were not asked for.
    pub(super) max: usize,
    pub(super) top: Position,
    /// Up to the top.
    pub(super) entries: Result<Vec<(u64, E)>, Lost>,
}

/// What is known about what somebody missed.
pub(super) enum Known<E> {
    /// These entries, up to the top.
    All(Vec<(u64, E)>),
    /// They cannot be had.
    Lost(Lost),
    /// This read does not tell.
    Unsure,
}

impl<E: Clone> Part<E> {
    /// What comes after a position, which is not beyond the top.
    pub(super) fn after(&self, position: Position) -> Known<E> {
        let same_epoch = |asked: Position| asked.epoch == self.top.epoch;
        match (&self.entries, self.asked) {
            _ if position.epoch != self.top.epoch => Known::Lost(Lost::Epoch),
            (Ok(entries), ReadFrom::After(asked)) if position.offset >= asked.offset => {
                Known::All(later(entries, position.offset))
            }
            // Beyond the top: that says nothing about those below.
            (Err(Lost::Epoch), ReadFrom::After(asked)) if position != asked => Known::Unsure,
            (Err(lost), ReadFrom::After(asked)) if same_epoch(asked) && position.offset <= asked.offset => {
                Known::Lost(*lost)
            }
            (Ok(entries), ReadFrom::Last(count)) => {
                let before = entries.first().map_or(self.top.offset, |(offset, _)| offset - 1);
                if position.offset >= before {
                    Known::All(later(entries, position.offset))
                } else if entries.len() < count.min(self.max) {
                    Known::Lost(Lost::Trimmed)
                } else if count >= self.max {
                    Known::Lost(Lost::Limit)
                } else {
                    Known::Unsure
                }
            }
            _ => Known::Unsure,
        }
    }

    /// The last so many, or all there are.
    pub(super) fn last(&self, count: usize) -> Known<E> {
        match (&self.entries, self.asked) {
            (Ok(entries), ReadFrom::Last(asked)) if asked >= count => Known::All(newest(entries, count)),
            (Ok(entries), _) if entries.len() >= count => Known::All(newest(entries, count)),
            _ => Known::Unsure,
        }
    }
}

fn later<E: Clone>(entries: &[(u64, E)], offset: u64) -> Vec<(u64, E)> {
    entries.iter().filter(|(it, _)| *it > offset).cloned().collect()
}

fn newest<E: Clone>(entries: &[(u64, E)], count: usize) -> Vec<(u64, E)> {
    entries[entries.len().saturating_sub(count)..].to_vec()
}
