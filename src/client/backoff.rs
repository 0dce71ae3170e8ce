//! [`Backoff`]: how long to wait before the next attempt to connect.

use std::time::Duration;

use crate::random::random;

/// No wait is shorter, whatever anybody says.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Longer windows of a server are cut to this: what it says once may not keep a client away for good.
const LONGEST_WINDOW: Duration = Duration::from_secs(600);

/// Full jitter: a wait is any time between 100 ms and the bound. A fixed part would keep together the clients of a
/// server that has just died.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The wait after a failure.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures += 1;
        spread(doubled.min(self.longest))
    }

    /// The wait that a server asked for when it went down, which counts as no failure.
    pub(super) fn within(&self, window: Duration) -> Duration {
        spread(window.min(LONGEST_WINDOW))
    }

    /// The wait after a refusal that says when to come back: then, and not all clients at once.
    pub(super) fn after(&mut self, pause: Duration) -> Duration {
        pause.min(LONGEST_WINDOW) + self.next()
    }

    /// A connection has lasted.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

fn spread(bound: Duration) -> Duration {
    SHORTEST_WAIT + bound.saturating_sub(SHORTEST_WAIT).mul_f64(chance())
}

/// Any number from 0 to 1.
fn chance() -> f64 {
    f64::from(random() as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_bound_doubles_up_to_the_longest_and_begins_anew_after_a_connection_that_lasted() {
        let mut backoff = Backoff::new(SECOND, 30 * SECOND);
        for bound in [1, 2, 4, 8, 16, 30, 30] {
            let wait = backoff.next();
            assert!((SHORTEST_WAIT..=bound * SECOND).contains(&wait), "{wait:?} of {bound} s");
        }
        backoff.failures = u32::MAX - 1;
        assert!(backoff.next() <= 30 * SECOND);
        backoff.reset();
        assert!(backoff.next() <= SECOND);
    }

    #[test]
    fn waits_are_spread_over_the_whole_window() {
        let backoff = Backoff::new(SECOND, SECOND);
        let waits: Vec<_> = (0..200).map(|_| backoff.within(10 * SECOND)).collect();
        assert!(waits.iter().any(|wait| *wait < 2 * SECOND) && waits.iter().any(|wait| *wait > 8 * SECOND));
        assert!(waits.iter().all(|wait| (SHORTEST_WAIT..=10 * SECOND).contains(wait)));
        assert!(backoff.within(Duration::MAX) <= LONGEST_WINDOW);
    }
}
