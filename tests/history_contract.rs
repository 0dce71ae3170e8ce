//! The logs in memory pass the cases that every engine's logs pass.

use bytes::Bytes;
use gustnado::{
    adapter::{AppendError, History, MemoryLog, Position, ReadFrom, Retention, Slice, Unavailable},
    async_trait,
};

/// The logs of an engine that gives its entries to nobody.
struct Alone(MemoryLog);

#[async_trait]
impl History for Alone {
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        kept: Retention,
    ) -> Result<Position, AppendError> {
        self.0.append(room, entry, key, kept).map(|it| it.position)
    }

    async fn read(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        kept: Retention,
    ) -> Result<Slice, Unavailable> {
        Ok(self.0.read(room, from, max, kept))
    }

    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        Ok(self.0.tops(rooms))
    }
}

#[tokio::test]
async fn the_log_in_memory_holds_what_every_log_holds() {
    gustnado::testing::history::all(&Alone(MemoryLog::default())).await;
}
