//! The checker of what gustnado promises about rooms with history, and about who is in a room.
//!
//! Publishers, subscribers and whoever makes the faults write down what they did and saw, a [`Line`] each; [`check`]
//! holds the rules over all lines of a run. A [`schedule`] makes such a run of [clients](workload) and faults, over
//! whatever is a [`Site`](schedule::Site): hubs in this process under virtual time, or processes and a real engine.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

mod findings;
mod line;
mod losses;
mod presence;
mod rules;
pub mod schedule;
mod segment;
pub mod workload;

pub use findings::Findings;
pub use line::{Line, Outcome, Position, Sink, What};

/// Holds every rule over the lines of a run.
pub fn check(lines: &[Line]) -> Findings {
    let mut findings = Findings::count(lines);
    rules::check(lines, &mut findings);
    losses::check(lines, &mut findings);
    presence::check(lines, &mut findings);
    findings
}
