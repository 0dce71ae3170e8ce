//! What every [`History`] holds: cases for the test suites of engines.
//!
//! ```
//! # async fn example(engine: &dyn gustnado::adapter::History) {
//! gustnado::testing::history::all(engine).await; // panics where the engine does otherwise
//! # }
//! ```
//!
//! Each case uses a room of its own, and needs no empty engine. That an appended entry is given to the interested
//! nodes, and that what has expired is gone, is not in here: the first needs an adapter, the second a clock.

use std::{
    future::poll_fn,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;

use crate::adapter::{Epoch, Gap, History, Position, ReadFrom, Retention, Slice};

const KEPT: Retention = Retention::last(100).within(Duration::from_secs(600));

/// Every case below, one after the other.
///
/// # Panics
///
/// Where the engine does not hold what the case says.
pub async fn all(history: &dyn History) {
    offsets_rise_without_holes(history).await;
    rooms_have_logs_of_their_own(history).await;
    entries_come_back_as_they_were(history).await;
    a_key_makes_one_entry(history).await;
    a_key_is_the_rooms_own(history).await;
    reading_begins_a_log(history).await;
    what_comes_after_a_position_is_read(history).await;
    the_newest_are_read(history).await;
    a_log_is_trimmed_by_count(history).await;
    more_than_asked_for_is_a_limit(history).await;
    another_epoch_is_told(history).await;
    a_position_beyond_the_top_is_of_another_epoch(history).await;
    tops_are_told_for_several_rooms(history).await;
    appends_at_once_have_offsets_of_their_own(history).await;
}

/// The first entry has offset 1, the next 2, and so on, in one epoch.
pub async fn offsets_rise_without_holes(history: &dyn History) {
    let room = Room::new(history, "rise");
    let first = room.append("a").await;
    assert_eq!(first.offset, 1);
    for offset in 2..=5 {
        assert_eq!(room.append("b").await, Position { offset, ..first });
    }
}

/// An append to one room moves no other.
pub async fn rooms_have_logs_of_their_own(history: &dyn History) {
    let (one, other) = (Room::new(history, "one"), Room::new(history, "other"));
    one.append("a").await;
    assert_eq!(other.append("b").await.offset, 1);
    assert_eq!(one.append("c").await.offset, 2);
}

/// Any bytes, and none.
pub async fn entries_come_back_as_they_were(history: &dyn History) {
    let room = Room::new(history, "bytes");
    let all: Vec<u8> = (0..=255).collect();
    for entry in [&all[..], b"", b"\r\n", &[0; 70_000]] {
        let position = room.append_bytes(entry, None).await;
        let slice = room.read(ReadFrom::Last(1)).await;
        assert_eq!(slice.entries, Ok(vec![(position.offset, Bytes::copy_from_slice(entry))]));
    }
}

/// The same key again appends nothing, and gives the position of then; also after other entries.
pub async fn a_key_makes_one_entry(history: &dyn History) {
    let room = Room::new(history, "key");
    let first = room.append_bytes(b"a", Some("k")).await;
    assert_eq!(room.append_bytes(b"a", Some("k")).await, first);
    let second = room.append_bytes(b"b", Some("other")).await;
    assert_eq!(second.offset, 2);
    assert_eq!(room.append_bytes(b"a", Some("k")).await, first);
    assert_eq!(room.read(ReadFrom::Last(0)).await.top, second);
}

/// Two rooms may use the same key.
pub async fn a_key_is_the_rooms_own(history: &dyn History) {
    let (one, other) = (Room::new(history, "one"), Room::new(history, "other"));
    one.append_bytes(b"a", Some("k")).await;
    other.append("b").await;
    assert_eq!(other.append_bytes(b"a", Some("k")).await.offset, 2);
}

/// A room that nobody has written to has a position, and its first entry is of that epoch.
pub async fn reading_begins_a_log(history: &dyn History) {
    let room = Room::new(history, "begin");
    let slice = room.read(ReadFrom::Last(10)).await;
    assert_eq!((slice.top.offset, slice.entries), (0, Ok(vec![])));
    assert_eq!(room.append("a").await, Position { offset: 1, ..slice.top });
    let slice = room.read(ReadFrom::After(slice.top)).await;
    assert_eq!(texts(&slice), [(1, "a".into())]);
}

/// All of it, in order, up to the top; nothing at the top.
pub async fn what_comes_after_a_position_is_read(history: &dyn History) {
    let room = Room::new(history, "after");
    let first = room.append("1").await;
    room.append("2").await;
    let top = room.append("3").await;
    let slice = room.read(ReadFrom::After(first)).await;
    assert_eq!(slice.top, top);
    assert_eq!(texts(&slice), [(2, "2".into()), (3, "3".into())]);
    assert_eq!(room.read(ReadFrom::After(top)).await, Slice { top, entries: Ok(vec![]) });
}

/// So many as were asked for, or as there are; never more than `max`.
pub async fn the_newest_are_read(history: &dyn History) {
    let room = Room::new(history, "last");
    for text in ["1", "2", "3"] {
        room.append(text).await;
    }
    assert_eq!(texts(&room.read(ReadFrom::Last(2)).await), [(2, "2".into()), (3, "3".into())]);
    assert_eq!(texts(&room.read(ReadFrom::Last(9)).await).len(), 3);
    assert_eq!(texts(&room.read(ReadFrom::Last(0)).await), []);
    let slice = history.read(&room.name, ReadFrom::Last(9), 1, KEPT).await.expect("the engine is there");
    assert_eq!(texts(&slice), [(3, "3".into())]);
}

/// Of many entries the last so many are kept; who needs an older one is told, and where the log ends.
pub async fn a_log_is_trimmed_by_count(history: &dyn History) {
    let room = Room::new(history, "trim");
    let kept = Retention::last(5);
    let mut top = room.append("0").await;
    let start = Position { offset: 0, ..top };
    for number in 1..20 {
        let text = Bytes::from(number.to_string());
        top = history.append(&room.name, text, None, kept).await.expect("the engine is there");
    }
    let read = async |from| history.read(&room.name, from, 100, kept).await.expect("the engine is there");
    assert_eq!(read(ReadFrom::After(start)).await, Slice { top, entries: Err(Gap::Trimmed) });
    assert_eq!(read(ReadFrom::After(Position { offset: 14, ..top })).await.entries, Err(Gap::Trimmed));
    assert_eq!(texts(&read(ReadFrom::After(Position { offset: 15, ..top })).await).len(), 5);
    assert_eq!(texts(&read(ReadFrom::Last(100)).await).len(), 5);
}

/// More than `max` after a position: none of it, and where the log ends.
pub async fn more_than_asked_for_is_a_limit(history: &dyn History) {
    let room = Room::new(history, "limit");
    let first = room.append("1").await;
    for _ in 0..3 {
        room.append("more").await;
    }
    let read = async |max| {
        history.read(&room.name, ReadFrom::After(first), max, KEPT).await.expect("the engine is there")
    };
    let top = Position { offset: 4, ..first };
    assert_eq!(read(2).await, Slice { top, entries: Err(Gap::Limit) });
    assert_eq!(texts(&read(3).await).len(), 3);
}

/// A position of an epoch that is not the log's, whatever its offset.
pub async fn another_epoch_is_told(history: &dyn History) {
    let room = Room::new(history, "epoch");
    let top = room.append("1").await;
    for offset in [0, 1, 2] {
        let other = Position { epoch: Epoch::new(!top.epoch.as_u128()), offset };
        assert_eq!(room.read(ReadFrom::After(other)).await, Slice { top, entries: Err(Gap::Epoch) });
    }
}

/// It cannot be of this one.
pub async fn a_position_beyond_the_top_is_of_another_epoch(history: &dyn History) {
    let room = Room::new(history, "beyond");
    let top = room.append("1").await;
    let beyond = Position { offset: 2, ..top };
    assert_eq!(room.read(ReadFrom::After(beyond)).await, Slice { top, entries: Err(Gap::Epoch) });
}

/// In the order in which they were asked for, `None` where there is no log.
pub async fn tops_are_told_for_several_rooms(history: &dyn History) {
    let (one, none, other) =
        (Room::new(history, "one"), Room::new(history, "none"), Room::new(history, "other"));
    one.append("1").await;
    let one_top = one.append("2").await;
    let other_top = other.append("1").await;
    let tops = history.tops(&[&other.name, &none.name, &one.name]).await.expect("the engine is there");
    assert_eq!(tops, [Some(other_top), None, Some(one_top)]);
    assert_eq!(history.tops(&[]).await.expect("the engine is there"), []);
}

/// Appends that wait at the same time get all offsets, each once, and are read in that order.
pub async fn appends_at_once_have_offsets_of_their_own(history: &dyn History) {
    let room = Room::new(history, "at once");
    let texts_of = |slice: &Slice| texts(slice).into_iter().map(|(_, text)| text).collect::<Vec<_>>();
    let append = async |text: &'static str| (room.append(text).await.offset, text);
    let mut sent = at_once(["1", "2", "3", "4"].map(|text| Box::pin(append(text))).into()).await;
    sent.sort_unstable();
    assert!(sent.iter().map(|(offset, _)| *offset).eq(1..=4), "{sent:?}");
    assert!(texts_of(&room.read(ReadFrom::Last(9)).await).iter().eq(sent.iter().map(|(_, text)| text)));
}

/// What several futures give that are polled in turn, in the order in which they are ready.
async fn at_once<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut ready = Vec::new();
    poll_fn(|cx| {
        futures.retain_mut(|future| match Pin::new(future).poll(cx) {
            Poll::Ready(value) => {
                ready.push(value);
                false
            }
            Poll::Pending => true,
        });
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ready
}

fn texts(slice: &Slice) -> Vec<(u64, String)> {
    let entries = slice.entries.as_ref().expect("entries");
    entries.iter().map(|(offset, entry)| (*offset, String::from_utf8_lossy(entry).into_owned())).collect()
}

/// A room that nobody has used before.
struct Room<'a> {
    history: &'a dyn History,
    name: String,
}

impl<'a> Room<'a> {
    fn new(history: &'a dyn History, name: &str) -> Self {
        // The state of a hasher is the standard library's random number.
        let random = RandomState::new().hash_one(name);
        Self { history, name: format!("{name}/{random:016x}") }
    }

    async fn append(&self, text: &str) -> Position {
        self.append_bytes(text.as_bytes(), None).await
    }

    async fn append_bytes(&self, entry: &[u8], key: Option<&str>) -> Position {
        let entry = Bytes::copy_from_slice(entry);
        self.history.append(&self.name, entry, key, KEPT).await.expect("the engine is there")
    }

    async fn read(&self, from: ReadFrom) -> Slice {
        self.history.read(&self.name, from, 100, KEPT).await.expect("the engine is there")
    }
}
