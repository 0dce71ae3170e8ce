//! The connection for commands of a server: publications in batches, and the scripts of logs.

use std::sync::Arc;

use parking_lot::Mutex;
use redis::{RedisResult, Value, aio::MultiplexedConnection, cmd, pipe};
use tokio::sync::Notify;

use super::{
    dial::{self, Line},
    names::Channel,
    options::{Address, Options, Service},
};
use crate::adapter::link::{Backoff, Outgoing, ShardId, Voice};

/// What is written to a server.
pub(super) struct Commands {
    id: ShardId,
    /// The commands: of a Cluster other ones.
    sharded: bool,
    of_sentinels: bool,
    pub(super) outgoing: Outgoing<Channel>,
    current: Mutex<Option<Connected>>,
    voice: Arc<Voice>,
    /// Asks for a look at where slots are.
    moved: Arc<Notify>,
    /// The server is silent, on whichever connection that was noticed.
    silent: Arc<Notify>,
}

/// A connection that is well, and the process at its other end.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    pub(super) run_id: Arc<str>,
}

impl Commands {
    pub(super) fn new(
        id: ShardId,
        options: &Options,
        voice: Arc<Voice>,
        moved: Arc<Notify>,
        silent: Arc<Notify>,
    ) -> Self {
        let outgoing = Outgoing::new(options.queue_bytes, options.queue_packets);
        let of_sentinels = matches!(options.service, Service::Sentinels(_));
        let (sharded, current) = (options.is_cluster(), Mutex::new(None));
        Self { id, sharded, of_sentinels, outgoing, current, voice, moved, silent }
    }

    pub(super) fn connected(&self) -> Option<Connected> {
        self.current.lock().clone()
    }

    /// Keeps a connection for as long as it is polled.
    pub(super) async fn keep(self: Arc<Self>, options: Arc<Options>, address: Address) {
        let mut backoff = Backoff::default();
        let mut before = false;
        loop {
            match self.open(&options, &address).await {
                Ok((line, connected)) => {
                    backoff.reset();
                    if std::mem::replace(&mut before, true) {
                        self.voice.reconnects.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    *self.current.lock() = Some(connected);
                    self.outgoing.open();
                    self.voice.shard(self.id, |shard| shard.publishing = true);
                    self.serve(&line).await;
                    self.outgoing.close();
                    *self.current.lock() = None;
                    self.voice.shard(self.id, |shard| shard.publishing = false);
                    self.moved.notify_one();
                }
                Err(error) if backoff.is_first() => {
                    tracing::warn!(target: "gustnado", %address, %error, "no connection to Redis");
                }
                Err(error) => tracing::debug!(target: "gustnado", %address, %error, "still none"),
            }
            backoff.wait().await;
        }
    }

    async fn open(&self, options: &Options, address: &Address) -> RedisResult<(Line, Connected)> {
        let line = dial::open(options, address, |_| {}).await?;
        let mut connection = line.connection.clone();
        let info: String =
            tokio::time::timeout(dial::OPENING, cmd("INFO").arg("server").query_async(&mut connection))
                .await
                .map_err(std::io::Error::from)??;
        if self.of_sentinels && !is_master(&connection.send_packed_command(&cmd("ROLE")).await?) {
            return Err((redis::ErrorKind::Client, "not a master, whatever the sentinels say").into());
        }
        let run_id = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        let connected = Connected { connection, run_id: run_id.trim().into() };
        Ok((line, connected))
    }

    async fn serve(&self, line: &Line) {
        let (check, is_well): (_, fn(&Value) -> bool) = if self.of_sentinels {
            // A master that became a replica answers pings, but what it is told does not count.
            (cmd("ROLE"), is_master)
        } else {
            (cmd("PING"), |value| !matches!(value, Value::ServerError(_)))
        };
        tokio::select! {
            _ = self.publish(line.connection.clone()) => {}
            () = line.ended(&check, is_well, &self.silent) => {}
        }
    }

    /// Writes one batch after the other: what comes while one is under way makes up the next.
    async fn publish(&self, mut connection: MultiplexedConnection) -> RedisResult<()> {
        let name = if self.sharded { "SPUBLISH" } else { "PUBLISH" };
        loop {
            let batch = self.outgoing.batch().await;
            let mut pipeline = pipe();
            for (channel, payload) in &batch {
                pipeline.cmd(name).arg(channel.as_str()).arg(&payload[..]);
            }
            let answers = connection.send_packed_commands(&pipeline, 0, batch.len()).await?;
            let refused = answers.iter().find_map(|answer| match answer {
                Value::ServerError(error) => Some(error.code().to_owned()),
                _ => None,
            });
            if let Some(code) = refused {
                tracing::debug!(target: "gustnado", code, "Redis refused a publication");
                self.moved.notify_one();
            }
            self.outgoing.answered(answers.iter().map(|answer| !matches!(answer, Value::ServerError(_))));
        }
    }
}

fn is_master(role: &Value) -> bool {
    let Value::Array(role) = role else { return false };
    matches!(role.first(), Some(Value::BulkString(name)) if name == b"master")
}
