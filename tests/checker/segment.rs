//! [`Segment`]: what one subscriber got of one room between two moments at which it was told that it lost something.

use std::collections::BTreeMap;

use super::{Line, Position, What};

/// From a first join, or a loss that was told, to the next loss or the end: over any number of connections.
#[derive(Debug)]
pub struct Segment {
    pub who: String,
    pub room: String,
    /// What comes after this is due.
    pub start: Position,
    pub began: u64,
    /// When it was told of a loss, or left; `None` if it went on to the end of the run.
    pub ended: Option<u64>,
    /// It ended because a loss was told.
    pub lost: bool,
    /// When each message came, in the order in which they came.
    pub received: Vec<(u64, Position, String)>,
}

/// The segments of all subscribers; messages that came outside of any are given separately.
pub fn segments(lines: &[Line]) -> (Vec<Segment>, Vec<&Line>) {
    let mut done = Vec::new();
    let mut open: BTreeMap<(String, String), Segment> = BTreeMap::new();
    let mut stray = Vec::new();
    for line in lines {
        let key = |room: &String| (line.who.clone(), room.clone());
        let begin = |room: &String, start: &Position| Segment {
            who: line.who.clone(),
            room: room.clone(),
            start: start.clone(),
            began: line.at,
            ended: None,
            lost: false,
            received: Vec::new(),
        };
        let mut end = |open: &mut BTreeMap<_, Segment>, room: &String, lost| {
            if let Some(mut segment) = open.remove(&key(room)) {
                (segment.ended, segment.lost) = (Some(line.at), lost);
                done.push(segment);
            }
        };
        match &line.what {
            What::Joined { room, asked: Some(_), lost: None, .. } if open.contains_key(&key(room)) => {}
            What::Joined { room, lost, position, .. } => {
                end(&mut open, room, lost.is_some());
                if let Some(position) = position {
                    open.insert(key(room), begin(room, position));
                }
            }
            What::Lost { room, position, .. } => {
                end(&mut open, room, true);
                open.insert(key(room), begin(room, position));
            }
            What::Left { room } => end(&mut open, room, false),
            What::Received { room, id, position } => match open.get_mut(&key(room)) {
                Some(segment) => segment.received.push((line.at, position.clone(), id.clone())),
                None => stray.push(line),
            },
            _ => {}
        }
    }
    done.extend(open.into_values());
    (done, stray)
}
