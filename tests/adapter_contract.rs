//! The cases that every adapter passes, on the one within a process.

use std::sync::Arc;

use gustnado::{
    adapter::{Adapter, Link, MemoryBus},
    async_trait,
    testing::adapter::{self, Engine},
};

struct Bus(MemoryBus);

#[async_trait]
impl Engine for Bus {
    fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(self.0.adapter().max_packet_size(1024 * 1024))
    }

    async fn cut(&self) {
        self.0.set_links(Link::Down);
    }

    async fn mend(&self) {
        self.0.set_links(Link::Up);
    }
}

#[tokio::test]
async fn the_memory_bus_holds_what_every_adapter_does() {
    adapter::all(&Bus(MemoryBus::new())).await;
}

#[tokio::test]
async fn the_memory_bus_holds_what_every_adapter_does_when_it_is_cut() {
    adapter::all_with_cuts(&Bus(MemoryBus::new())).await;
}
