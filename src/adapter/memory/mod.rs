//! [`MemoryBus`]: several hubs in one process.

mod bus;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use async_trait::async_trait;
use bytes::Bytes;

pub use self::bus::MemoryBus;
use self::bus::Place;

use super::{
    Adapter, AdapterTraffic, AppendError, History, Inbox, Link, NodeId, NotHandedOver, Position, ReadFrom,
    Retention, Slice, Subject, Unavailable,
};

/// The largest packet, unless said otherwise: as much as an adapter of Redis takes.
const MAX_PACKET: usize = 8 << 20;

/// One hub's end of a [`MemoryBus`].
#[derive(Debug)]
pub struct Memory {
    bus: MemoryBus,
    max_packet: usize,
    place: OnceLock<Arc<Place>>,
    published: AtomicU64,
    refused: AtomicU64,
}

impl Memory {
    fn new(bus: MemoryBus) -> Self {
        let (place, published, refused) = Default::default();
        Self { bus, max_packet: MAX_PACKET, place, published, refused }
    }

    /// The largest packet: 8 MiB by default.
    #[must_use]
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet = bytes;
        self
    }

    fn if_up(&self) -> Result<(), Unavailable> {
        if self.link() == Link::Up { Ok(()) } else { Err(Unavailable) }
    }

    fn try_publish(&self, subject: &Subject, packet: &Bytes) -> Result<(), NotHandedOver> {
        match self.link() {
            _ if packet.len() > self.max_packet => return Err(NotHandedOver::TooLarge),
            Link::Up | Link::Degraded => self.bus.deliver(subject, packet),
            Link::Down => return Err(NotHandedOver::Down),
        }
        Ok(())
    }
}

#[async_trait]
impl Adapter for Memory {
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>) {
        let _ = self.place.set(self.bus.enter(node, inbox));
    }

    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver> {
        let done = self.try_publish(subject, &packet);
        let counter = if done.is_ok() { &self.published } else { &self.refused };
        counter.fetch_add(1, Relaxed);
        done
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        match self.link() {
            Link::Up | Link::Degraded => Ok(()),
            Link::Down => Err(Unavailable),
        }
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        if let Some(place) = self.place.get() {
            self.bus.set_interest(place.node, subject, interested);
        }
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        let interested = self.place.get().is_some_and(|place| self.bus.is_interested(place.node, subject));
        if interested && self.link() != Link::Down { Ok(()) } else { Err(Unavailable) }
    }

    fn link(&self) -> Link {
        self.place.get().and_then(|place| self.bus.link(place.node)).unwrap_or(Link::Down)
    }

    fn traffic(&self) -> AdapterTraffic {
        let place = self.place.get();
        AdapterTraffic {
            published: self.published.load(Relaxed),
            refused: self.refused.load(Relaxed),
            received: place.map_or(0, |place| place.received.load(Relaxed)),
            reconnects: place.map_or(0, |place| place.reconnects.load(Relaxed)),
            ..AdapterTraffic::default()
        }
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn stop(&self) {
        if let Some(place) = self.place.get() {
            self.bus.leave(place.node);
        }
    }
}

/// Logs that all hubs of the bus share, in this process' memory.
#[async_trait]
impl History for Memory {
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        retention: Retention,
    ) -> Result<Position, AppendError> {
        match self.link() {
            Link::Up => self.bus.append(room, &entry, key, retention),
            // What comes back is lost.
            Link::Degraded => self.bus.append(room, &entry, key, retention).and(Err(AppendError::Unknown)),
            Link::Down => Err(AppendError::Rejected(NotHandedOver::Down.to_string())),
        }
    }

    async fn read(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        retention: Retention,
    ) -> Result<Slice, Unavailable> {
        self.if_up().map(|()| self.bus.read(room, from, max, retention))
    }

    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        self.if_up().map(|()| self.bus.tops(rooms))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(place) = self.place.get() {
            self.bus.leave(place.node);
        }
    }
}
