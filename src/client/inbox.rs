//! [`Inbox`]: what waits for one reader, within a limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::sync::mpsc;

/// So many items did not fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missed(pub(super) u64);

/// The reader's end. A reader that is behind does not hold up the connection, on which answers come too: it misses
/// items, and is told how many, where they would have been.
#[derive(Debug)]
pub(super) struct Inbox<T> {
    items: mpsc::Receiver<T>,
    missed: Arc<AtomicU64>,
}

/// The other end.
#[derive(Debug)]
pub(super) struct Teller<T> {
    items: mpsc::Sender<T>,
    missed: Arc<AtomicU64>,
}

/// An inbox for `limit` items, and the way into it.
pub(super) fn inbox<T>(limit: usize) -> (Teller<T>, Inbox<T>) {
    let (tell, items) = mpsc::channel(limit.max(1));
    let missed = Arc::default();
    (Teller { items: tell, missed: Arc::clone(&missed) }, Inbox { items, missed })
}

impl<T: From<Missed>> Teller<T> {
    pub(super) fn tell(&self, item: T) {
        if self.missed.load(Ordering::Relaxed) > 0 {
            let Ok(place) = self.items.try_reserve() else { return self.miss() };
            place.send(T::from(Missed(self.missed.swap(0, Ordering::Relaxed))));
        }
        if self.items.try_send(item).is_err() {
            self.miss();
        }
    }

    fn miss(&self) {
        self.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.items.is_closed()
    }
}

impl<T: From<Missed>> Inbox<T> {
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let item = ready!(self.items.poll_recv(cx));
        Poll::Ready(item.or_else(|| match self.missed.swap(0, Ordering::Relaxed) {
            0 => None,
            missed => Some(T::from(Missed(missed))),
        }))
    }

    pub(super) fn close(&mut self) {
        self.items.close();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[derive(Debug, PartialEq)]
    enum Item {
        Number(u64),
        Missed(u64),
    }

    impl From<Missed> for Item {
        fn from(Missed(items): Missed) -> Self {
            Self::Missed(items)
        }
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_many_it_missed_where_they_would_have_been() {
        let (teller, mut inbox) = inbox(2);
        for number in 1..=5 {
            teller.tell(Item::Number(number));
        }
        assert_eq!(poll_fn(|cx| inbox.poll_next(cx)).await, Some(Item::Number(1)));
        assert_eq!(poll_fn(|cx| inbox.poll_next(cx)).await, Some(Item::Number(2)));
        teller.tell(Item::Number(6));
        teller.tell(Item::Number(7));
        drop(teller);
        let mut rest = Vec::new();
        while let Some(item) = poll_fn(|cx| inbox.poll_next(cx)).await {
            rest.push(item);
        }
        assert_eq!(rest, [Item::Missed(3), Item::Number(6), Item::Missed(1)]);
    }
}
