//! A Redis that is killed, frozen, brought back from an old snapshot or from none, and that cuts its connections.

use std::fs;

use rand::{Rng, rngs::StdRng};

use super::Engine;
use crate::servers::Server;

pub(crate) struct RedisServer(Server);

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self(Server::redis(&[]))
    }
}

impl Engine for RedisServer {
    fn url(&self) -> String {
        self.0.url()
    }

    fn faults(&self) -> &'static [&'static str] {
        &[
            "subscriptions cut",
            "subscriptions cut",
            "subscriptions cut",
            "subscriptions cut",
            "commands cut",
            "commands cut",
            "scripts forgotten",
            "engine frozen",
            "engine frozen",
            "log lost: killed without a snapshot",
            "log restored: killed with an old snapshot",
            "log flushed",
        ]
    }

    fn break_it(&mut self, fault: &str, random: &mut StdRng) {
        let server = &mut self.0;
        match fault {
            "subscriptions cut" => drop(server.cli(&["client", "kill", "type", "pubsub"])),
            "commands cut" => drop(server.cli(&["client", "kill", "type", "normal"])),
            "scripts forgotten" => drop(server.cli(&["script", "flush"])),
            "log flushed" => drop(server.cli(&["flushall"])),
            "engine frozen" => server.freeze(true),
            "log lost: killed without a snapshot" => {
                server.kill();
                // There may be none.
                let _ = fs::remove_file(server.folder.join("dump.rdb"));
            }
            _ => server.kill(),
        }
        // What the next restart may find: by then more has been acknowledged.
        if server.is_up() && random.random_bool(0.5) {
            server.cli(&["save"]);
        }
    }

    fn is_up(&self) -> bool {
        self.0.is_up()
    }

    fn mend(&mut self) {
        self.0.mend();
    }
}
