//! Reading the logs: a task for each room as long as something is missing, and one watch for all of them.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, time::sleep};

use crate::{
    adapter::{Position, ReadFrom, Slice},
    hub::{Hub, Inner, group::Group},
};

use super::{
    Lost,
    entry::Published,
    room::{Delivered, Followed},
};

/// As many logs are read at the same time.
pub(super) const READS: usize = 16;

/// How often the ends of all logs are compared with where this node is: a message that got lost on its way to a quiet
/// room is found within that, and one answer of the log.
const INTERVAL: Duration = Duration::from_secs(3);

/// As many rooms are asked about in one call.
const ROOMS: usize = 10_000;

/// How long to wait after a read that failed, at first and at most.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The task that looks after all rooms with history.
#[derive(Default)]
pub(super) struct Watch {
    runs: AtomicBool,
    now: Arc<Notify>,
}

impl Hub {
    /// An entry has come from the log.
    pub(in crate::hub) fn entry(&self, room: &str, position: Position, entry: Bytes) {
        let histories = &self.0.histories;
        histories.counters.entries.add_one();
        let group = self.0.index.read().rooms.get(room).cloned();
        let Some((group, followed)) = group.as_ref().and_then(|group| Some((group, group.followed()?)))
        else {
            return;
        };
        let entry = Published::new(room, position, entry, histories.frame.as_deref());
        let report = followed.entry(position, entry, &histories.counters);
        self.delivered(group, &report);
        self.drive(group, followed);
    }

    /// The link was away: every room is compared with its log now.
    pub(in crate::hub) fn check_histories(&self) {
        self.0.histories.watch.now.notify_one();
    }

    /// Sees to it that what is missing in a room is read.
    pub(super) fn drive(&self, group: &Arc<Group>, followed: &Followed) {
        if !followed.take_drive() {
            return;
        }
        if self.0.cluster.is_some() {
            tokio::spawn(read_until_nothing_is_missing(Arc::downgrade(&self.0), group.clone()));
            return;
        }
        // The log of this process answers at once.
        while let Some((from, _)) = followed.begin_read() {
            self.0.histories.counters.reads.add_one();
            self.apply(group, followed, self.read_own_log(&group.name, from, followed.retention));
        }
    }

    /// Sees to it that rooms are looked after.
    pub(super) fn watch_histories(&self) {
        let watch = &self.0.histories.watch;
        if !watch.runs.swap(true, Relaxed) {
            tokio::spawn(watch_all(Arc::downgrade(&self.0), watch.now.clone()));
        }
    }

    async fn read_once(
        &self,
        group: &Group,
        followed: &Followed,
        from: ReadFrom,
        was_read: bool,
    ) -> Result<(), Lost> {
        let histories = &self.0.histories;
        let counters = &histories.counters;
        let _permit = histories.reading.acquire().await.map_err(|_closed| Lost::Unavailable)?;
        // From here on nothing is missed without a word; so what the read does not have will come. A room that is
        // followed already is better read without that than not at all.
        let confirmed = self.confirm_interest(&group.name).await;
        counters.reads.add_one();
        let read = match confirmed {
            Err(_) if !was_read => Err(Lost::Unavailable),
            _ => self.read_log(&group.name, from, followed.retention).await.map_err(|_| Lost::Unavailable),
        };
        let Ok(slice) = read else {
            counters.failed_reads.add_one();
            followed.failed(counters);
            return Err(Lost::Unavailable);
        };
        self.apply(group, followed, slice);
        Ok(())
    }

    /// Gives members what a read has brought.
    fn apply(&self, group: &Group, followed: &Followed, slice: Slice) {
        let (histories, Slice { top, entries }) = (&self.0.histories, slice);
        let frame = histories.frame.as_deref();
        let entries = entries.map_err(Lost::from).map(|entries| {
            let published = entries.into_iter().map(|(offset, bytes)| {
                (offset, Published::new(&group.name, Position { offset, ..top }, bytes, frame))
            });
            published.collect()
        });
        let delivered = followed.slice(top, entries, &histories.counters);
        self.delivered(group, &delivered);
    }

    /// Counts what was put into outboxes.
    fn delivered(&self, group: &Group, delivered: &Delivered) {
        group.count(delivered);
        self.0.fan_out.add_many(delivered.messages, delivered.bytes, &delivered.report);
        self.0.encoded.fetch_add(delivered.encoded as u64, Relaxed);
    }
}

async fn read_until_nothing_is_missing(hub: Weak<Inner>, group: Arc<Group>) {
    let Some(followed) = group.followed() else { return };
    let mut pause = PAUSE;
    while let Some((from, was_read)) = followed.begin_read() {
        let Some(hub) = hub.upgrade().map(Hub) else { return };
        let done = hub.read_once(&group, followed, from, was_read).await;
        drop(hub);
        if done.is_ok() {
            pause = PAUSE;
        } else {
            sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

async fn watch_all(hub: Weak<Inner>, now: Arc<Notify>) {
    loop {
        let asked = tokio::time::timeout(INTERVAL, now.notified()).await.is_ok();
        let Some(hub) = hub.upgrade().map(Hub) else { return };
        let rooms: Vec<_> = {
            let index = hub.0.index.read();
            index.rooms.values().filter(|group| group.followed().is_some()).cloned().collect()
        };
        for rooms in rooms.chunks(ROOMS) {
            hub.compare_with_logs(rooms, !asked).await;
        }
    }
}

impl Hub {
    async fn compare_with_logs(&self, rooms: &[Arc<Group>], tick: bool) {
        let names: Vec<&str> = rooms.iter().map(|group| &*group.name).collect();
        let tops = self.read_tops(&names).await.ok();
        for (at, group) in rooms.iter().enumerate() {
            let Some(followed) = group.followed() else { continue };
            if tick {
                followed.tick();
            }
            if let Some(top) = tops.as_ref().and_then(|tops| tops.get(at)) {
                followed.top(*top);
            }
            self.drive(group, followed);
        }
    }
}
