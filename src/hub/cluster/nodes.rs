//! [`Nodes`]: which other nodes there are, by what was heard of them and when.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::adapter::NodeId;

/// How often the clock is looked at.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// The shortest time between two beats of a node; the longest is half as much again, so that they do not go together.
const BEAT: Duration = Duration::from_secs(2);

/// A node that was not heard of for so long is gone: three beats at least are missing.
const GONE_AFTER: Duration = Duration::from_millis(8_500);

/// Who finds that so much time has passed between two ticks was stopped meanwhile.
const FROZEN_FOR: Duration = Duration::from_secs(4);

/// The other nodes. It has no clock: whoever asks says what time it is.
#[derive(Debug)]
pub(super) struct Nodes {
    heard: BTreeMap<NodeId, Instant>,
    ticked: Instant,
    next_beat: Instant,
    /// Makes the time between beats differ.
    jitter: u64,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Nodes that were not heard of.
    pub(super) gone: Vec<NodeId>,
    /// It is time to be heard of.
    pub(super) beat: bool,
    /// This process was stopped for a while: the others may have given it up, and it has missed what they said.
    pub(super) thawed: bool,
}

impl Nodes {
    pub(super) fn new(own: NodeId, now: Instant) -> Self {
        Self { heard: BTreeMap::new(), ticked: now, next_beat: now, jitter: own.as_u64() | 1 }
    }

    /// A node was heard of; whether for the first time.
    pub(super) fn heard(&mut self, node: NodeId, now: Instant) -> bool {
        self.heard.insert(node, now).is_none()
    }

    /// A node says that it goes; whether it was there.
    pub(super) fn left(&mut self, node: NodeId) -> bool {
        self.heard.remove(&node).is_some()
    }

    pub(super) fn list(&self) -> Vec<NodeId> {
        self.heard.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.heard.len()
    }

    /// What is due, with a link of this node that works or not. While it does not, and while this process was
    /// stopped, silence says nothing about the others: they get their whole time from then on.
    pub(super) fn tick(&mut self, now: Instant, link_works: bool) -> Due {
        let thawed = now.duration_since(self.ticked) >= FROZEN_FOR;
        self.ticked = now;
        if thawed || !link_works {
            self.heard.values_mut().for_each(|heard| *heard = now);
        }
        let silent = |heard: Instant| now.duration_since(heard) >= GONE_AFTER;
        let gone = self.heard.iter().filter(|(_, heard)| silent(**heard)).map(|(node, _)| *node).collect();
        self.heard.retain(|_, heard| !silent(*heard));
        let beat = now >= self.next_beat;
        if beat {
            self.next_beat = now + BEAT + self.some_of(BEAT / 2);
        }
        Due { gone, beat, thawed }
    }

    /// By xorshift.
    fn some_of(&mut self, most: Duration) -> Duration {
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        most.mul_f64((self.jitter >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: NodeId = NodeId::new(1);
    const OTHER: NodeId = NodeId::new(2);

    /// Ticks for so many seconds; when which node was found gone.
    fn pass(nodes: &mut Nodes, now: &mut Instant, seconds: u32, link_works: bool) -> Vec<(Duration, NodeId)> {
        let start = *now;
        let mut gone = Vec::new();
        for _ in 0..seconds * 2 {
            *now += TICK;
            let due = nodes.tick(*now, link_works);
            assert!(!due.thawed);
            gone.extend(due.gone.into_iter().map(|node| (*now - start, node)));
        }
        gone
    }

    #[test]
    fn a_node_that_is_not_heard_of_is_gone_within_ten_seconds_and_once() {
        let mut now = Instant::now();
        let mut nodes = Nodes::new(OWN, now);
        assert!(nodes.heard(OTHER, now));
        assert!(!nodes.heard(OTHER, now));
        let gone = pass(&mut nodes, &mut now, 30, true);
        assert_eq!(gone.len(), 1);
        assert!(gone[0].0 < Duration::from_secs(10) && gone[0].0 > 3 * BEAT, "{gone:?}");
        assert!(nodes.heard(OTHER, now), "it comes back as a new one");
    }

    #[test]
    fn nobody_goes_while_our_own_link_is_down_and_for_a_while_after() {
        let mut now = Instant::now();
        let mut nodes = Nodes::new(OWN, now);
        nodes.heard(OTHER, now);
        assert_eq!(pass(&mut nodes, &mut now, 60, false), []);
        assert_eq!(pass(&mut nodes, &mut now, 8, true), []);
        assert_eq!(pass(&mut nodes, &mut now, 2, true).len(), 1);
    }

    #[test]
    fn who_was_stopped_notices_and_gives_nobody_up_for_it() {
        let mut now = Instant::now();
        let mut nodes = Nodes::new(OWN, now);
        nodes.heard(OTHER, now);
        now += Duration::from_secs(60);
        let due = nodes.tick(now, true);
        assert_eq!(due, Due { gone: Vec::new(), beat: true, thawed: true });
        assert_eq!(pass(&mut nodes, &mut now, 8, true), []);
    }

    #[test]
    fn beats_are_two_to_three_seconds_apart_and_not_the_same() {
        let mut now = Instant::now();
        let mut nodes = Nodes::new(OWN, now);
        let mut beats = Vec::new();
        for _ in 0..20_000 {
            now += Duration::from_millis(10);
            if nodes.tick(now, true).beat {
                beats.push(now);
            }
        }
        let apart: Vec<_> = beats.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let most = BEAT + BEAT / 2 + Duration::from_millis(10);
        assert!(apart.iter().all(|it| (BEAT..=most).contains(it)), "{apart:?}");
        assert!(apart.iter().any(|it| *it != apart[0]));
    }
}
