//! The engines between nodes, as servers of the run's own, and what can happen to them.

mod nats;
mod redis;

use std::{error::Error, fmt, sync::Arc};

use gustnado::adapter::{Adapter, Nats, Redis};
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use self::{nats::NatsServer, redis::RedisServer};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Nats,
    Redis,
}

/// A server, which ends with its owner.
pub(crate) trait Engine: Send {
    fn url(&self) -> String;

    /// What can happen, each as likely as the others. One that begins with `log` may make logs begin anew.
    fn faults(&self) -> &'static [&'static str];

    /// Whether it answers.
    fn is_up(&self) -> bool;

    /// One of the faults, of an engine that is up.
    fn break_it(&mut self, fault: &str, random: &mut StdRng);

    /// Lets it run again, with all that it has kept.
    fn mend(&mut self);
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Redis, Self::Nats];

    pub(crate) fn start(self) -> Box<dyn Engine> {
        match self {
            Self::Nats => Box::new(NatsServer::start()),
            Self::Redis => Box::new(RedisServer::start()),
        }
    }

    /// A node's adapter to such an engine.
    pub(crate) fn adapter(self, url: &str) -> Result<Arc<dyn Adapter>, Box<dyn Error>> {
        Ok(match self {
            Self::Nats => Arc::new(Nats::new(url)?),
            Self::Redis => Arc::new(Redis::new(url)?),
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
        })
    }
}
