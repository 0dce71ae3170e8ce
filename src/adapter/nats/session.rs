//! One connection after the other, and what goes over it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Event, ServerAddr,
    rustls::crypto::{CryptoProvider, ring},
};
use bytes::Bytes;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{
    echo::{Echo, Ended},
    interests::Interests,
    log::Logs,
};
use crate::adapter::link::{Backoff, Outgoing, ShardId, Voice};

const OPENING: Duration = Duration::from_millis(800);
/// Together with the time for the echo: less than the second in which a frozen server has to be noticed.
const ECHO_EVERY: Duration = Duration::from_millis(300);
const ECHO_WITHIN: Duration = Duration::from_millis(600);
/// As many packets of one subscription wait for their reader; more are a gap.
const UNREAD: usize = 4096;

pub(super) struct Session {
    pub(super) id: ShardId,
    pub(super) servers: Vec<ServerAddr>,
    pub(super) login: Option<(String, String)>,
    pub(super) authority: Option<PathBuf>,
    pub(super) echo_subject: String,
    pub(super) outgoing: Outgoing<String>,
    pub(super) interests: Arc<Interests>,
    pub(super) logs: Arc<Logs>,
    pub(super) forget_logs_after: Duration,
    /// The largest payload, as the server says; none before it did.
    pub(super) max_payload: AtomicUsize,
    pub(super) voice: Arc<Voice>,
}

impl Session {
    /// Keeps a connection for as long as it is polled. Each is a new one: the client's own reconnecting would
    /// subscribe again without a word about what was lost.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut backoff = Backoff::default();
        let mut before = false;
        loop {
            match self.open().await {
                Ok((client, ended)) => {
                    backoff.reset();
                    self.voice.reconnects.fetch_add(u64::from(std::mem::replace(&mut before, true)), Relaxed);
                    self.max_payload.store(client.max_payload(), Relaxed);
                    self.serve(&client, &ended).await;
                    self.outgoing.close();
                    self.logs.disconnected();
                    self.voice.shard(self.id, |shard| shard.publishing = false);
                    self.interests.cut();
                }
                Err(error) if backoff.is_first() => {
                    tracing::warn!(target: "gustnado", %error, "no connection to NATS");
                }
                Err(error) => tracing::debug!(target: "gustnado", %error, "still none"),
            }
            backoff.wait().await;
        }
    }

    async fn open(&self) -> Result<(Client, Arc<Notify>), async_nats::ConnectError> {
        let ended = Arc::new(Notify::new());
        let (events, interests) = (ended.clone(), self.interests.clone());
        let options = ConnectOptions::new()
            .connection_timeout(OPENING)
            .subscription_capacity(UNREAD)
            .event_callback(move |event| {
                match event {
                    Event::SlowConsumer(_) => interests.skipped(),
                    Event::Disconnected | Event::Closed => events.notify_one(),
                    _ => {}
                }
                std::future::ready(())
            });
        let options = match self.login.clone() {
            Some((username, password)) => options.user_and_password(username, password),
            None => options,
        };
        let options = match self.authority.clone() {
            Some(file) => options.add_root_certificates(file),
            None => options,
        };
        // rustls panics if several providers are compiled in and none was chosen.
        let tls = self.authority.is_some() || self.servers.iter().any(ServerAddr::tls_required);
        if tls && CryptoProvider::get_default().is_none() {
            let _ = ring::default_provider().install_default();
        }
        let client = timeout(OPENING, options.connect(&self.servers[..])).await;
        let client = client.map_err(|_| async_nats::ConnectErrorKind::TimedOut)??;
        Ok((client, ended))
    }

    async fn serve(&self, client: &Client, ended: &Notify) {
        let Ok((echo, listener)) = Echo::new(client, self.echo_subject.clone()).await else { return };
        self.logs.connected(client).await;
        self.interests.restore();
        self.outgoing.open();
        self.voice.shard(self.id, |shard| shard.publishing = true);
        tokio::select! {
            () = echo.listen(listener) => {}
            _ = self.publish(client, &echo) => {}
            _ = self.subscribe(client, &echo) => {}
            () = is_silent(&echo) => {}
            () = self.logs.delete_idle(self.forget_logs_after) => {}
            () = ended.notified() => {}
        }
    }

    /// Writes one batch after the other: what comes while one is under way makes up the next.
    async fn publish(&self, client: &Client, echo: &Echo) -> Result<(), Ended> {
        loop {
            let batch = self.outgoing.batch().await;
            let count = batch.len();
            for (subject, payload) in batch {
                client.publish(subject, payload).await.map_err(|_| Ended)?;
            }
            echo.done().await?;
            self.outgoing.answered((0..count).map(|_| true));
        }
    }

    async fn subscribe(&self, client: &Client, echo: &Echo) -> Result<(), Ended> {
        loop {
            let changed = self.interests.changed.notified();
            self.interests.tell();
            let names = self.interests.take();
            if names.is_empty() {
                changed.await;
                continue;
            }
            for name in &names {
                let packets = client.subscribe(name.clone()).await.map_err(|_| Ended)?;
                self.interests.subscribed(name, packets);
            }
            echo.done().await?;
            self.interests.answered(&names);
        }
    }

    /// Whether the server takes a payload of that size.
    pub(super) fn takes(&self, payload: &Bytes) -> bool {
        let max = self.max_payload.load(Relaxed);
        max == 0 || payload.len() <= max
    }
}

/// Ends when an echo takes too long.
async fn is_silent(echo: &Echo) {
    loop {
        sleep(ECHO_EVERY).await;
        if !matches!(timeout(ECHO_WITHIN, echo.done()).await, Ok(Ok(()))) {
            return;
        }
    }
}
