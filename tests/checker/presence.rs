//! The rules of presence, P1 to P3.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Findings, Line, What};

/// How soon everybody knows the same when nobody comes or goes, and nothing is broken.
const NOTICE: u64 = 10_000;

/// For how long something that has happened may not have been written down.
const UNDER_WAY: u64 = 1_000;

/// Whether somebody is in a room, by any connection, and since when.
#[derive(Clone, Copy, Default)]
struct Stay {
    connections: i64,
    since: u64,
}

/// What a connection was told of others in its room.
#[derive(Default)]
struct Observer<'a> {
    /// When it had asked who is there.
    asked: Option<u64>,
    online: HashMap<&'a str, bool>,
}

impl Observer<'_> {
    /// `None` if it cannot know.
    fn knows(&self, user: &str) -> Option<bool> {
        self.online.get(user).copied().or(self.asked.map(|_| false))
    }
}

#[derive(Default)]
struct State<'a> {
    stays: BTreeMap<(&'a str, &'a str), Stay>,
    observers: BTreeMap<(&'a str, &'a str), Observer<'a>>,
    /// Since when nothing is broken.
    healed: Option<u64>,
    grace: u64,
}

pub fn check(lines: &[Line], findings: &mut Findings) {
    let mut state = State { healed: Some(0), ..State::default() };
    for line in lines {
        state.take(line, findings);
    }
    if let Some(last) = lines.last() {
        state.check_observers(last.at, findings);
    }
}

impl<'a> State<'a> {
    fn take(&mut self, Line { at, who, what }: &'a Line, findings: &mut Findings) {
        let who = who.as_str();
        match what {
            What::Run { grace, .. } => self.grace = *grace,
            What::Fault { .. } => self.healed = None,
            What::Healed => self.healed = Some(*at),
            What::Entered { user, room, .. } => {
                let stay = self.stays.entry((room, user)).or_default();
                stay.connections += 1;
                if stay.connections == 1 {
                    stay.since = *at;
                }
                self.observers.insert((room, user), Observer::default());
            }
            What::Gone { user, room, .. } => {
                let stay = self.stays.entry((room, user)).or_default();
                stay.connections -= 1;
                if stay.connections == 0 {
                    stay.since = *at;
                }
                self.observers.remove(&(room.as_str(), user.as_str()));
            }
            What::Present { room, users } => {
                let online = users.iter().map(|user| (user.as_str(), true)).collect();
                self.observers.insert((room, who), Observer { asked: Some(*at), online });
            }
            What::Online { room, user, online } => {
                let Some(observer) = self.observers.get_mut(&(room.as_str(), who)) else { return };
                if observer.knows(user) == Some(*online) {
                    findings.breaks("P2", format!("{who} was told twice that {user} is online: {online}"));
                }
                observer.online.insert(user, *online);
                if !online && self.is_quiet(*at) && self.was_there(room, user, *at) {
                    findings.breaks("P2", format!("{who} was told at {at} that {user} left, who did not"));
                }
            }
            What::Members { room, users } => self.check_members(*at, who, room, users, findings),
            _ => {}
        }
    }

    fn is_quiet(&self, at: u64) -> bool {
        self.healed.is_some_and(|healed| healed + NOTICE <= at)
    }

    /// Whether somebody is there, or has been away for so short a time that it is no news.
    fn was_there(&self, room: &str, user: &str, at: u64) -> bool {
        let Some(stay) = self.stays.get(&(room, user)) else { return false };
        if stay.connections > 0 { stay.since + UNDER_WAY < at } else { at < stay.since + self.grace / 2 }
    }

    /// P1: a node lists those who are there, but for who has come or gone just now.
    fn check_members(&self, at: u64, node: &str, room: &str, users: &[String], findings: &mut Findings) {
        let here = self.stays.range((room, "")..).take_while(|((it, _), _)| *it == room);
        let (mut there, mut either) = (BTreeSet::new(), BTreeSet::new());
        for ((_, user), stay) in here {
            if stay.since + NOTICE > at {
                either.insert(*user);
            } else if stay.connections > 0 {
                there.insert(*user);
            }
        }
        let listed: BTreeSet<_> = users.iter().map(String::as_str).collect();
        let wrong: Vec<_> = listed.symmetric_difference(&there).filter(|it| !either.contains(*it)).collect();
        if self.is_quiet(at) && !wrong.is_empty() {
            findings
                .breaks("P1", format!("{node} lists {listed:?} in {room} at {at}, wrong about {wrong:?}"));
        }
    }

    /// P3, and the other way round: in the end everybody knows who is there.
    fn check_observers(&self, at: u64, findings: &mut Findings) {
        if !self.is_quiet(at) {
            return;
        }
        for ((room, who), observer) in &self.observers {
            if observer.asked.is_none_or(|asked| asked + NOTICE > at) {
                continue;
            }
            for ((_, user), stay) in self.stays.iter().filter(|((it, user), _)| it == room && user != who) {
                let is_there = stay.connections > 0;
                if stay.since + NOTICE <= at && observer.knows(user) != Some(is_there) {
                    let since = stay.since;
                    findings.breaks(
                        "P3",
                        format!("{who} does not know of {user} in {room}: {is_there} since {since}"),
                    );
                }
            }
        }
    }
}
