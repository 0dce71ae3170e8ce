//! [`Keepalive`]: when to ping, and when a peer is dead. A value: time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::ConnConfig;

/// What one connection knows about its peer being alive.
#[derive(Debug)]
pub(crate) struct Keepalive {
    heard: Instant,
    pinged: Instant,
    /// The last ping's payload is its number, so that no other pong is taken for its answer.
    number: u32,
    unanswered: bool,
}

/// What the time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl Keepalive {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard: now, pinged: now, number: 0, unanswered: false }
    }

    /// Some byte came from the peer, or nobody listened.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When [`due`](Self::due) has to be asked next.
    pub(crate) fn deadline(&self, config: &ConnConfig) -> Option<Instant> {
        let ping = config.ping_interval.and_then(|interval| self.pinged.checked_add(interval));
        let dead = config.pong_timeout.and_then(|timeout| self.heard.checked_add(timeout));
        match (ping, dead) {
            (Some(ping), Some(dead)) => Some(ping.min(dead)),
            (ping, dead) => ping.or(dead),
        }
    }

    pub(crate) fn due(&self, now: Instant, config: &ConnConfig) -> Due {
        let passed = |since: Instant, period: Option<Duration>| {
            period.is_some_and(|period| now.saturating_duration_since(since) >= period)
        };
        if passed(self.heard, config.pong_timeout) {
            Due::Dead
        } else if passed(self.pinged, config.ping_interval) {
            Due::Ping
        } else {
            Due::Nothing
        }
    }

    /// The payload of a new ping.
    pub(crate) fn ping(&mut self, now: Instant) -> [u8; 8] {
        self.pinged = now;
        self.number = self.number.wrapping_add(1);
        self.unanswered = true;
        self.payload()
    }

    fn payload(&self) -> [u8; 8] {
        u64::from(self.number).to_be_bytes()
    }

    /// The round-trip time, if this answers the last ping. A pong that nobody asked for is allowed (§5.5.3), and
    /// says nothing.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        if self.unanswered && payload == self.payload() {
            self.unanswered = false;
            return Some(now.saturating_duration_since(self.pinged));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn config(ping: Option<u32>, pong: Option<u32>) -> ConnConfig {
        let period = |seconds: Option<u32>| seconds.map(|seconds| SECOND * seconds);
        ConnConfig { ping_interval: period(ping), pong_timeout: period(pong), ..ConnConfig::default() }
    }

    #[test]
    fn a_ping_is_due_at_the_interval_and_death_at_the_timeout() {
        let start = Instant::now();
        let config = config(Some(30), Some(60));
        let mut keepalive = Keepalive::new(start);
        assert_eq!(keepalive.deadline(&config), Some(start + 30 * SECOND));
        assert_eq!(keepalive.due(start + 29 * SECOND, &config), Due::Nothing);
        assert_eq!(keepalive.due(start + 30 * SECOND, &config), Due::Ping);
        keepalive.ping(start + 30 * SECOND);
        assert_eq!(keepalive.due(start + 59 * SECOND, &config), Due::Nothing);
        assert_eq!(keepalive.due(start + 60 * SECOND, &config), Due::Dead);
        keepalive.heard(start + 59 * SECOND);
        assert_eq!(keepalive.due(start + 60 * SECOND, &config), Due::Ping);
    }

    #[test]
    fn nothing_is_ever_due_with_both_timers_off() {
        let start = Instant::now();
        let config = config(None, None);
        let keepalive = Keepalive::new(start);
        assert_eq!(keepalive.deadline(&config), None);
        assert_eq!(keepalive.due(start + 1_000_000 * SECOND, &config), Due::Nothing);
    }

    #[test]
    fn only_the_answer_to_the_last_ping_tells_a_round_trip_and_only_once() {
        let start = Instant::now();
        let mut keepalive = Keepalive::new(start);
        let zero = 0_u64.to_be_bytes();
        assert_eq!(keepalive.pong(&zero, start), None, "no ping was sent");
        let first = keepalive.ping(start);
        let second = keepalive.ping(start + SECOND);
        assert_eq!(keepalive.pong(&first, start + 2 * SECOND), None);
        assert_eq!(keepalive.pong(&second, start + 3 * SECOND), Some(2 * SECOND));
        assert_eq!(keepalive.pong(&second, start + 4 * SECOND), None);
    }
}
