//! [`Lent`]: taps of this hub that others read, for as long as they keep asking.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    adapter::{NodeId, Subject},
    conn::ConnId,
    hub::{Event, Hub, Inner, Tap, TapFilter},
};

use super::{
    Cluster,
    ask::Answer,
    packet::Packet,
    wire::{Wire, wire},
};

/// Who has not asked again for so long is gone: three times at least are missing.
const LEASE: Duration = Duration::from_secs(10);

/// As many are lent at the same time; who asks for more gets no answer.
const MAX_LENT: usize = 16;

/// As many events and bytes go into a batch, and no batch follows another one sooner: so a tap costs the engine 20
/// packets and little more than a megabyte per second at most, whatever happens here.
pub(in crate::hub) const MAX_EVENTS: usize = 256;
const MAX_BYTES: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(50);

/// As much of each message is shown.
const MAX_PREVIEW: usize = 4096;

/// What somebody wants to see: a filter that can travel.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Wish {
    preview: usize,
    room: Option<String>,
    user: Option<String>,
    conn: Option<ConnId>,
    contains: Option<String>,
}

/// What a lent tap saw since the batch before.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Batch {
    /// Which tap of its node that is.
    pub(in crate::hub) tap: u64,
    /// How many events it wanted before these: what the reader does not have of them it has missed.
    pub(in crate::hub) before: u64,
    pub(in crate::hub) events: Vec<Event>,
}

wire! {
    Wish { preview, room, user, conn, contains }
    Batch { tap, before, events }
}

impl Wish {
    pub(in crate::hub) fn of(filter: &TapFilter) -> Self {
        let TapFilter { preview, room, user, conn, contains, .. } = filter.clone();
        Self { preview, room, user, conn, contains }
    }

    fn filter(self, hub: &Hub) -> TapFilter {
        let Self { preview, room, user, conn, contains } = self;
        let preview = preview.min(MAX_PREVIEW);
        TapFilter {
            preview,
            room,
            user,
            conn,
            contains,
            redact: hub.0.config.redact.clone(),
            ..TapFilter::default()
        }
    }
}

/// What keeps each tap alive, by its reader and the number of its question.
#[derive(Debug, Default)]
pub(super) struct Lent {
    taps: HashMap<(NodeId, u64), mpsc::Sender<()>>,
    /// How many there were so far.
    made: u64,
}

impl Cluster {
    /// Passes on to a node what happens here, or goes on with it.
    pub(super) fn lend(&self, hub: &Hub, to: NodeId, id: u64, wish: Wish) {
        let mut lent = self.lent.lock();
        if let Some(asked_again) = lent.taps.get(&(to, id)) {
            // One is enough.
            let _ = asked_again.try_send(());
            return;
        }
        if lent.taps.len() >= MAX_LENT {
            tracing::warn!(node = %to, "one more tap was asked for than this node lends");
            return;
        }
        let (asked_again, renewed) = mpsc::channel(1);
        lent.taps.insert((to, id), asked_again);
        lent.made += 1;
        let reader = Reader { hub: Arc::downgrade(&hub.0), to, id, tap: lent.made, passed_on: 0 };
        drop(lent);
        tokio::spawn(reader.serve(hub.tap(wish.filter(hub)), renewed));
    }
}

/// Who reads a tap from elsewhere.
struct Reader {
    hub: Weak<Inner>,
    to: NodeId,
    id: u64,
    tap: u64,
    /// Events that have left, or that the adapter did not take.
    passed_on: u64,
}

impl Reader {
    /// Passes on what happens until nobody asks for it any more, or the hub is gone.
    async fn serve(mut self, mut tap: Tap, mut renewed: mpsc::Receiver<()>) {
        let mut until = Instant::now() + LEASE;
        let mut first = None;
        // Also when nothing has happened: so the reader knows that it is passed on, and what it has missed.
        while self.pass_on(first.take(), &mut tap) {
            sleep(PAUSE).await;
            tokio::select! {
                event = tap.next() => match event {
                    Some(event) => first = Some(event),
                    None => break,
                },
                renewed = timeout_at(until, renewed.recv()) => match renewed {
                    Ok(Some(())) => until = Instant::now() + LEASE,
                    _ => break,
                },
            }
        }
        if let Some(hub) = self.hub.upgrade()
            && let Some(cluster) = &hub.cluster
        {
            cluster.lent.lock().taps.remove(&(self.to, self.id));
        }
    }

    /// Sends what is there; whether there is still a hub to send it.
    fn pass_on(&mut self, first: Option<Event>, tap: &mut Tap) -> bool {
        let Some(hub) = self.hub.upgrade() else { return false };
        let Some(cluster) = &hub.cluster else { return false };
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut next = first.or_else(|| tap.try_next());
        while let Some(event) = next {
            event.write(&mut bytes);
            events.push(event);
            let is_full = events.len() >= MAX_EVENTS || bytes >= MAX_BYTES;
            next = if is_full { None } else { tap.try_next() };
        }
        let count = events.len() as u64;
        let batch = Batch { tap: self.tap, before: self.passed_on + tap.missed(), events };
        self.passed_on += count;
        // What is not taken is missing in the next `before`.
        cluster.tell(&Subject::Node(self.to), &Packet::Answer(self.id, Answer::Events(batch)));
        true
    }
}
