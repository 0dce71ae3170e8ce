//! [`Log`]: the logs of the engine, or this process's own.

use bytes::Bytes;
use tokio::time::timeout;

use crate::{
    adapter::{AppendError, MemoryLog, Position, ReadFrom, Retention, Slice, Subject, Unavailable},
    hub::Hub,
};

use super::TIMEOUT;

/// The logs of a hub that has no adapter.
#[derive(Default)]
pub(super) struct Log(MemoryLog);

impl Hub {
    pub(super) async fn append_entry(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        retention: Retention,
    ) -> Result<Position, AppendError> {
        let Some(cluster) = &self.0.cluster else {
            let appended = self.0.histories.log.0.append(room, entry.clone(), key, retention)?;
            if appended.new {
                self.entry(room, appended.position, entry);
            }
            return Ok(appended.position);
        };
        match cluster.adapter.history() {
            Some(log) => {
                let appended = timeout(TIMEOUT, log.append(room, entry, key, retention)).await;
                appended.unwrap_or(Err(AppendError::Unknown))
            }
            None => Err(AppendError::Rejected("the adapter keeps no logs".into())),
        }
    }

    pub(super) async fn read_log(
        &self,
        room: &str,
        from: ReadFrom,
        retention: Retention,
    ) -> Result<Slice, Unavailable> {
        let max = self.0.histories.recover_max;
        let Some(cluster) = &self.0.cluster else { return Ok(self.read_own_log(room, from, retention)) };
        let log = cluster.adapter.history().ok_or(Unavailable)?;
        timeout(TIMEOUT, log.read(room, from, max, retention)).await.unwrap_or(Err(Unavailable))
    }

    pub(super) fn read_own_log(&self, room: &str, from: ReadFrom, retention: Retention) -> Slice {
        let histories = &self.0.histories;
        histories.log.0.read(room, from, histories.recover_max, retention)
    }

    /// Waits until what is appended from here on comes.
    pub(super) async fn confirm_interest(&self, room: &str) -> Result<(), Unavailable> {
        let Some(cluster) = &self.0.cluster else { return Ok(()) };
        let subject = Subject::room(room);
        timeout(TIMEOUT, cluster.adapter.confirmed(&subject)).await.unwrap_or(Err(Unavailable))
    }

    pub(super) async fn read_tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        let Some(cluster) = &self.0.cluster else { return Ok(self.0.histories.log.0.tops(rooms)) };
        let log = cluster.adapter.history().ok_or(Unavailable)?;
        timeout(TIMEOUT, log.tops(rooms)).await.unwrap_or(Err(Unavailable))
    }
}
