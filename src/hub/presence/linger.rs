//! [`Linger`]: those who may come back within the grace time.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::{
    adapter::NodeId,
    conn::ConnId,
    hub::{Hub, Inner},
};

/// Who is gone for good when the grace time is over.
#[derive(Debug)]
pub(super) enum Gone {
    /// A connection of this node, from a room.
    Member(Box<str>, ConnId),
    /// All members of a node that has said goodbye.
    Node(NodeId),
}

/// In the order in which they go, for all have the same time. A task waits while there are any.
#[derive(Debug, Default)]
pub(super) struct Linger(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<(Instant, Gone)>,
    running: bool,
}

impl Hub {
    /// Lets somebody go when the grace time is over.
    pub(super) fn let_go_later(&self, gone: Gone) {
        let presence = &self.0.presence;
        // A connection that ends with its runtime has nobody to wait for it.
        let runtime = tokio::runtime::Handle::try_current().ok().filter(|_| !presence.grace.is_zero());
        let Some(runtime) = runtime else { return self.let_go(&gone) };
        let mut waiting = presence.linger.0.lock();
        waiting.queue.push_back((Instant::now() + presence.grace, gone));
        if !std::mem::replace(&mut waiting.running, true) {
            runtime.spawn(wait(Arc::downgrade(&self.0)));
        }
    }

    fn let_go(&self, gone: &Gone) {
        match gone {
            Gone::Member(room, id) => self.disappear(*id, room),
            Gone::Node(node) => self.forget_node(*node),
        }
    }

    /// Whose time is over; then when the next one's is, if there is one.
    fn due(&self) -> (Vec<Gone>, Option<Instant>) {
        let mut waiting = self.0.presence.linger.0.lock();
        let now = Instant::now();
        let count = waiting.queue.partition_point(|(at, _)| *at <= now);
        let due = waiting.queue.drain(..count).map(|(_, gone)| gone).collect();
        let next = waiting.queue.front().map(|(at, _)| *at);
        waiting.running = next.is_some();
        (due, next)
    }
}

async fn wait(hub: Weak<Inner>) {
    loop {
        let Some(hub_now) = hub.upgrade().map(Hub) else { return };
        let (due, next) = hub_now.due();
        due.iter().for_each(|gone| hub_now.let_go(gone));
        drop(hub_now);
        let Some(next) = next else { return };
        sleep_until(next).await;
    }
}
