//! [`Position`], and the follower of one room's log. No I/O, no clock.

use serde::{Deserialize, Serialize};

use super::frame::Frame;

/// Where a client stands in the log of a room. May be kept, and named at a later join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which life of the log, as the server names it.
    pub epoch: String,
    /// The number of the last message that the client got; 0 before the first.
    pub offset: u64,
}

/// What to do with a frame of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Hand it on.
    Next,
    /// Forget it.
    Duplicate,
    /// Have what is missing before it sent again.
    Hole,
}

/// Follows the log of one room, so that the application gets each message once and in order.
#[derive(Debug, Default)]
pub(super) struct Follower {
    epoch: Option<String>,
    /// The offset of the last message that was handed on; none as long as the latest ones, asked for, did not come.
    offset: Option<u64>,
    /// Where the log stood when the latest ones were asked for.
    top: u64,
}

impl Follower {
    /// What the client can name when it joins again.
    pub(super) fn position(&self) -> Option<Position> {
        Some(Position { epoch: self.epoch.clone()?, offset: self.offset? })
    }

    /// What comes next follows `position`. A room without a history has none, and nothing to follow.
    pub(super) fn move_to(&mut self, position: Option<Position>) {
        self.top = position.as_ref().map_or(0, |position| position.offset);
        self.offset = position.as_ref().map(|position| position.offset);
        self.epoch = position.map(|position| position.epoch);
    }

    /// What comes next are the latest messages up to `position`, and then those after it.
    pub(super) fn replay(&mut self, position: Option<Position>) {
        self.move_to(position);
        self.offset = None;
    }

    /// Looks at a frame, and counts it if it is the next one. A frame without an offset always is.
    pub(super) fn judge(&mut self, frame: &Frame) -> Verdict {
        self.step(frame.offset(), frame.prev())
    }

    fn step(&mut self, offset: Option<u64>, prev: Option<u64>) -> Verdict {
        let (Some(offset), Some(_)) = (offset, &self.epoch) else { return Verdict::Next };
        let before = prev.unwrap_or(offset.saturating_sub(1));
        // The first of the latest messages may have any number up to where the log stood.
        let held = self.offset.unwrap_or(if offset > self.top { self.top } else { before });
        if offset <= held {
            return Verdict::Duplicate;
        }
        if before > held {
            return Verdict::Hole;
        }
        self.offset = Some(offset);
        Verdict::Next
    }
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};

    fn at(offset: u64) -> Option<Position> {
        Some(Position { epoch: "e".into(), offset })
    }

    #[test]
    fn each_message_is_handed_on_once_and_in_order() {
        let mut follower = Follower::default();
        follower.move_to(at(3));
        let steps = [
            (4, None, Next),
            (4, None, Duplicate),
            (6, None, Hole),
            (6, Some(4), Next),
            (0, None, Duplicate),
        ];
        for (offset, prev, verdict) in steps {
            assert_eq!(follower.step(Some(offset), prev), verdict, "{offset}");
        }
        assert_eq!(follower.position(), at(6));
        assert_eq!(follower.step(None, None), Next);
    }

    #[test]
    fn the_latest_messages_begin_anywhere_up_to_where_the_log_stood() {
        let mut follower = Follower::default();
        follower.replay(at(10));
        assert_eq!(follower.position(), None);
        assert_eq!(follower.step(Some(8), None), Next);
        assert_eq!(follower.step(Some(10), None), Hole);
        follower.replay(at(10));
        assert_eq!(follower.step(Some(12), None), Hole, "11 is missing, which is newer than the reply");
    }
}
