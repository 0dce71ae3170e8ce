//! The rules of presence, P1 to P3.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Findings, Line, What};

/// How soon everybody knows that somebody is gone.
const NOTICE: u64 = 10_000;

pub fn check(lines: &[Line], findings: &mut Findings) {
    let mut listed: HashMap<&str, (&str, &[String])> = HashMap::new();
    let mut told: HashMap<(&str, &str, &str), bool> = HashMap::new();
    // How many connections of each user are in each room.
    let mut connections: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut gone: HashMap<(&str, &str), u64> = HashMap::new();
    let mut observers: HashSet<(&str, &str)> = HashSet::new();
    let last = lines.last().map_or(0, |line| line.at);
    for line in lines {
        let who = line.who.as_str();
        match &line.what {
            What::Members { room, users } => match listed.get(room.as_str()) {
                Some((node, known)) if known != users => {
                    findings.breaks("P1", format!("in {room} {node} has {known:?} and {who} has {users:?}"));
                }
                _ => drop(listed.insert(room, (who, users))),
            },
            What::Online { room, user, online } => {
                observers.insert((who, room));
                if told.insert((who, room, user), *online) == Some(*online) {
                    findings.breaks("P2", format!("{who} was told twice that {user} is online: {online}"));
                }
            }
            What::Entered { user, room, .. } => {
                *connections.entry((room, user)).or_default() += 1;
                gone.remove(&(room.as_str(), user.as_str()));
            }
            What::Gone { user, room, .. } => {
                let left = connections.entry((room, user)).or_default();
                *left -= 1;
                if *left == 0 {
                    gone.insert((room, user), line.at);
                }
            }
            _ => {}
        }
    }
    for ((room, user), at) in gone {
        if at + NOTICE > last {
            continue;
        }
        for (who, _) in observers.iter().filter(|(who, it)| *it == room && *who != user) {
            if told.get(&(who, room, user)) == Some(&true) {
                findings.breaks("P3", format!("{who} was not told that {user} left {room} at {at}"));
            }
        }
    }
}
