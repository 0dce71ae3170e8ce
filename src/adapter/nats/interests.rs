//! What is wanted of the server, and what it has confirmed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use async_nats::Subscriber;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{log::Logs, next};
use crate::adapter::{
    Subject, Unavailable,
    link::{Owned, Payload, ShardId, Voice},
};

pub(super) struct Interests {
    id: ShardId,
    voice: Arc<Voice>,
    logs: Arc<Logs>,
    state: Mutex<State>,
    /// Something is to be written, or told.
    pub(super) changed: Notify,
    /// Something was confirmed, or cut.
    confirmed: Notify,
}

#[derive(Default)]
struct State {
    wishes: HashMap<String, Wish>,
    /// Names whose wish may not be what was last written.
    unwritten: Vec<String>,
    connected: bool,
    /// Wishes that were there before the connection, or the cut, and are not confirmed yet.
    missing: usize,
    whole: bool,
    /// The server skipped packets, since we were slow.
    gap: bool,
}

struct Wish {
    subject: Arc<Subject>,
    /// Looked at for each packet, too: letting go of a subscription takes a moment.
    wanted: Arc<AtomicBool>,
    written: bool,
    /// Reads what comes.
    reader: Option<Owned>,
    confirmed: bool,
    missing: bool,
}

impl Interests {
    pub(super) fn new(id: ShardId, voice: Arc<Voice>, logs: Arc<Logs>) -> Self {
        Self { id, voice, logs, state: Mutex::default(), changed: Notify::new(), confirmed: Notify::new() }
    }

    /// Called under locks of the hub: tells nobody.
    pub(super) fn want(&self, subject: &Subject, wanted: bool, name: String) {
        let mut state = self.state.lock();
        let state = &mut *state;
        if !wanted && !state.wishes.contains_key(&name) {
            return;
        }
        let wish = state.wishes.entry(name.clone()).or_insert_with(|| Wish {
            subject: Arc::new(subject.clone()),
            wanted: Arc::default(),
            written: false,
            reader: None,
            confirmed: false,
            missing: false,
        });
        wish.wanted.store(wanted, Relaxed);
        if !wanted {
            state.missing -= usize::from(std::mem::take(&mut wish.missing));
        }
        // Without a connection there is nothing to write; the next one is told of everything.
        if state.connected {
            state.unwritten.push(name);
        } else if !wanted {
            state.wishes.remove(&name);
        }
        self.changed.notify_one();
    }

    pub(super) async fn confirmed(&self, name: &str) -> Result<(), Unavailable> {
        loop {
            let confirmed = self.confirmed.notified();
            tokio::pin!(confirmed);
            confirmed.as_mut().enable();
            match self.state.lock().wishes.get(name) {
                Some(wish) if wish.is_wanted() && wish.confirmed => return Ok(()),
                Some(wish) if wish.is_wanted() => {}
                _ => return Err(Unavailable),
            }
            confirmed.await;
        }
    }

    /// There is a connection: everything that is wanted is to be written.
    pub(super) fn restore(&self) {
        let mut state = self.state.lock();
        state.connected = true;
        state.start_over();
        state.unwritten = state.wishes.keys().cloned().collect();
    }

    pub(super) fn cut(&self) {
        let mut state = self.state.lock();
        (state.connected, state.whole) = (false, false);
        state.start_over();
        drop(state);
        self.confirmed.notify_waiters();
        self.voice.cut(self.id);
    }

    /// Nothing is wanted any more.
    pub(super) fn end(&self) {
        *self.state.lock() = State::default();
        self.confirmed.notify_waiters();
    }

    /// Packets were dropped before we read them.
    pub(super) fn skipped(&self) {
        self.state.lock().gap = true;
        self.changed.notify_one();
    }

    /// The next names that have to be subscribed to; those that are not wanted any more are let go of.
    pub(super) fn take(&self) -> Vec<String> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut on = Vec::new();
        for name in state.unwritten.drain(..) {
            let Some(wish) = state.wishes.get_mut(&name) else { continue };
            if !wish.is_wanted() {
                // Its reader ends, and with it the subscription.
                state.wishes.remove(&name);
            } else if !std::mem::replace(&mut wish.written, true) {
                on.push(name);
            }
        }
        on
    }

    /// There is a subscription: its packets go to the inbox.
    pub(super) fn subscribed(&self, name: &str, mut packets: Subscriber) {
        let mut state = self.state.lock();
        let Some(wish) = state.wishes.get_mut(name) else { return };
        let (voice, subject, wanted) = (self.voice.clone(), wish.subject.clone(), wish.wanted.clone());
        let logs = self.logs.clone();
        wish.reader = Some(Owned::spawn(async move {
            while let Some(message) = next(&mut packets).await {
                if !wanted.load(Relaxed) {
                    continue;
                }
                match logs.position_of(subject.name(), &message) {
                    Some(position) => voice.deliver(&subject, Payload::Entry(position, message.payload)),
                    None => voice.receive(&subject, &message.payload),
                }
            }
        }));
    }

    /// The server has done all that was written.
    pub(super) fn answered(&self, names: &[String]) {
        let mut state = self.state.lock();
        let State { wishes, missing, .. } = &mut *state;
        for name in names {
            if let Some(wish) = wishes.get_mut(name).filter(|wish| wish.reader.is_some()) {
                wish.confirmed = true;
                *missing -= usize::from(std::mem::take(&mut wish.missing));
            }
        }
        drop(state);
        self.confirmed.notify_waiters();
    }

    /// Tells what has become of the subscriptions as a whole.
    pub(super) fn tell(&self) {
        let (gap, became_whole) = {
            let mut state = self.state.lock();
            let gap = std::mem::take(&mut state.gap);
            let whole = state.missing == 0;
            let was_whole = std::mem::replace(&mut state.whole, whole) && !gap;
            (gap, whole && !was_whole)
        };
        if gap {
            self.voice.cut(self.id);
        }
        if became_whole {
            self.voice.shard(self.id, |shard| shard.listening = true);
        }
    }
}

impl Wish {
    fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed)
    }
}

impl State {
    fn start_over(&mut self) {
        self.wishes.retain(|_, wish| wish.is_wanted());
        for wish in self.wishes.values_mut() {
            (wish.written, wish.reader, wish.confirmed, wish.missing) = (false, None, false, true);
        }
        self.missing = self.wishes.len();
        self.unwritten.clear();
    }
}
