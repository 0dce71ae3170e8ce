//! A NATS with JetStream that is killed, frozen, and brought back without its store.

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
        &[
            "engine killed",
            "engine killed",
            "engine killed",
            "engine frozen",
            "log lost: killed without its store",
        ]
    }

    fn is_up(&self) -> bool {
        self.0.is_up()
    }

    fn break_it(&mut self, fault: &str, _: &mut StdRng) {
        match fault {
            "engine frozen" => self.0.freeze(true),
            "engine killed" => self.0.kill(),
            _ => {
                self.0.kill();
                fs::remove_dir_all(self.0.folder.join("store")).expect("it had a store");
            }
        }
    }

    fn mend(&mut self) {
        self.0.mend();
    }
}
