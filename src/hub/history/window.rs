//! [`Window`]: the newest entries of a room, up to where the node stands.

use std::collections::VecDeque;

/// How many ticks of the watch an entry stays: half a minute, in which most clients are back.
const STAY: u64 = 10;

/// The newest entries, without holes. Bounded in number, in bytes and, by [`tick`](Self::tick), in age.
#[derive(Debug)]
pub(super) struct Window<E> {
    /// The offset of the newest.
    head: u64,
    entries: VecDeque<(E, u64)>,
    bytes: usize,
    tick: u64,
    max: usize,
    max_bytes: usize,
}

/// What is kept of a room: it costs what it is long, and is cheap to clone.
pub(super) trait Kept: Clone {
    fn size(&self) -> usize;
}

impl<E: Kept> Window<E> {
    pub(super) fn new(max: usize, max_bytes: usize) -> Self {
        Self { head: 0, entries: VecDeque::new(), bytes: 0, tick: 0, max, max_bytes }
    }

    /// Nothing is known up to this offset.
    pub(super) fn restart(&mut self, head: u64) {
        self.head = head;
        self.entries = VecDeque::new();
        self.bytes = 0;
    }

    /// The entry after the newest.
    pub(super) fn push(&mut self, entry: E) {
        self.head += 1;
        self.bytes += entry.size();
        self.entries.push_back((entry, self.tick));
        while self.entries.len() > self.max || self.bytes > self.max_bytes {
            self.drop_oldest();
        }
    }

    /// Entries that end at `top`: those before the window's own are put in front, as far as there is room.
    pub(super) fn extend_back(&mut self, top: u64, entries: &[(u64, E)]) {
        let start = self.start();
        if top + 1 < start {
            return;
        }
        for (_, entry) in entries.iter().rev().filter(|(offset, _)| *offset < start) {
            if self.entries.len() == self.max || self.bytes + entry.size() > self.max_bytes {
                return;
            }
            self.bytes += entry.size();
            self.entries.push_front((entry.clone(), self.tick));
        }
    }

    /// The offset of the first entry; the one after the head if there is none.
    pub(super) fn start(&self) -> u64 {
        self.head + 1 - self.entries.len() as u64
    }

    /// What comes after an offset, if all of it is here.
    pub(super) fn after(&self, offset: u64) -> Option<Vec<(u64, E)>> {
        let first = offset + 1;
        let skipped = usize::try_from(first.checked_sub(self.start())?).ok()?;
        let entries = self.entries.iter().skip(skipped).map(|(entry, _)| entry.clone());
        Some((first..).zip(entries).collect())
    }

    /// The last so many, if they are here; or all there have ever been.
    pub(super) fn last(&self, count: usize) -> Option<Vec<(u64, E)>> {
        let enough = self.entries.len() >= count || self.start() == 1;
        let start = self.start().max((self.head + 1).saturating_sub(count as u64));
        enough.then(|| self.after(start - 1)).flatten()
    }

    /// Some seconds have gone by.
    pub(super) fn tick(&mut self) {
        self.tick += 1;
        while self.entries.front().is_some_and(|(_, since)| since + STAY < self.tick) {
            self.drop_oldest();
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((entry, _)) = self.entries.pop_front() {
            self.bytes -= entry.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Kept for u64 {
        fn size(&self) -> usize {
            10
        }
    }

    #[test]
    fn what_comes_after_an_offset_is_there_as_far_back_as_the_window_reaches() {
        let mut window = Window::new(3, 1000);
        window.restart(4);
        (5..=9).for_each(|entry| window.push(entry));
        assert_eq!(window.after(5), None);
        assert_eq!(window.after(6), Some(vec![(7, 7), (8, 8), (9, 9)]));
        assert_eq!(window.after(9), Some(vec![]));
        assert_eq!(window.last(2), Some(vec![(8, 8), (9, 9)]));
        assert_eq!(window.last(4), None);
    }

    #[test]
    fn older_entries_are_put_in_front_only_where_no_hole_remains() {
        let mut window = Window::new(10, 50);
        window.restart(4);
        window.push(5);
        window.extend_back(3, &[(2, 2), (3, 3)]);
        assert_eq!(window.start(), 5);
        window.extend_back(5, &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        assert_eq!(window.last(9), Some((1..=5).map(|it| (it, it)).collect()));
    }

    #[test]
    fn bytes_and_time_bound_it_too() {
        let mut window = Window::new(10, 35);
        (1..=5).for_each(|entry| window.push(entry));
        assert_eq!(window.start(), 3);
        (0..STAY).for_each(|_| window.tick());
        window.push(6);
        assert_eq!(window.start(), 4);
        window.tick();
        assert_eq!(window.start(), 6);
        assert_eq!(window.after(5), Some(vec![(6, 6)]));
    }
}
