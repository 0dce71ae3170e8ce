//! The rules of delivery, L1 to L10 and L12.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{
    Findings, Line, Outcome, Position, What,
    segment::{Segment, segments},
};

/// How soon a message comes when nothing is broken.
const PROBE: u64 = 5_000;

/// Everything that is known about the messages of a run.
#[derive(Default)]
struct Known<'a> {
    /// Where each message was sent to.
    rooms: HashMap<&'a str, &'a str>,
    /// Who is at which place, by anybody's word.
    ids: BTreeMap<(&'a str, &'a Position), &'a str>,
    /// Where each message is in each epoch: one that was not answered may be sent again after the log began anew.
    positions: HashMap<(&'a str, &'a str), &'a Position>,
    accepted: BTreeMap<&'a str, (&'a Position, u64)>,
    /// What was rejected and may not have been accepted before.
    rejected: HashSet<&'a str>,
    finals: HashMap<&'a str, (&'a str, BTreeMap<u64, &'a str>)>,
}

pub fn check(lines: &[Line], findings: &mut Findings) {
    let known = gather(lines, findings);
    let (segments, stray) = segments(lines);
    for line in &stray {
        findings.breaks("L4", format!("outside of any segment: {line:?}"));
    }
    for segment in &segments {
        check_segment(segment, &known, findings);
    }
    check_final(&segments, &known, findings);
    check_publishers(lines, findings);
    check_probes(lines, &segments, &known, findings);
}

/// L3, L9 and L12: what anybody says about places, ids and keys agrees.
fn gather<'a>(lines: &'a [Line], findings: &mut Findings) -> Known<'a> {
    let mut known = Known::default();
    let mut keys: HashMap<(&str, &str), &str> = HashMap::new();
    let mut unknown = HashSet::new();
    let mut seen = HashSet::new();
    let mut places: Vec<(&str, &Position, &str)> = Vec::new();
    let mut final_places = Vec::new();
    for line in lines {
        match &line.what {
            What::Sent { room, id, key, .. } => {
                known.rooms.insert(id, room);
                if *keys.entry((room, key)).or_insert(id) != id {
                    findings.breaks("L12", format!("key {key} is of several messages"));
                }
            }
            What::Answered { room, id, outcome: Outcome::Accepted(position) } => {
                places.push((room, position, id));
                let (first, _) = *known.accepted.entry(id).or_insert((position, line.at));
                if first != position {
                    findings.breaks("L12", format!("{id} is at {first:?} and at {position:?}"));
                }
            }
            What::Answered { id, outcome: Outcome::Rejected, .. } => drop(known.rejected.insert(id.as_str())),
            What::Answered { id, outcome: Outcome::Unknown, .. } => drop(unknown.insert(id.as_str())),
            What::Received { room, id, position } => {
                seen.insert(id.as_str());
                places.push((room, position, id));
            }
            What::Final { room, epoch, entries } => {
                let entries: BTreeMap<_, _> = entries.iter().map(|(at, id)| (*at, id.as_str())).collect();
                for (offset, id) in &entries {
                    final_places.push((
                        room.as_str(),
                        Position { epoch: epoch.clone(), offset: *offset },
                        *id,
                    ));
                }
                known.finals.insert(room, (epoch, entries));
            }
            _ => {}
        }
    }
    for (room, position, id) in places {
        if *known.ids.entry((room, position)).or_insert(id) != id {
            findings.breaks("L3", format!("{position:?} of {room} is {id} and another message"));
        }
        if *known.positions.entry((id, &position.epoch)).or_insert(position) != position {
            findings.breaks("L3", format!("{id} is at {position:?} and elsewhere"));
        }
    }
    for (room, position, id) in &final_places {
        seen.insert(id);
        let here = known.ids.get(&(*room, position));
        let there = known.positions.get(&(*id, position.epoch.as_str()));
        if here.is_some_and(|it| it != id) || there.is_some_and(|it| *it != position) {
            findings.breaks("L3", format!("the log of {room} has {id} at {position:?}"));
        }
    }
    for id in known.rejected.iter().filter(|id| !unknown.contains(*id) && !known.accepted.contains_key(*id)) {
        if seen.contains(id) {
            findings.breaks("L9", format!("{id} was rejected, and was seen"));
        }
    }
    known
}

/// L1, L2, L4, L5 and L6.
fn check_segment(segment: &Segment, known: &Known<'_>, findings: &mut Findings) {
    let Segment { who, room, start, .. } = segment;
    let mut ids = HashSet::new();
    let mut at = start.offset;
    let mut offsets = BTreeSet::new();
    for (_, position, id) in &segment.received {
        if known.rooms.get(id.as_str()) != Some(&room.as_str()) {
            findings.breaks("L1", format!("{who} got {id}, which was never sent to {room}"));
        }
        if !ids.insert(id) {
            findings.breaks("L2", format!("{who} got {id} twice"));
        }
        if position.epoch != start.epoch || position.offset <= at {
            findings.breaks("L4", format!("{who} got {position:?} behind {at} of {}", start.epoch));
        }
        at = position.offset;
        offsets.insert(position.offset);
    }
    let first = Position { epoch: start.epoch.clone(), offset: start.offset + 1 };
    let last = Position { epoch: start.epoch.clone(), offset: u64::MAX };
    for ((_, position), id) in known.ids.range((room.as_str(), &first)..=(room.as_str(), &last)) {
        if offsets.contains(&position.offset) {
            continue;
        }
        if position.offset < at {
            findings.breaks("L5", format!("{who} has a hole at {} of {room}", position.offset));
        } else if segment.ended.is_none() && known.accepted.contains_key(id) {
            findings.breaks("L6", format!("{who} never got {id}, {} of {room}", position.offset));
        }
    }
}

/// L7: what was accepted and is not in the log is known to be lost by everybody who did not get it.
fn check_final(segments: &[Segment], known: &Known<'_>, findings: &mut Findings) {
    for (id, (position, at)) in &known.accepted {
        let Some(room) = known.rooms.get(id) else { continue };
        let kept = match known.finals.get(room) {
            Some((epoch, entries)) if *epoch == position.epoch => {
                entries.contains_key(&position.offset)
                    || entries.first_key_value().is_some_and(|(first, _)| position.offset < *first)
            }
            Some(_) => false,
            None => true,
        };
        if kept {
            continue;
        }
        let silently = segments.iter().filter(|segment| segment.room == *room).any(|segment| {
            let due = segment.start.epoch == position.epoch && segment.start.offset < position.offset;
            let got = segment.received.iter().any(|(_, it, _)| it == *position);
            // Whoever left before was not due it; whoever is still there was never told.
            let told = segment.lost || segment.ended.is_some_and(|ended| ended < *at);
            due && !got && !told
        });
        match silently {
            true => {
                findings.lost_silently += 1;
                findings.breaks("L7", format!("{id} was accepted and lost, and somebody was not told"));
            }
            false => findings.lost_and_declared += 1,
        }
    }
}

/// L8: what a publisher sent one after the other stands so in the log.
fn check_publishers(lines: &[Line], findings: &mut Findings) {
    let mut last: HashMap<(&str, &str, &str), u64> = HashMap::new();
    let mut answered = HashSet::new();
    for line in lines {
        if let What::Answered { room, id, outcome: Outcome::Accepted(position) } = &line.what
            && answered.insert(id)
        {
            let last = last.entry((&line.who, room, &position.epoch)).or_default();
            if position.offset <= *last {
                findings.breaks("L8", format!("{}: {id} at {} behind {last}", line.who, position.offset));
            }
            *last = position.offset;
        }
    }
}

/// L10: what is sent when nothing is broken any more comes soon.
fn check_probes(lines: &[Line], segments: &[Segment], known: &Known<'_>, findings: &mut Findings) {
    for line in lines {
        let What::Sent { room, id, probe: true, .. } = &line.what else { continue };
        let Some((position, _)) = known.accepted.get(id.as_str()) else {
            findings.breaks("L10", format!("the probe {id} was not accepted"));
            continue;
        };
        for segment in segments.iter().filter(|it| it.room == *room && it.ended.is_none()) {
            let due = segment.start.epoch == position.epoch && segment.start.offset < position.offset;
            let came = segment.received.iter().find(|(_, _, it)| it == id).map(|(at, ..)| *at);
            if due && came.is_none_or(|at| at > line.at + PROBE) {
                findings.breaks("L10", format!("{} got the probe {id} at {came:?}", segment.who));
            }
        }
    }
}
