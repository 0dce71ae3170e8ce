//! [`Rate`]: how much of its rate limit a peer has used. A value: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Quota, RateAction, RateLimit};

/// A limit, and what was used of it.
#[derive(Debug)]
pub(super) struct Rate {
    limit: RateLimit,
    messages: Bucket,
    bytes: Bucket,
    /// Nothing may be read before.
    pub(super) paused: Option<Instant>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    Dropped,
    Closed,
}

impl Rate {
    pub(super) fn new(limit: RateLimit, now: Instant) -> Self {
        Self { limit, messages: Bucket { paid: now }, bytes: Bucket { paid: now }, paused: None }
    }

    /// Another limit, for what comes from here on; what was used stays used.
    pub(super) fn set_limit(&mut self, limit: RateLimit) {
        self.limit = limit;
        self.paused = None;
    }

    /// A message came.
    pub(super) fn message(&mut self, len: usize, now: Instant) -> Verdict {
        match self.limit.action {
            RateAction::Drop if self.free_at() > now => return Verdict::Dropped,
            RateAction::Close if self.free_at() > now => return Verdict::Closed,
            // One that is here already is taken: the next one waits the longer.
            _ => {}
        }
        self.messages.charge(1, self.limit.messages, now);
        if let Some(quota) = self.limit.bytes {
            self.bytes.charge(len as u64, quota, now);
        }
        Verdict::Taken
    }

    /// Until when nothing may be read, if that is what happens.
    fn paused_until(&self, now: Instant) -> Option<Instant> {
        let until = (self.limit.action == RateAction::Pause).then(|| self.free_at())?;
        (until > now).then_some(until)
    }

    /// Pauses if the limit says so and it is wanted; whether it is paused now.
    pub(super) fn pause(&mut self, wanted: bool, now: Instant) -> bool {
        self.paused = if wanted { self.paused_until(now) } else { None };
        self.paused.is_some()
    }

    /// When a message is allowed again.
    fn free_at(&self) -> Instant {
        let messages = self.messages.free_at(self.limit.messages);
        self.limit.bytes.map_or(messages, |quota| messages.max(self.bytes.free_at(quota)))
    }
}

/// A token bucket as the one time at which it will be full again.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    paid: Instant,
}

impl Bucket {
    fn charge(&mut self, units: u64, quota: Quota, now: Instant) {
        let paid = self.paid.max(now);
        // Too far in the future to be told: the limit is then that nothing comes any more, for years.
        self.paid = paid.checked_add(time_for(units, quota)).unwrap_or(paid);
    }

    /// When at least one unit is in it.
    fn free_at(&self, quota: Quota) -> Instant {
        self.paid.checked_sub(time_for(quota.burst - 1, quota)).unwrap_or(self.paid)
    }
}

/// How long it takes to earn so many units.
fn time_for(units: u64, quota: Quota) -> Duration {
    let nanos = u128::from(units) * 1_000_000_000 / u128::from(quota.per_second);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_a_burst_messages_come_at_the_rate_and_a_rest_earns_no_more_than_a_burst() {
        let start = Instant::now();
        let mut rate = Rate::new(RateLimit::new(2).burst(3).action(RateAction::Drop), start);
        let mut taken = |now| (0..10).filter(|_| rate.message(1, now) == Verdict::Taken).count();
        assert_eq!(taken(start), 3);
        assert_eq!(taken(start + SECOND / 4), 0);
        assert_eq!(taken(start + SECOND / 2), 1);
        assert_eq!(taken(start + 3 * SECOND / 2), 2);
        assert_eq!(taken(start + 1000 * SECOND), 3);
    }

    #[test]
    fn a_message_larger_than_what_is_left_is_taken_and_paid_for_later() {
        let start = Instant::now();
        let mut rate = Rate::new(RateLimit::new(1000).bytes(100), start);
        assert_eq!(rate.message(50, start), Verdict::Taken);
        assert_eq!(rate.paused_until(start), None);
        assert_eq!(rate.message(250, start), Verdict::Taken);
        // 300 bytes were used, 100 are free at once, and one has to be there again.
        let until = rate.paused_until(start).expect("a pause");
        assert_eq!(until - start, 2 * SECOND + SECOND / 100);
        assert_eq!(rate.paused_until(until), None);
    }

    #[test]
    fn a_close_is_the_answer_to_the_first_message_too_many() {
        let start = Instant::now();
        let mut rate = Rate::new(RateLimit::new(1).action(RateAction::Close), start);
        assert_eq!(rate.message(1, start), Verdict::Taken);
        assert_eq!(rate.message(1, start), Verdict::Closed);
        assert_eq!(rate.paused_until(start), None);
    }

    #[test]
    fn another_limit_does_not_forget_what_was_used() {
        let start = Instant::now();
        let mut rate = Rate::new(RateLimit::new(10), start);
        for _ in 0..10 {
            rate.message(1, start);
        }
        rate.set_limit(RateLimit::new(10).burst(5).action(RateAction::Close));
        assert_eq!(rate.message(1, start), Verdict::Closed);
    }
}
