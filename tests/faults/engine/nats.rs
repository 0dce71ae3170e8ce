//! A NATS with JetStream that is killed, frozen, and robbed of its store.

use std::fs;

use rand::rngs::StdRng;

use super::Engine;
use crate::servers::Server;

pub(crate) struct NatsServer(Server);

impl NatsServer {
    pub(crate) fn start() -> Self {
        Self(Server::nats(&["--jetstream", "--store_dir", "store"]))
    }
}

impl Engine for NatsServer {
    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.0.port)
    }

    fn faults(&self) -> &'static [&'static str] {
        &["engine killed", "engine killed", "engine frozen", "log lost: killed without its store"]
    }

    fn break_it(&mut self, fault: &str, _random: &mut StdRng) {
        let server = &mut self.0;
        match fault {
            "engine frozen" => server.freeze(true),
            "engine killed" => server.kill(),
            _ => {
                server.kill();
                // There may be none yet.
                let _ = fs::remove_dir_all(server.folder.join("store"));
            }
        }
    }

    fn is_up(&self) -> bool {
        self.0.is_up()
    }

    fn mend(&mut self) {
        self.0.mend();
    }
}
