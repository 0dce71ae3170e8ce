//! [`Redis`]: several nodes over a Redis or a Valkey.

mod commands;
mod dial;
mod log;
mod map;
mod names;
mod options;
mod script;
mod shard;
mod subscriptions;
mod topology;
mod wishes;

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::{sleep, timeout};

pub use self::options::InvalidRedisUrl;
use self::{
    log::Streams,
    map::Map,
    names::Channel,
    options::{Login, Options},
};
use super::{
    Adapter, AdapterTraffic, History, Inbox, Link, NodeId, NotHandedOver, Subject, Unavailable,
    link::{Owned, Payload, Voice},
};

/// As long as anything here waits for Redis.
const ANSWER_WITHIN: Duration = Duration::from_millis(950);

/// Connects this node to others over Redis 6.2 or newer, or Valkey: one server, one that sentinels watch, or a Cluster
/// (7.0 or newer, for its sharded pub/sub).
///
/// ```no_run
/// use gustnado::adapter::Redis;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = Redis::new("rediss://app:secret@redis.example:6379/0")?.key_prefix("shop");
/// # let _ = adapter;
/// # Ok(())
/// # }
/// ```
///
/// | URL | |
/// |---|---|
/// | `redis://user:password@host:6379/0` | one server; every part but the scheme may be left out |
/// | `redis+sentinel://user:password@one:26379,two:26379/master/0` | the master of that name; user and password are the servers' |
/// | `redis+cluster://user:password@one:6379,two:6379` | a Cluster, of which some nodes are named |
/// | `rediss://`, `rediss+sentinel://`, `rediss+cluster://` | the same over TLS |
///
/// Each server that holds slots gets two connections, one for commands and one for subscriptions, which are made again
/// when they end: at first after 25 ms, later after half a second at most. A server that is silent for 900 ms counts as
/// away. Subscriptions come back before [`Inbox::interrupted`] is called, and that is called once all of them are there.
///
/// Publications wait in a queue of 16 MiB and 16,384 packets for each server, and go out in batches. What Redis has
/// not taken when its connection ends is [lost](AdapterTraffic::lost). A packet may have 8 MiB.
///
/// In a Cluster packets of one subject keep their order, but those of different subjects may be in different shards,
/// and overtake one another. What a master refuses since a slot has moved is lost and counted, and not sent after it: its
/// subscribers are on their way to the new master too, so it would be counted as taken and heard by nobody, or
/// overtake what is sent there by now. Those who missed it are told of the [interruption](Inbox::interrupted);
/// entries of logs are appended again.
///
/// # History
///
/// A room's log is one stream, and what an append does is one script. A log begins anew, under another epoch, when
/// the server is another process than the one that wrote it: after a restart, a restore, a failover, or when its slot
/// moved. So no position ever names two messages, the one before the first message included; see [`trust_engine`](Self::trust_engine). Keys expire: entries with their age, the epoch a
/// day after a room was last used, or after twice that age.
pub struct Redis {
    options: Options,
    running: OnceLock<Running>,
    published: AtomicU64,
    refused: AtomicU64,
}

struct Running {
    map: Arc<Map>,
    voice: Arc<Voice>,
    streams: Streams,
    follow: parking_lot::Mutex<Option<Owned>>,
}

impl Redis {
    /// The Redis at a URL. It is not connected to before the adapter starts.
    ///
    /// # Errors
    ///
    /// [`InvalidRedisUrl`].
    pub fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        Ok(Self {
            options: Options::parse(url)?,
            running: OnceLock::new(),
            published: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// What the names of all keys and channels begin with: `gustnado` by default. Clusters of nodes that share a
    /// Redis need different ones. Braces in it are left out, since they choose a slot.
    #[must_use]
    pub fn key_prefix(mut self, prefix: &str) -> Self {
        self.options.prefix = prefix.replace(['{', '}'], "");
        self
    }

    /// How much may wait for a server, in bytes and in packets: 16 MiB and 16,384 by default.
    #[must_use]
    pub fn queue_limits(mut self, bytes: usize, packets: usize) -> Self {
        (self.options.queue_bytes, self.options.queue_packets) = (bytes, packets);
        self
    }

    /// The largest packet: 8 MiB by default. A server closes a subscriber's connection that it has more than 32 MB for.
    #[must_use]
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.options.packet_bytes = bytes;
        self
    }

    /// Who logs in at the sentinels, if they ask; `username` may be empty.
    #[must_use]
    pub fn sentinel_login(mut self, username: &str, password: &str) -> Self {
        let username = (!username.is_empty()).then(|| username.to_owned());
        self.options.sentinel_login = Login { username, password: Some(password.to_owned()) };
        self
    }

    /// The certificates (PEM) of the authority that vouches for the servers, instead of the system's.
    #[must_use]
    pub fn authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.options.authority = Some(pem.into());
        self
    }

    /// Keeps the epoch of a log when the server is another process: off by default.
    ///
    /// With it a restart or a failover costs subscribers nothing, if Redis lost nothing. But if it did (a crash with
    /// AOF `everysec` or snapshots, a failover before replication), offsets are given out again that other messages had
    /// already: a subscriber that holds one of them takes the new message for a duplicate, and nobody is told.
    #[must_use]
    pub fn trust_engine(mut self, trust: bool) -> Self {
        self.options.trust_engine = trust;
        self
    }

    fn channel(&self, subject: &Subject) -> Channel {
        Channel::new(&self.options.prefix, subject)
    }

    fn try_publish(&self, subject: &Subject, packet: &Bytes) -> Result<(), NotHandedOver> {
        if packet.len() > self.options.packet_bytes {
            return Err(NotHandedOver::TooLarge);
        }
        let channel = self.channel(subject);
        let shard = self.running.get().and_then(|running| running.map.shard(&channel));
        shard.ok_or(NotHandedOver::Down)?.commands.outgoing.push(channel, Payload::of_packet(packet))
    }
}

#[async_trait]
impl Adapter for Redis {
    fn start(&self, _node: NodeId, inbox: Arc<dyn Inbox>) {
        self.running.get_or_init(|| {
            let options = Arc::new(self.options.clone());
            let voice = Arc::new(Voice::new(inbox));
            let map = Arc::new(Map::new(options.clone(), voice.clone()));
            let follow = Owned::spawn(map.clone().follow());
            let streams = Streams::new(map.clone(), options);
            Running { map, voice, streams, follow: parking_lot::Mutex::new(Some(follow)) }
        });
    }

    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver> {
        let done = self.try_publish(subject, &packet);
        let counter = if done.is_ok() { &self.published } else { &self.refused };
        counter.fetch_add(1, Relaxed);
        done
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        let running = self.running.get().ok_or(Unavailable)?;
        let shards = running.map.shards();
        if shards.is_empty() {
            return Err(Unavailable);
        }
        // What is before the flush is before it at every server.
        let flushes: Vec<_> = shards.iter().map(|shard| shard.commands.outgoing.flushed()).collect();
        let all = async {
            let mut all = Ok(());
            for flushed in flushes {
                all = flushed.await.and(all);
            }
            all
        };
        timeout(ANSWER_WITHIN, all).await.map_err(|_| Unavailable)?
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        if let Some(running) = self.running.get() {
            running.map.set_interest(self.channel(subject), subject, interested);
        }
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        let map = &self.running.get().ok_or(Unavailable)?.map;
        let channel = self.channel(subject);
        let confirmed = async {
            while map.is_interested(&channel) {
                if let Some(shard) = map.shard(&channel)
                    && shard.subscriptions.confirmed(&channel).await.is_ok()
                {
                    return Ok(());
                }
                // No server yet, or it is at another one now.
                sleep(Duration::from_millis(20)).await;
            }
            Err(Unavailable)
        };
        timeout(ANSWER_WITHIN, confirmed).await.map_err(|_| Unavailable)?
    }

    fn link(&self) -> Link {
        self.running.get().map_or(Link::Down, |running| running.voice.link())
    }

    fn traffic(&self) -> AdapterTraffic {
        let (published, refused) = (self.published.load(Relaxed), self.refused.load(Relaxed));
        let mut traffic = AdapterTraffic { published, refused, ..AdapterTraffic::default() };
        if let Some(running) = self.running.get() {
            let queues = running.map.queues();
            (traffic.lost, traffic.queued_bytes) = (queues.lost, queues.queued_bytes);
            traffic.received = running.voice.received.load(Relaxed);
            traffic.reconnects = running.voice.reconnects.load(Relaxed);
        }
        traffic
    }

    fn history(&self) -> Option<&dyn History> {
        self.running.get().map(|running| &running.streams as &dyn History)
    }

    async fn stop(&self) {
        let _ = self.flush().await;
        if let Some(running) = self.running.get() {
            *running.follow.lock() = None;
            running.voice.hush();
            running.map.end();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(running) = self.running.get() {
            running.voice.hush();
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("prefix", &self.options.prefix)
            .field("link", &self.link())
            .finish_non_exhaustive()
    }
}
