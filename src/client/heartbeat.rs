//! [`Heartbeat`]: whether the server is dead. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// Listens for silence on one connection. Any frame is a sign of life, and the server's pings are some.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    heard: Instant,
    asked: bool,
}

/// What is to be done now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing: it was heard lately.
    Wait,
    /// Ask for a sign of life, by a ping frame (§5.5.2).
    Ask,
    /// Give the connection up.
    Dead,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        Self { interval, timeout, heard: now, asked: false }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = false;
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Instant {
        let asked = self.heard + self.interval;
        if self.asked { asked + self.timeout } else { asked }
    }

    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        if now < self.deadline() {
            return Beat::Wait;
        }
        if self.asked {
            return Beat::Dead;
        }
        // A machine that slept has been silent for long; the server gets its whole time all the same.
        self.heard = now - self.interval;
        self.asked = true;
        Beat::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_asked_about_once_and_then_is_death() {
        let start = Instant::now() + 100 * SECOND;
        let mut heart = Heartbeat::new(25 * SECOND, 20 * SECOND, start);
        assert_eq!(heart.beat(start + 24 * SECOND), Beat::Wait);
        assert_eq!(heart.beat(start + 25 * SECOND), Beat::Ask);
        assert_eq!(heart.beat(start + 44 * SECOND), Beat::Wait);
        assert_eq!(heart.beat(start + 45 * SECOND), Beat::Dead);
        heart.heard(start + 45 * SECOND);
        assert_eq!(heart.deadline(), start + 70 * SECOND);
    }

    #[test]
    fn after_the_machine_slept_the_server_gets_its_time() {
        let start = Instant::now() + 100 * SECOND;
        let mut heart = Heartbeat::new(25 * SECOND, 20 * SECOND, start);
        let woken = start + 3_600 * SECOND;
        assert_eq!(heart.beat(woken), Beat::Ask);
        assert_eq!(heart.deadline(), woken + 20 * SECOND);
    }
}
