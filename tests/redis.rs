//! The adapter over a Redis that the test starts, freezes, kills and flushes.

#[path = "support/inbox.rs"]
mod inbox;
#[path = "support/servers.rs"]
mod servers;

use std::sync::Arc;

use gustnado::{
    adapter::{Adapter, Redis},
    async_trait, testing,
};
use inbox::Node;
use parking_lot::Mutex;
use servers::Server;

/// One server, for the contract.
struct One {
    server: Mutex<Server>,
    url: String,
}

impl One {
    fn new() -> Self {
        let server = Server::redis(&[]);
        Self { url: server.url(), server: Mutex::new(server) }
    }
}

#[async_trait]
impl testing::adapter::Engine for One {
    fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(Redis::new(&self.url).expect("a URL").max_packet_size(self.max_packet()))
    }

    async fn cut(&self) {
        self.server.lock().kill();
    }

    async fn mend(&self) {
        self.server.lock().start();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does() {
    testing::adapter::all(&One::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does_when_its_server_is_killed() {
    testing::adapter::all_with_cuts(&One::new()).await;
}

/// The same, with a server that is silent instead of gone.
struct Frozen(One);

#[async_trait]
impl testing::adapter::Engine for Frozen {
    fn adapter(&self) -> Arc<dyn Adapter> {
        self.0.adapter()
    }

    async fn cut(&self) {
        self.0.server.lock().freeze(true);
    }

    async fn mend(&self) {
        self.0.server.lock().freeze(false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does_when_its_server_freezes() {
    testing::adapter::all_with_cuts(&Frozen(One::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_logs_hold_what_every_engine_s_do() {
    let server = Server::redis(&[]);
    let node = Node::up(redis(&server)).await;
    testing::history::all(node.history()).await;
}

fn redis(server: &Server) -> Redis {
    Redis::new(&server.url()).expect("a URL")
}
