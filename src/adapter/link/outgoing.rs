//! [`Outgoing`]: what waits for a server, bounded, and in the order in which it came.

use std::{collections::VecDeque, future::Future};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::adapter::{NotHandedOver, Unavailable};

/// As much is written at once: what a server answers together.
const BATCH_PACKETS: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;

/// The queue of one server. It is closed while the server is away, and takes nothing.
#[derive(Debug)]
pub(in crate::adapter) struct Outgoing<C> {
    max_bytes: usize,
    max_packets: usize,
    state: Mutex<State<C>>,
    /// Something waits.
    filled: Notify,
    /// Something was answered, or lost.
    settled: Notify,
}

#[derive(Debug)]
struct State<C> {
    open: bool,
    waiting: VecDeque<(C, Bytes)>,
    bytes: usize,
    /// Of the batch that the server has not answered yet.
    in_flight: u64,
    in_flight_bytes: usize,
    taken: u64,
    lost: u64,
    /// The number of the last packet that was lost, counted from 1.
    last_lost: u64,
}

/// What went through a queue.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::adapter) struct Counts {
    pub(in crate::adapter) lost: u64,
    pub(in crate::adapter) queued_bytes: u64,
}

impl<C> State<C> {
    fn new() -> Self {
        let waiting = VecDeque::new();
        let (bytes, in_flight, in_flight_bytes) = (0, 0, 0);
        Self { open: false, waiting, bytes, in_flight, in_flight_bytes, taken: 0, lost: 0, last_lost: 0 }
    }

    fn settled(&self) -> u64 {
        self.taken + self.lost
    }

    fn last(&self) -> u64 {
        self.settled() + self.in_flight + self.waiting.len() as u64
    }
}

impl<C> Outgoing<C> {
    pub(in crate::adapter) fn new(max_bytes: usize, max_packets: usize) -> Self {
        let state = Mutex::new(State::new());
        Self { max_bytes, max_packets, state, filled: Notify::new(), settled: Notify::new() }
    }

    pub(in crate::adapter) fn push(&self, channel: C, payload: Bytes) -> Result<(), NotHandedOver> {
        let mut state = self.state.lock();
        if !state.open {
            return Err(NotHandedOver::Down);
        }
        let bytes = state.bytes + state.in_flight_bytes + payload.len();
        if bytes > self.max_bytes || state.waiting.len() >= self.max_packets {
            return Err(NotHandedOver::Full);
        }
        state.bytes += payload.len();
        state.waiting.push_back((channel, payload));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    pub(in crate::adapter) fn open(&self) {
        self.state.lock().open = true;
    }

    /// What was not answered is lost.
    pub(in crate::adapter) fn close(&self) {
        let mut state = self.state.lock();
        state.open = false;
        state.lost = state.last() - state.taken;
        if state.in_flight > 0 || !state.waiting.is_empty() {
            state.last_lost = state.settled();
        }
        state.waiting.clear();
        (state.bytes, state.in_flight, state.in_flight_bytes) = (0, 0, 0);
        drop(state);
        self.settled.notify_waiters();
    }

    /// The next packets to write, when there are some. They have to be [answered](Self::answered) before the next.
    pub(in crate::adapter) async fn batch(&self) -> Vec<(C, Bytes)> {
        loop {
            let filled = self.filled.notified();
            let batch = self.take();
            if !batch.is_empty() {
                return batch;
            }
            filled.await;
        }
    }

    fn take(&self) -> Vec<(C, Bytes)> {
        let mut state = self.state.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_PACKETS && bytes < BATCH_BYTES {
            let Some(packet) = state.waiting.pop_front() else { break };
            bytes += packet.1.len();
            batch.push(packet);
        }
        state.bytes -= bytes;
        (state.in_flight, state.in_flight_bytes) = (batch.len() as u64, bytes);
        batch
    }

    /// What the server says of each packet of the batch.
    pub(in crate::adapter) fn answered(&self, took: impl Iterator<Item = bool>) {
        let mut state = self.state.lock();
        for took in took.take(state.in_flight as usize) {
            if took {
                state.taken += 1;
            } else {
                state.lost += 1;
                state.last_lost = state.settled();
            }
            state.in_flight -= 1;
        }
        state.in_flight_bytes = 0;
        drop(state);
        self.settled.notify_waiters();
    }

    /// Waits until everything that was pushed before this call is answered.
    pub(in crate::adapter) fn flushed(&self) -> impl Future<Output = Result<(), Unavailable>> {
        let (open, before, last) = {
            let state = self.state.lock();
            (state.open, state.settled(), state.last())
        };
        async move {
            loop {
                let settled = self.settled.notified();
                tokio::pin!(settled);
                // From here on a notification counts, also before the first poll.
                settled.as_mut().enable();
                let (now, last_lost) = {
                    let state = self.state.lock();
                    (state.settled(), state.last_lost)
                };
                if now >= last {
                    // A later one may have been lost: that is told, too.
                    return if open && last_lost <= before { Ok(()) } else { Err(Unavailable) };
                }
                settled.await;
            }
        }
    }

    pub(in crate::adapter) fn counts(&self) -> Counts {
        let state = self.state.lock();
        Counts { lost: state.lost, queued_bytes: (state.bytes + state.in_flight_bytes) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Outgoing<()>, bytes: usize) -> Result<(), NotHandedOver> {
        queue.push((), Bytes::from(vec![0; bytes]))
    }

    #[tokio::test]
    async fn it_takes_no_more_than_its_limits_and_nothing_while_closed() {
        let queue = Outgoing::new(100, 3);
        assert_eq!(push(&queue, 1), Err(NotHandedOver::Down));
        queue.open();
        push(&queue, 90).expect("room");
        assert_eq!(push(&queue, 11), Err(NotHandedOver::Full));
        push(&queue, 5).expect("room");
        push(&queue, 5).expect("room");
        assert_eq!(push(&queue, 0), Err(NotHandedOver::Full));
        assert_eq!(queue.batch().await.len(), 3);
        assert_eq!(push(&queue, 1), Err(NotHandedOver::Full), "what is not answered counts");
        queue.answered([true; 3].into_iter());
        push(&queue, 100).expect("room");
        queue.close();
        assert_eq!((queue.counts().lost, queue.counts().queued_bytes), (1, 0));
    }

    #[tokio::test]
    async fn a_flush_waits_for_what_was_before_it_and_says_if_some_was_lost() {
        let queue = Outgoing::new(100, 9);
        queue.open();
        push(&queue, 1).expect("room");
        push(&queue, 1).expect("room");
        let flushed = queue.flushed();
        let batch = queue.batch().await;
        push(&queue, 1).expect("room");
        queue.answered(batch.iter().map(|_| true));
        assert_eq!(flushed.await, Ok(()));
        let flushed = queue.flushed();
        queue.batch().await;
        queue.answered([false].into_iter());
        assert_eq!(flushed.await, Err(Unavailable));
        assert_eq!(queue.flushed().await, Ok(()));
        push(&queue, 1).expect("room");
        let flushed = queue.flushed();
        queue.batch().await;
        queue.close();
        assert_eq!(flushed.await, Err(Unavailable));
        assert_eq!(queue.counts().lost, 2);
    }
}
