//! [`Later`]: writing what a group was sent without waking the tasks of its members.

use std::{collections::VecDeque, io::IoSlice, sync::atomic::Ordering::Relaxed};

use tokio::runtime::Handle;

use crate::stats::{Flow, Traffic};

use super::{Conn, Inner, State, rope::MAX_SLICES};

/// How many connections are written to before other tasks get a turn: some 300 µs of system calls.
const SLICE: usize = 64;

/// Members that were given something to write while their sessions slept. Dropping it has it written.
///
/// To wake a session costs a tenth of a delivery: its task is queued and polled, and all its memory comes into the
/// caches, where a write needs an outbox and a socket. What the socket does not take is left to the session.
#[derive(Default)]
pub(crate) struct Later(Vec<Conn>);

impl Later {
    /// `conn` was given something to write: its session is woken only if it has to do that itself.
    pub(super) fn add(&mut self, conn: &Conn, state: &mut State) {
        if !state.is_direct() {
            conn.0.wake(state);
        } else if conn.0.parked.load(Relaxed) {
            // Whoever comes before it was written need not wake the session either.
            conn.0.parked.store(false, Relaxed);
            self.0.push(conn.clone());
        }
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        let runtime = Handle::try_current().ok().filter(|_| self.0.len() > 1);
        let mut members = std::mem::take(&mut self.0).into_iter();
        while members.len() > 0 {
            let slice = Slice(members.by_ref().take(SLICE).collect());
            // In tasks, as the sessions would have: other workers can take their share, and whoever sends does not wait.
            if let Some(runtime) = &runtime {
                runtime.spawn(async move { slice.write() });
            }
        }
    }
}

/// Members that one task writes to. Those to whom it does not come are woken.
struct Slice(VecDeque<Conn>);

impl Slice {
    fn write(mut self) {
        while let Some(conn) = self.0.pop_front() {
            conn.0.write_now();
        }
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        for conn in &self.0 {
            conn.0.rouse(&conn.state());
        }
    }
}

impl Inner {
    /// Writes what is queued, or leaves it to the session.
    fn write_now(&self) {
        let mut state = self.state.lock();
        let mut flow = Flow::default();
        let written = state.write_now(&mut flow);
        self.count(&Traffic::from(flow));
        self.count(&Traffic::from(state.outbox.take_dropped()));
        if flow.bytes_sent > 0 {
            self.drained(&state);
        }
        if written {
            // As it was before somebody else said that the session need not be woken.
            self.parked.store(true, Relaxed);
        } else {
            self.rouse(&state);
        }
    }
}

impl State {
    /// Whether somebody else than the session may write: when it has left nothing that must go before, and nothing is
    /// to be compressed, which only the session can.
    fn is_direct(&self) -> bool {
        self.flowing && self.tcp.is_some() && !self.outbox.has_takeover()
    }

    /// Whether everything was written, and the session has nothing to do.
    fn write_now(&mut self, flow: &mut Flow) -> bool {
        let Some(tcp) = self.tcp.as_ref().filter(|_| self.flowing) else { return false };
        if self.ping_requested || self.cut || self.outbox.is_closing() {
            return false;
        }
        while !self.outbox.is_idle() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let used = self.outbox.fill(&mut slices, 0);
            let written = match used {
                // `send` is a little cheaper than `writev`.
                1 => tcp.try_write(&slices[0]),
                _ => tcp.try_write_vectored(&slices[..used]),
            };
            // An error is the session's: it will meet it again.
            let Ok(count @ 1..) = written else {
                self.flowing = false;
                return false;
            };
            flow.bytes_sent += count as u64;
            flow.messages_sent += self.outbox.written(count, &mut self.rest);
        }
        true
    }
}
