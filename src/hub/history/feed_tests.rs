//! A feed against a model: a log that appends, trims and begins anew, an engine that loses, delays and repeats, and
//! members that come and go.

use std::collections::{HashMap, VecDeque};

use proptest::{collection::vec, prelude::*};

use super::*;

const BOUNDS: Bounds = Bounds { entries: 8, bytes: 1 << 20 };

/// Every message has a number of its own, which no other ever has.
type Message = u64;

fn position(epoch: u128, offset: u64) -> Position {
    Position { epoch: Epoch::new(epoch), offset }
}

#[derive(Default)]
struct Log {
    epoch: u128,
    messages: Vec<Message>,
    trimmed: usize,
}

impl Log {
    fn top(&self) -> Position {
        position(self.epoch, self.messages.len() as u64)
    }

    fn read(&self, from: ReadFrom) -> (Position, Result<Vec<(u64, Message)>, Lost>) {
        let first = match from {
            ReadFrom::Last(count) => Ok(self.messages.len().saturating_sub(count).max(self.trimmed)),
            ReadFrom::After(after) => match (after.offset as usize, self.messages.len()) {
                (offset, len) if after.epoch != self.top().epoch || offset > len => Err(Lost::Epoch),
                (offset, _) if offset < self.trimmed => Err(Lost::Trimmed),
                (offset, len) if len - offset > BOUNDS.entries => Err(Lost::Limit),
                (offset, _) => Ok(offset),
            },
        };
        let entries = first.map(|first| (first as u64 + 1..).zip(self.messages[first..].to_vec()).collect());
        (self.top(), entries)
    }
}

#[derive(Debug, Clone)]
enum Act {
    Append,
    /// The next entry on its way arrives; or is lost, or comes a second time.
    Arrive,
    LoseOne,
    Repeat,
    /// Two entries on their way change places.
    Swap,
    Trim(usize),
    BeginAnew,
    Ask,
    /// The answer of before arrives.
    Answer,
    BeginRead,
    /// The engine reads the log; the answer is on its way.
    Read,
    EndRead,
    FailRead,
    Join(Since),
    Tick,
}

#[derive(Debug, Clone)]
enum Since {
    Now,
    Last(usize),
    /// A position that somebody was given, the so many-th of late.
    Known(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let since = prop_oneof![
        Just(Since::Now),
        (0..10usize).prop_map(Since::Last),
        (0..30usize).prop_map(Since::Known)
    ];
    let act = prop_oneof![
        8 => Just(Act::Append),
        8 => Just(Act::Arrive),
        2 => Just(Act::LoseOne),
        1 => Just(Act::Repeat),
        2 => Just(Act::Swap),
        1 => (0..4usize).prop_map(Act::Trim),
        1 => Just(Act::BeginAnew),
        1 => Just(Act::Ask),
        1 => Just(Act::Answer),
        5 => Just(Act::BeginRead),
        5 => Just(Act::Read),
        5 => Just(Act::EndRead),
        1 => Just(Act::FailRead),
        4 => since.prop_map(Act::Join),
        1 => Just(Act::Tick),
    ];
    vec(act, 1..120)
}

type Answer = (Position, Result<Vec<(u64, Message)>, Lost>);

#[derive(Default)]
struct World {
    log: Log,
    /// Every message that there ever was, by its position.
    all: HashMap<(u128, u64), Message>,
    network: VecDeque<(Position, Message)>,
    top: Option<Position>,
    reading: Option<ReadFrom>,
    answer: Option<Answer>,
    /// Where each member stands.
    members: Vec<Option<Position>>,
    /// What each member asked for.
    asked: Vec<ReadFrom>,
    given: Vec<Position>,
}

impl World {
    fn act(&mut self, feed: &mut Feed<Message, usize>, act: &Act) {
        match act {
            Act::Append => {
                let message = self.all.len() as u64;
                self.log.messages.push(message);
                let top = self.log.top();
                self.all.insert((top.epoch.as_u128(), top.offset), message);
                self.network.push_back((top, message));
            }
            Act::Arrive => {
                if let Some((position, message)) = self.network.pop_front() {
                    let steps = feed.entry(position, message);
                    self.take(steps);
                }
            }
            Act::LoseOne => drop(self.network.pop_front()),
            Act::Repeat => {
                if let Some(first) = self.network.front().copied() {
                    self.network.push_back(first);
                }
            }
            Act::Swap if self.network.len() > 1 => self.network.swap(0, 1),
            Act::Swap => {}
            Act::Trim(more) => self.log.trimmed = (self.log.trimmed + more).min(self.log.messages.len()),
            Act::BeginAnew => self.log = Log { epoch: self.log.epoch + 1, ..Log::default() },
            Act::Ask => self.top = Some(self.log.top()),
            Act::Answer => {
                if let Some(top) = self.top.take() {
                    feed.top(Some(top));
                }
            }
            Act::BeginRead => self.reading = self.reading.or(feed.begin_read()),
            Act::Read if self.answer.is_none() => {
                self.answer = self.reading.map(|from| self.log.read(from));
            }
            Act::Read => {}
            Act::EndRead => {
                if let Some((top, entries)) = self.answer.take() {
                    self.reading = None;
                    let steps = feed.slice(top, entries);
                    self.take(steps);
                }
            }
            Act::FailRead => {
                if self.reading.take().is_some() {
                    self.answer = None;
                    let steps = feed.failed();
                    self.take(steps);
                }
            }
            Act::Join(since) => {
                let since = match since {
                    Since::Now => ReadFrom::Last(0),
                    Since::Last(count) => ReadFrom::Last(*count),
                    Since::Known(back) => match self.given.iter().rev().nth(*back) {
                        Some(position) => ReadFrom::After(*position),
                        None => ReadFrom::Last(0),
                    },
                };
                self.members.push(None);
                self.asked.push(since);
                let admitted = feed.join(self.members.len() - 1, since);
                self.take(admitted.into_iter().collect());
            }
            Act::Tick => feed.tick(),
        }
    }

    /// Everything that a member sees is checked here.
    fn take(&mut self, steps: Vec<Step<Message, usize>>) {
        for step in steps {
            match step {
                Step::Deliver(offset, message) => {
                    for member in 0..self.members.len() {
                        self.receive(member, offset, message);
                    }
                }
                Step::Lose(_, position) => {
                    self.given.push(position);
                    for at in self.members.iter_mut().flatten() {
                        assert!(at.epoch != position.epoch || at.offset < position.offset, "a false alarm");
                        *at = position;
                    }
                }
                Step::Admit(who, admission) => self.admit(who, admission),
            }
        }
    }

    fn receive(&mut self, member: usize, offset: u64, message: Message) {
        let Some(at) = &mut self.members[member] else { return };
        assert_eq!(offset, at.offset + 1, "a hole, or one twice");
        assert_eq!(self.all.get(&(at.epoch.as_u128(), offset)), Some(&message));
        at.offset = offset;
        self.given.push(*at);
    }

    fn admit(&mut self, who: usize, admission: Admission<Message>) {
        assert_eq!(self.members[who], None, "admitted twice");
        let Some(position) = admission.position else {
            assert_eq!(admission.missed, Err(Lost::Unavailable));
            return;
        };
        match (admission.missed, self.asked[who]) {
            (Ok(missed), asked) => {
                let start = match asked {
                    ReadFrom::After(position) => position.offset,
                    ReadFrom::Last(count) => {
                        assert!(missed.len() <= count, "more than asked for");
                        position.offset - missed.len() as u64
                    }
                };
                self.members[who] = Some(Position { offset: start, ..position });
                missed.into_iter().for_each(|(offset, message)| self.receive(who, offset, message));
                assert_eq!(self.members[who], Some(position), "what is given ends where it says");
            }
            (Err(lost), ReadFrom::After(asked)) => {
                match lost {
                    Lost::Epoch => assert_ne!(asked.epoch, position.epoch),
                    Lost::Trimmed => assert!(self.log.trimmed > 0 || self.log.epoch > 0),
                    Lost::Limit => assert!(position.offset - asked.offset > BOUNDS.entries as u64),
                    Lost::Unavailable => {}
                }
                self.members[who] = Some(position);
            }
            (Err(lost), ReadFrom::Last(_)) => {
                assert!(matches!(lost, Lost::Unavailable | Lost::Limit), "{lost:?}");
                self.members[who] = Some(position);
            }
        }
        self.given.push(position);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_member_has_a_hole_a_repetition_or_a_loss_that_it_is_not_told(acts in acts()) {
        let mut feed = Feed::new(BOUNDS);
        let mut world = World::default();
        for act in &acts {
            world.act(&mut feed, act);
        }
        // The network heals: what was lost is found by asking for the top.
        world.network.clear();
        world.top = None;
        world.act(&mut feed, &Act::FailRead);
        let mut reads = 0;
        for act in [Act::Ask, Act::Answer] {
            world.act(&mut feed, &act);
        }
        while feed.needs_read() {
            for act in [Act::BeginRead, Act::Read, Act::EndRead] {
                world.act(&mut feed, &act);
            }
            reads += 1;
            prop_assert!(reads < 20, "reads without an end");
        }
        prop_assert_eq!(feed.head(), Some(world.log.top()));
        for at in world.members.iter().flatten() {
            prop_assert_eq!(*at, world.log.top());
        }
    }
}

/// A feed at `offset` of epoch 1.
fn feed_at(offset: u64) -> Feed<Message, &'static str> {
    let mut feed = Feed::new(BOUNDS);
    assert_eq!(feed.begin_read(), Some(ReadFrom::Last(0)));
    assert_eq!(feed.slice(position(1, offset), Ok(vec![])), []);
    feed
}

fn entries(offsets: std::ops::RangeInclusive<u64>) -> Vec<(u64, Message)> {
    offsets.map(|it| (it, it)).collect()
}

#[test]
fn what_comes_while_the_log_is_first_read_follows_what_was_read() {
    let mut feed = Feed::new(BOUNDS);
    assert_eq!(feed.join("ann", ReadFrom::After(position(1, 3))), None);
    assert_eq!(feed.begin_read(), Some(ReadFrom::After(position(1, 3))));
    for offset in [5, 6] {
        assert_eq!(feed.entry(position(1, offset), offset), []);
    }
    let steps = feed.slice(position(1, 5), Ok(entries(4..=5)));
    let admission = Admission { position: Some(position(1, 6)), missed: Ok(entries(4..=6)) };
    assert_eq!(steps, [Step::Deliver(6, 6), Step::Admit("ann", admission)]);
}

#[test]
fn a_hole_is_read_from_the_log_and_delivered_before_what_came_after_it() {
    let mut feed = feed_at(3);
    assert_eq!(feed.entry(position(1, 5), 5), []);
    assert_eq!(feed.begin_read(), Some(ReadFrom::After(position(1, 3))));
    let steps = feed.slice(position(1, 5), Ok(entries(4..=5)));
    assert_eq!(steps, [Step::Deliver(4, 4), Step::Deliver(5, 5)]);
    assert!(!feed.needs_read());
}

#[test]
fn a_hole_in_a_quiet_room_is_found_by_its_top() {
    let mut feed = feed_at(3);
    feed.top(Some(position(1, 3)));
    assert!(!feed.needs_read());
    feed.top(Some(position(1, 4)));
    assert_eq!(feed.begin_read(), Some(ReadFrom::After(position(1, 3))));
}

#[test]
fn a_new_epoch_is_told_and_then_given_from_its_first_message_on() {
    let mut feed = feed_at(3);
    assert_eq!(feed.entry(position(2, 2), 2), []);
    assert_eq!(feed.begin_read(), Some(ReadFrom::After(position(1, 3))));
    let steps = feed.slice(position(2, 2), Err(Lost::Epoch));
    assert_eq!(steps, [Step::Lose(Lost::Epoch, position(2, 0))]);
    assert_eq!(feed.begin_read(), Some(ReadFrom::After(position(2, 0))));
    let steps = feed.slice(position(2, 2), Ok(entries(1..=2)));
    assert_eq!(steps, [Step::Deliver(1, 1), Step::Deliver(2, 2)]);
}

#[test]
fn a_late_entry_of_an_old_epoch_brings_nobody_back_to_it() {
    let mut feed = feed_at(3);
    feed.top(Some(position(2, 0)));
    feed.begin_read();
    feed.slice(position(2, 0), Err(Lost::Epoch));
    assert_eq!(feed.entry(position(1, 4), 4), []);
    assert_eq!(feed.begin_read(), Some(ReadFrom::After(position(2, 0))));
    assert_eq!(feed.slice(position(2, 0), Ok(vec![])), []);
    assert_eq!(feed.head(), Some(position(2, 0)));
}

#[test]
fn a_thousand_who_come_at_once_make_two_reads_at_most() {
    let mut feed: Feed<Message, u64> = Feed::new(BOUNDS);
    let mut admitted = 0;
    let join = |feed: &mut Feed<_, _>, from: u64| {
        (from..from + 500)
            .filter(|who| feed.join(*who, ReadFrom::After(position(1, who % 20))).is_some())
            .count()
    };
    admitted += join(&mut feed, 0);
    let mut reads = 0;
    while feed.begin_read().is_some() {
        reads += 1;
        if reads == 1 {
            admitted += join(&mut feed, 500);
        }
        admitted += feed.slice(position(1, 20), Ok(entries(13..=20))).len();
    }
    assert_eq!((reads, admitted), (1, 1000));
}
