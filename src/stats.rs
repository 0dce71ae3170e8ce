//! Counters that the lower layers add to and anybody may read.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What went over one connection, or over all connections of a handler.
///
/// Bytes are those on the wire, frame headers included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages that came in, whole.
    pub messages_received: u64,
    /// Bytes that came in.
    pub bytes_received: u64,
    /// Messages that went out, the last one perhaps not to its end.
    pub messages_sent: u64,
    /// Bytes that went out.
    pub bytes_sent: u64,
    /// Messages refused because the outbox was full: [`SlowReader::DropNewest`](crate::SlowReader), or a
    /// `send` that waited in vain.
    pub dropped_newest: u64,
    /// Messages removed from a full outbox for newer ones.
    pub dropped_oldest: u64,
    /// Messages that were still in the outbox when the connection ended, or when a slow reader was disconnected.
    pub unsent: u64,
    /// Messages that came in after this side had begun to close, or that no callback was called for any more. They
    /// are counted in `messages_received`, too.
    pub ignored: u64,
    /// Messages that came in beyond the rate limit and were [dropped](crate::RateAction::Drop), or closed the
    /// connection.
    pub rate_limited: u64,
}

/// What a session counts for each message, before it tells the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) messages_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) messages_sent: u64,
    pub(crate) bytes_sent: u64,
}

/// What an outbox has dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) newest: u64,
    pub(crate) oldest: u64,
    pub(crate) unsent: u64,
}

impl From<Flow> for Traffic {
    fn from(flow: Flow) -> Self {
        let Flow { messages_received, bytes_received, messages_sent, bytes_sent } = flow;
        Self { messages_received, bytes_received, messages_sent, bytes_sent, ..Self::default() }
    }
}

impl From<Dropped> for Traffic {
    fn from(Dropped { newest, oldest, unsent }: Dropped) -> Self {
        Self { dropped_newest: newest, dropped_oldest: oldest, unsent, ..Self::default() }
    }
}

/// What a [`Handler`](crate::Handler) has seen since it was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open now: their `on_close` has not returned.
    pub open: u64,
    /// Connections accepted so far, the open ones included.
    pub accepted: u64,
    /// Requests for a WebSocket that were refused: malformed, of a foreign origin, or by the application, also if
    /// the refusal was made [visible](crate::Handler::visible_rejects). A request that asks for none is not counted.
    pub refused: u64,
    /// What went over all of them.
    pub traffic: Traffic,
}

impl Stats {
    pub(crate) fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.traffic.add(&other.traffic);
    }
}

impl Traffic {
    fn add(&mut self, other: &Self) {
        self.messages_received += other.messages_received;
        self.bytes_received += other.bytes_received;
        self.messages_sent += other.messages_sent;
        self.bytes_sent += other.bytes_sent;
        self.dropped_newest += other.dropped_newest;
        self.dropped_oldest += other.dropped_oldest;
        self.unsent += other.unsent;
        self.ignored += other.ignored;
        self.rate_limited += other.rate_limited;
    }
}

/// The counters behind [`Traffic`].
///
/// A session adds to them once per batch of messages, so that connections on different cores do not fight
/// over a cache line for each one.
#[derive(Debug, Default)]
pub(crate) struct TrafficCounters {
    messages_received: AtomicU64,
    bytes_received: AtomicU64,
    messages_sent: AtomicU64,
    bytes_sent: AtomicU64,
    /// Boxed, since most connections never have any.
    rare: OnceLock<Box<RareCounters>>,
}

#[derive(Debug, Default)]
struct RareCounters {
    dropped_newest: AtomicU64,
    dropped_oldest: AtomicU64,
    unsent: AtomicU64,
    ignored: AtomicU64,
    rate_limited: AtomicU64,
}

impl TrafficCounters {
    pub(crate) fn add(&self, traffic: &Traffic) {
        let Traffic { messages_received, bytes_received, messages_sent, bytes_sent, .. } = *traffic;
        add_each([
            (&self.messages_received, messages_received),
            (&self.bytes_received, bytes_received),
            (&self.messages_sent, messages_sent),
            (&self.bytes_sent, bytes_sent),
        ]);
        let Traffic { dropped_newest, dropped_oldest, unsent, ignored, rate_limited, .. } = *traffic;
        if dropped_newest | dropped_oldest | unsent | ignored | rate_limited > 0 {
            let rare = self.rare.get_or_init(Box::default);
            add_each([
                (&rare.dropped_newest, dropped_newest),
                (&rare.dropped_oldest, dropped_oldest),
                (&rare.unsent, unsent),
                (&rare.ignored, ignored),
                (&rare.rate_limited, rate_limited),
            ]);
        }
    }

    pub(crate) fn read(&self) -> Traffic {
        let rare = |counter: fn(&RareCounters) -> &AtomicU64| {
            self.rare.get().map_or(0, |rare| counter(rare).load(Relaxed))
        };
        Traffic {
            messages_received: self.messages_received.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
            messages_sent: self.messages_sent.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            dropped_newest: rare(|rare| &rare.dropped_newest),
            dropped_oldest: rare(|rare| &rare.dropped_oldest),
            unsent: rare(|rare| &rare.unsent),
            ignored: rare(|rare| &rare.ignored),
            rate_limited: rare(|rare| &rare.rate_limited),
        }
    }
}

fn add_each<const N: usize>(pairs: [(&AtomicU64, u64); N]) {
    for (counter, more) in pairs {
        if more > 0 {
            counter.fetch_add(more, Relaxed);
        }
    }
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct HandlerCounters {
    open: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    pub(crate) traffic: TrafficCounters,
}

impl HandlerCounters {
    pub(crate) fn accepted(&self) {
        self.open.fetch_add(1, Relaxed);
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        Stats {
            open: self.open.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            traffic: self.traffic.read(),
        }
    }
}
