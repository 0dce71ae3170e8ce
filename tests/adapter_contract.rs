//! The cases that every adapter passes, on the one within a process.

use std::sync::Arc;

use gustnado::{
    adapter::{Adapter, MemoryBus},
    testing::adapter::{self, Engine},
};

struct Bus(MemoryBus);

impl Engine for Bus {
    fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(self.0.adapter())
    }

    fn max_packet(&self) -> Option<usize> {
        None
    }
}

#[tokio::test]
async fn the_memory_bus_holds_what_every_adapter_does() {
    adapter::all(&Bus(MemoryBus::new())).await;
}
