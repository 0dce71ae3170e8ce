//! When to try again.

use std::time::Duration;

use tokio::time::sleep;

/// How long to wait before the next attempt: longer each time, and never the same, so that the nodes of a cluster do
/// not all come at once.
#[derive(Debug, Default)]
pub(in crate::adapter) struct Backoff(u32);

impl Backoff {
    /// At most half a second: a server that is back should have all subscriptions within two.
    const LONGEST: Duration = Duration::from_millis(500);

    pub(in crate::adapter) fn reset(&mut self) {
        self.0 = 0;
    }

    /// Whether nothing failed since the last success.
    pub(in crate::adapter) fn is_first(&self) -> bool {
        self.0 == 0
    }

    pub(in crate::adapter) async fn wait(&mut self) {
        let longest = Duration::from_millis(25 << self.0.min(5)).min(Self::LONGEST);
        self.0 += 1;
        let mut random = [0; 2];
        // Without random numbers all wait the longest time.
        let share = getrandom::fill(&mut random).map_or(u16::MAX, |()| u16::from_le_bytes(random));
        sleep(longest.mul_f64(0.5 + f64::from(share) / f64::from(u16::MAX) / 2.0)).await;
    }
}
