//! From a subject to the server that holds its slot, also while slots move.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::{
    names::Channel,
    options::{Address, Options},
    shard::Shard,
    topology::{Ranges, SLOTS, Topology},
};
use crate::adapter::{
    Subject,
    link::{Counts, ShardId, Voice},
};

/// How often it is asked where slots are, if nothing gives a reason to ask at once.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long to wait between two questions that something gave a reason for.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The servers, and the slots and the interests that are with each.
pub(super) struct Map {
    options: Arc<Options>,
    voice: Arc<Voice>,
    moved: Arc<Notify>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    shards: Vec<Arc<Shard>>,
    /// For each slot the place of its server in `shards`; empty at first.
    slots: Vec<Option<usize>>,
    /// As they were last told.
    ranges: Ranges,
    interests: HashMap<Channel, Arc<Subject>>,
    /// What went through the queues of servers that hold nothing any more.
    retired: Counts,
    /// How many servers there were so far.
    made: u64,
}

impl State {
    fn at(&self, slot: u16) -> Option<&Arc<Shard>> {
        let place = self.slots.get(usize::from(slot)).copied()??;
        self.shards.get(place)
    }
}

impl Map {
    pub(super) fn new(options: Arc<Options>, voice: Arc<Voice>) -> Self {
        Self { options, voice, moved: Arc::new(Notify::new()), state: RwLock::default() }
    }

    pub(super) fn shard(&self, channel: &Channel) -> Option<Arc<Shard>> {
        self.state.read().at(channel.slot()).cloned()
    }

    pub(super) fn shards(&self) -> Vec<Arc<Shard>> {
        self.state.read().shards.clone()
    }

    pub(super) fn set_interest(&self, channel: Channel, subject: &Subject, interested: bool) {
        let mut state = self.state.write();
        let subject = Arc::new(subject.clone());
        if interested {
            state.interests.insert(channel.clone(), subject.clone());
        } else {
            state.interests.remove(&channel);
        }
        if let Some(shard) = state.at(channel.slot()) {
            shard.subscriptions.want(channel, &subject, interested, false);
        }
    }

    pub(super) fn is_interested(&self, channel: &Channel) -> bool {
        self.state.read().interests.contains_key(channel)
    }

    /// What went through all queues, those of servers that are gone included.
    pub(super) fn queues(&self) -> Counts {
        let state = self.state.read();
        let now = state.shards.iter().map(|shard| shard.commands.outgoing.counts());
        now.fold(state.retired, |sum, counts| Counts {
            lost: sum.lost + counts.lost,
            queued_bytes: sum.queued_bytes + counts.queued_bytes,
        })
    }

    /// Lets go of every server.
    pub(super) fn end(&self) {
        self.change(&Vec::new()).iter().for_each(|shard| shard.retire());
    }

    /// Asks again soon.
    pub(super) fn look_again(&self) {
        self.moved.notify_one();
    }

    /// Follows the slots for as long as it is polled.
    pub(super) async fn follow(self: Arc<Self>) {
        let options = self.options.clone();
        let mut topology = Topology::new(&options);
        loop {
            match topology.ask().await {
                Some(ranges) => self.apply(&ranges),
                None => tracing::debug!(target: "gustnado", "nobody says where the slots are"),
            }
            tokio::time::sleep(ASK_AGAIN).await;
            let _ = tokio::time::timeout(ASK_EVERY, self.moved.notified()).await;
        }
    }

    fn apply(&self, ranges: &Ranges) {
        if self.state.read().ranges != *ranges {
            let retired = self.change(ranges);
            // The inbox may be told by these, so no lock is held.
            retired.iter().for_each(|shard| shard.retire());
            let complete = self.state.read().slots.iter().all(Option::is_some);
            self.voice.complete(complete);
        }
        self.shards().iter().for_each(|shard| shard.subscriptions.retry());
    }

    /// Gives slots and interests to those who hold them now; tells whose are all gone.
    fn change(&self, ranges: &Ranges) -> Vec<Arc<Shard>> {
        let holders: HashSet<&Address> = ranges.iter().map(|(_, _, address)| address).collect();
        let mut state = self.state.write();
        let before = std::mem::take(&mut *state);
        let (mut shards, retired): (Vec<_>, Vec<_>) =
            before.shards.iter().cloned().partition(|shard| holders.contains(&shard.address));
        state.made = before.made;
        state.slots = vec![None; usize::from(SLOTS)];
        for (first, last, address) in ranges {
            let place = shards.iter().position(|shard| shard.address == *address).unwrap_or_else(|| {
                state.made += 1;
                let (options, voice, moved) = (&self.options, &self.voice, &self.moved);
                shards.push(Arc::new(Shard::new(
                    ShardId(state.made),
                    address.clone(),
                    options,
                    voice,
                    moved,
                )));
                shards.len() - 1
            });
            state.slots[usize::from(*first)..=usize::from(*last)].fill(Some(place));
        }
        state.shards = shards;
        for (channel, subject) in &before.interests {
            let (old, new) = (before.at(channel.slot()), state.at(channel.slot()));
            if old.map(|shard| &shard.address) == new.map(|shard| &shard.address) {
                continue;
            }
            if let Some(old) = old {
                old.subscriptions.abandon(channel);
            }
            if let Some(new) = new {
                new.subscriptions.want(channel.clone(), subject, true, before.made > 0);
            }
        }
        state.retired = before.retired;
        for shard in &retired {
            shard.commands.outgoing.close();
            state.retired.lost += shard.commands.outgoing.counts().lost;
        }
        state.interests = before.interests;
        state.ranges = ranges.clone();
        retired
    }
}
