//! L11: a loss is told only for a reason that is true.

use std::collections::HashMap;

use super::{Findings, Line, Position, What};

/// How long after a fault its traces may be seen.
const AFTER_FAULT: u64 = 10_000;

pub fn check(lines: &[Line], findings: &mut Findings) {
    let (mut kept, mut age, mut recover_max) = (u64::MAX, u64::MAX, u64::MAX);
    let mut log_faults = 0;
    let mut last_fault = None;
    let mut healed = true;
    // Where each subscriber was, as far as it knew.
    let mut at: HashMap<(&str, &str), (u64, Position)> = HashMap::new();
    for line in lines {
        let who = line.who.as_str();
        let (room, why, position) = match &line.what {
            What::Run { kept: k, age: a, recover_max: r, .. } => {
                (kept, age, recover_max) = (*k, *a, *r);
                continue;
            }
            What::Fault { fault } => {
                log_faults += u64::from(fault.starts_with("log"));
                (last_fault, healed) = (Some(line.at), false);
                continue;
            }
            What::Healed => {
                (last_fault, healed) = (Some(line.at), true);
                continue;
            }
            What::Received { room, position, .. } => {
                at.insert((who, room), (line.at, position.clone()));
                continue;
            }
            What::Joined { room, asked, lost, position } => match (asked, lost) {
                (Some(asked), None) => {
                    at.entry((who, room)).or_insert((line.at, asked.clone()));
                    continue;
                }
                (_, Some(why)) => (room, why, position.as_ref()),
                (None, None) => {
                    if let Some(position) = position {
                        at.insert((who, room), (line.at, position.clone()));
                    }
                    continue;
                }
            },
            What::Lost { room, why, position } => (room, why, Some(position)),
            _ => continue,
        };
        let before = at.get(&(who, room.as_str())).cloned();
        let missed = match (&before, position) {
            (Some((_, before)), Some(now)) if before.epoch == now.epoch => {
                now.offset.saturating_sub(before.offset)
            }
            _ => 0,
        };
        let old = before.as_ref().is_some_and(|(at, _)| line.at - at >= age);
        let broken = !healed || last_fault.is_some_and(|at| line.at <= at + AFTER_FAULT);
        let is_true = match why.as_str() {
            "epoch" => log_faults > 0 && epoch_of(before.as_ref().map(|(_, it)| it)) != epoch_of(position),
            "trimmed" => missed > kept || old,
            "limit" => missed > recover_max,
            "unavailable" => broken,
            _ => false,
        };
        if !is_true {
            findings.breaks("L11", format!("{who} was told {why}, from {before:?} to {position:?}"));
        }
        if let Some(position) = position {
            at.insert((who, room), (line.at, position.clone()));
        }
    }
}

fn epoch_of(position: Option<&Position>) -> Option<&str> {
    position.map(|it| it.epoch.as_str())
}
