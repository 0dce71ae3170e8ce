//! The checker of what gustnado promises about rooms with history.
//!
//! Publishers, subscribers and whoever makes the faults write down what they did and saw, a [`Line`] each; [`check`]
//! holds the rules over all lines of a run. The [`workload`] writes such lines, over whatever can be dialed: hubs in
//! this process under virtual time, or processes on several machines.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

mod line;
mod presence;
mod rules;
mod segment;
pub mod workload;

pub use line::{Line, Outcome, Position, Sink, What};

/// What a run has come to.
#[derive(Debug, Default)]
pub struct Findings {
    /// What broke which rule.
    pub broken: Vec<String>,
    pub accepted: usize,
    pub received: usize,
    /// Accepted messages that the final log does not have, and which those who did not get them were told.
    pub lost_and_declared: usize,
    /// The same, but that somebody was not told.
    pub lost_silently: usize,
    /// How often somebody was told `recovered: true`, and `false`.
    pub recovered: usize,
    pub not_recovered: usize,
}

impl Findings {
    fn breaks(&mut self, rule: &str, what: impl std::fmt::Display) {
        self.broken.push(format!("{rule}: {what}"));
    }

    /// Whether a rule is among the broken ones.
    pub fn breaks_rule(&self, rule: &str) -> bool {
        self.broken.iter().any(|broken| broken.starts_with(&format!("{rule}:")))
    }
}

/// Holds every rule over the lines of a run.
pub fn check(lines: &[Line]) -> Findings {
    let mut findings = Findings::default();
    rules::check(lines, &mut findings);
    presence::check(lines, &mut findings);
    findings
}
