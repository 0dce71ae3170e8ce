//! [`Findings`]: what a run has come to.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use super::{Line, Outcome, What};

#[derive(Debug, Default)]
pub struct Findings {
    /// What broke which rule.
    pub broken: Vec<String>,
    /// Faults, by kind.
    pub faults: BTreeMap<String, usize>,
    /// Messages, by what their publishers know in the end.
    pub published: usize,
    pub accepted: usize,
    pub unknown: usize,
    pub rejected: usize,
    /// How often an answer was lost, and the message was sent again.
    pub unanswered: usize,
    /// What all subscribers got together.
    pub received: usize,
    /// Accepted messages that the final log does not have, and which those who did not get them were told.
    pub lost_and_declared: usize,
    /// The same, but that somebody was not told.
    pub lost_silently: usize,
    /// How often somebody was told `recovered: true`, and `false`, by reason.
    pub recovered: usize,
    pub not_recovered: BTreeMap<String, usize>,
    /// How often a connection entered a room, and somebody was told of another.
    pub entered: usize,
    pub told: usize,
}

impl Findings {
    /// What is counted, without any rule.
    pub(super) fn count(lines: &[Line]) -> Self {
        let mut it = Self::default();
        let mut outcomes: HashMap<&str, Option<&Outcome>> = HashMap::new();
        for line in lines {
            match &line.what {
                What::Fault { fault } => *it.faults.entry(fault.clone()).or_default() += 1,
                What::Sent { id, .. } => drop(outcomes.entry(id).or_default()),
                What::Answered { id, outcome, .. } => {
                    it.unanswered += usize::from(*outcome == Outcome::Unknown);
                    outcomes.insert(id, Some(outcome));
                }
                What::Received { .. } => it.received += 1,
                What::Joined { asked: Some(_), lost: None, .. } => it.recovered += 1,
                What::Joined { lost: Some(why), .. } | What::Lost { why, .. } => {
                    *it.not_recovered.entry(why.clone()).or_default() += 1;
                }
                What::Entered { .. } => it.entered += 1,
                What::Online { .. } => it.told += 1,
                _ => {}
            }
        }
        it.published = outcomes.len();
        for outcome in outcomes.into_values() {
            match outcome {
                Some(Outcome::Accepted(_)) => it.accepted += 1,
                Some(Outcome::Rejected) => it.rejected += 1,
                Some(Outcome::Unknown) | None => it.unknown += 1,
            }
        }
        it
    }

    pub(super) fn breaks(&mut self, rule: &str, what: impl fmt::Display) {
        self.broken.push(format!("{rule}: {what}"));
    }

    /// Whether a rule is among the broken ones.
    pub fn breaks_rule(&self, rule: &str) -> bool {
        self.broken.iter().any(|broken| broken.starts_with(&format!("{rule}:")))
    }

    /// Those of several runs.
    pub fn add(&mut self, other: Self) {
        let add = |sum: &mut BTreeMap<String, usize>, map: BTreeMap<String, usize>| {
            for (name, count) in map {
                *sum.entry(name).or_default() += count;
            }
        };
        add(&mut self.faults, other.faults);
        add(&mut self.not_recovered, other.not_recovered);
        self.broken.extend(other.broken);
        self.published += other.published;
        self.accepted += other.accepted;
        self.unknown += other.unknown;
        self.rejected += other.rejected;
        self.unanswered += other.unanswered;
        self.received += other.received;
        self.lost_and_declared += other.lost_and_declared;
        self.lost_silently += other.lost_silently;
        self.recovered += other.recovered;
        self.entered += other.entered;
        self.told += other.told;
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |map: &BTreeMap<String, usize>| {
            let all: Vec<_> = map.iter().map(|(name, count)| format!("{name} {count}")).collect();
            all.join(", ")
        };
        writeln!(f, "faults             {}: {}", self.faults.values().sum::<usize>(), list(&self.faults))?;
        writeln!(
            f,
            "published          {}: accepted {}, unknown {}, rejected {}; sent again without an answer {}",
            self.published, self.accepted, self.unknown, self.rejected, self.unanswered
        )?;
        writeln!(f, "received           {}", self.received)?;
        writeln!(f, "recovered          true {}, false: {}", self.recovered, list(&self.not_recovered))?;
        writeln!(f, "lost and declared  {}", self.lost_and_declared)?;
        writeln!(f, "lost silently      {}", self.lost_silently)?;
        writeln!(f, "presence           {} entered, {} times told", self.entered, self.told)?;
        write!(f, "rule violations    {}", self.broken.len())
    }
}
