//! [`Lane`]: the commands of a connection that wait while one is carried out in a task of its own.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Calls that wait, in the order in which they came.
///
/// It is busy from when a handler goes on in its own task until that task has found nothing more to do.
pub(super) struct Lane<C> {
    max: usize,
    state: Mutex<State<C>>,
    /// Told when there is room again.
    moved: Notify,
}

struct State<C> {
    waiting: VecDeque<C>,
    busy: bool,
}

/// What became of a call that came.
pub(super) enum Entered<C> {
    /// Nothing runs: it is the caller's to carry out.
    Idle(C),
    /// It waits for its turn.
    Waits,
    /// So many wait already that there is no room.
    Full(C),
}

impl<C> Lane<C> {
    pub(super) fn new(max: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), busy: false });
        Self { max, state, moved: Notify::new() }
    }

    pub(super) fn enter(&self, call: C) -> Entered<C> {
        let mut state = self.state.lock();
        if !state.busy {
            return Entered::Idle(call);
        }
        if state.waiting.len() >= self.max {
            return Entered::Full(call);
        }
        state.waiting.push_back(call);
        Entered::Waits
    }

    pub(super) fn set_busy(&self) {
        self.state.lock().busy = true;
    }

    /// The next call for the task that carries them out; with `None` the lane is idle again.
    pub(super) fn next(&self) -> Option<C> {
        let mut state = self.state.lock();
        let next = state.waiting.pop_front();
        if next.is_none() {
            *state = State { waiting: VecDeque::new(), busy: false };
        }
        self.moved.notify_waiters();
        next
    }

    /// Nothing that waits is carried out any more.
    pub(super) fn clear(&self) {
        self.state.lock().waiting.clear();
        self.moved.notify_waiters();
    }

    /// Returns after the next change; ask for it before looking.
    pub(super) fn moved(&self) -> tokio::sync::futures::Notified<'_> {
        self.moved.notified()
    }
}
