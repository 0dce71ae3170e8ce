//! [`Faulty`]: an adapter with a bug, or without.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use gustnado::{
    adapter::{
        Adapter, AdapterTraffic, AppendError, Epoch, Gap, History, Inbox, Link, NodeId, NotHandedOver,
        Position, ReadFrom, Retention, Slice, Subject, Unavailable,
    },
    async_trait,
};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// What is wrong with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bug {
    None,
    /// It begins anew under the same epoch.
    ReusesOffsets,
    /// It says that a subscription is confirmed ten seconds before it is, and cannot tell where logs end.
    ReadsBeforeSubscribing,
    /// It counts the entries that come itself, and cannot tell where logs end.
    SkipsTheContiguityCheck,
}

/// An adapter with a bug.
pub struct Faulty {
    inner: Arc<dyn Adapter>,
    bug: Bug,
}

/// The one epoch of an engine that does not know of epochs.
const SAME: Epoch = Epoch::new(7);

impl Faulty {
    pub fn new(inner: impl Adapter, bug: Bug) -> Self {
        Self { inner: Arc::new(inner), bug }
    }

    fn log(&self) -> &dyn History {
        self.inner.history().expect("an engine with logs")
    }

    fn shown(&self, position: Position) -> Position {
        if self.bug == Bug::ReusesOffsets { Position { epoch: SAME, ..position } } else { position }
    }

    fn tells_tops(&self) -> bool {
        matches!(self.bug, Bug::None | Bug::ReusesOffsets)
    }
}

struct FaultyInbox {
    inner: Arc<dyn Inbox>,
    bug: Bug,
    last: Mutex<HashMap<String, Position>>,
}

impl Inbox for FaultyInbox {
    fn packet(&self, subject: &Subject, packet: Bytes) {
        self.inner.packet(subject, packet);
    }

    fn entry(&self, room: &str, mut position: Position, entry: Bytes) {
        match self.bug {
            Bug::ReusesOffsets => position.epoch = SAME,
            Bug::SkipsTheContiguityCheck => {
                let mut last = self.last.lock().expect("no panic");
                let last = last.entry(room.into()).or_insert(position);
                if last.epoch == position.epoch && position.offset > last.offset + 1 {
                    position.offset = last.offset + 1;
                }
                *last = position;
            }
            Bug::None | Bug::ReadsBeforeSubscribing => {}
        }
        self.inner.entry(room, position, entry);
    }

    fn link_changed(&self, link: Link) {
        self.inner.link_changed(link);
    }

    fn interrupted(&self) {
        self.inner.interrupted();
    }
}

#[async_trait]
impl Adapter for Faulty {
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>) {
        let last = Mutex::default();
        self.inner.start(node, Arc::new(FaultyInbox { inner: inbox, bug: self.bug, last }));
    }

    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver> {
        self.inner.publish(subject, packet)
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        self.inner.flush().await
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        if self.bug == Bug::ReadsBeforeSubscribing && interested {
            let (inner, subject) = (Arc::downgrade(&self.inner), subject.clone());
            tokio::spawn(async move {
                sleep(Duration::from_secs(10)).await;
                if let Some(inner) = inner.upgrade() {
                    inner.set_interest(&subject, true);
                }
            });
        } else {
            self.inner.set_interest(subject, interested);
        }
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        match self.bug {
            Bug::ReadsBeforeSubscribing => Ok(()),
            _ => self.inner.confirmed(subject).await,
        }
    }

    fn link(&self) -> Link {
        self.inner.link()
    }

    fn traffic(&self) -> AdapterTraffic {
        self.inner.traffic()
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }

    async fn stop(&self) {
        self.inner.stop().await;
    }
}

#[async_trait]
impl History for Faulty {
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        kept: Retention,
    ) -> Result<Position, AppendError> {
        self.log().append(room, entry, key, kept).await.map(|position| self.shown(position))
    }

    async fn read(
        &self,
        room: &str,
        mut from: ReadFrom,
        max: usize,
        kept: Retention,
    ) -> Result<Slice, Unavailable> {
        if let (ReadFrom::After(position), Bug::ReusesOffsets) = (&mut from, self.bug) {
            position.epoch = self.log().read(room, ReadFrom::Last(0), 0, kept).await?.top.epoch;
        }
        let mut slice = self.log().read(room, from, max, kept).await?;
        slice.top = self.shown(slice.top);
        if self.bug == Bug::ReusesOffsets && slice.entries == Err(Gap::Epoch) {
            slice.entries = Ok(Vec::new());
        }
        Ok(slice)
    }

    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        match self.tells_tops() {
            true => {
                let tops = self.log().tops(rooms).await?;
                Ok(tops.into_iter().map(|top| top.map(|top| self.shown(top))).collect())
            }
            false => Err(Unavailable),
        }
    }
}
