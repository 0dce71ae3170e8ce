//! [`Nats`]: several nodes over NATS.

mod api;
mod echo;
mod idle;
mod interests;
mod known;
mod log;
mod read;
mod session;
mod stream;

use std::{
    fmt,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{ServerAddr, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;
use percent_encoding::percent_decode_str;
use tokio::time::timeout;

use self::{interests::Interests, log::Logs, session::Session, stream::Setup};
use super::{
    Adapter, AdapterTraffic, History, Inbox, Link, NodeId, NotHandedOver, Subject, Unavailable,
    link::{Outgoing, Owned, Payload, ShardId, Voice},
};

/// As long as anything here waits for NATS.
const ANSWER_WITHIN: Duration = Duration::from_millis(950);
const QUEUE_BYTES: usize = 16 << 20;
const QUEUE_PACKETS: usize = 16 * 1024;
/// There is one connection, and it is never forgotten.
const SERVER: ShardId = ShardId(0);

/// Connects this node to others over NATS 2.9 or newer: a subject for each room, user and node, and JetStream for the
/// logs of rooms.
///
/// ```no_run
/// use gustnado::adapter::Nats;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let adapter = Nats::new("nats://app:secret@one:4222,nats://app:secret@two:4222")?.subject_prefix("shop");
/// # let _ = adapter;
/// # Ok(())
/// # }
/// ```
///
/// There is one connection, to one of the servers (`tls://` for TLS). It is made again when it ends: at
/// first after 25 ms, later after half a second at most. A server that is silent for 900 ms counts as away. The queue has 16 MiB and 16,384 packets; a packet may be as large as the server allows, 1 MiB by
/// default, less one byte. Packets of one subject keep their order.
///
/// In a cluster of NATS servers a confirmed interest is known to the server that this node is connected to; the others
/// hear of it a moment later.
///
/// # History
///
/// Where the server has JetStream, which it tells when a connection is made, a room's log is a stream of its own, kept in
/// files. Where it has none there are [no logs](Adapter::history): what is published to rooms with history is rejected, and
/// a warning is logged.
///
/// What is acknowledged survives the end of the server's process. It does not survive a power failure, or a crash of the
/// operating system, within the time after which the server has files written to the disk (two minutes by default). A
/// log that was deleted, or whose store is gone, begins anew, under another epoch. So does one that is shorter than a
/// node that still runs has known it to be, after a power failure or when an older copy of the store was put
/// in its place: the node deletes it. Only if no such node was there by then, a position could name two messages.
///
/// Entries are kept for five minutes at least, and what is older than its room keeps it is not given out; by
/// this node's clock, if that is less than five minutes. A key is known for five minutes; when the server ends,
/// those of entries that were trimmed by then are forgotten. A room's name may be as long as that of its stream, of 255
/// bytes, has place for it; what has a longer one is rejected.
///
/// A stream costs the server some 75 KB of memory and two open files: this is for thousands of rooms with history,
/// not for hundreds of thousands.
pub struct Nats {
    servers: Vec<ServerAddr>,
    login: Option<(String, String)>,
    authority: Option<PathBuf>,
    prefix: String,
    replicas: usize,
    forget_logs_after: Duration,
    running: OnceLock<Running>,
    published: AtomicU64,
    refused: AtomicU64,
}

struct Running {
    session: Arc<Session>,
    keep: parking_lot::Mutex<Option<Owned>>,
}

/// Why a URL names no NATS. It does not repeat the URL, which may have a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of a NATS server")]
pub struct InvalidNatsUrl;

impl Nats {
    /// The servers at these URLs, with commas between them. They are not connected to before the adapter starts.
    ///
    /// # Errors
    ///
    /// [`InvalidNatsUrl`].
    pub fn new(urls: &str) -> Result<Self, InvalidNatsUrl> {
        let servers: Result<Vec<ServerAddr>, _> = urls.split(',').map(str::parse).collect();
        let servers = servers.map_err(|_| InvalidNatsUrl)?;
        let login = servers.iter().find_map(login);
        let (published, refused) = Default::default();
        let (authority, prefix, running) = (None, "gustnado".into(), OnceLock::new());
        let (replicas, forget_logs_after) = (1, Duration::from_secs(24 * 3600));
        Ok(Self {
            servers,
            login,
            authority,
            prefix,
            replicas,
            forget_logs_after,
            running,
            published,
            refused,
        })
    }

    /// What all subjects begin with: `gustnado` by default. Clusters of nodes that share a NATS need different ones.
    /// Whatever is no letter, digit, `-`, `_` or `.` in it becomes `_`.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: &str) -> Self {
        let allowed = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
        self.prefix = prefix.chars().map(|char| if allowed(char) { char } else { '_' }).collect();
        self
    }

    /// Who logs in, instead of whom the first URL with a user names.
    #[must_use]
    pub fn login(mut self, username: &str, password: &str) -> Self {
        self.login = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// A file with the certificates (PEM) of the authority that vouches for the servers, instead of the system's. It is
    /// read for each connection.
    #[must_use]
    pub fn authority_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authority = Some(path.into());
        self
    }

    /// On how many servers of a cluster a log is: 1 by default, and then a room has no history while its server is away.
    /// With 3 or 5 it has while most of them are there; each append waits for them.
    #[must_use]
    pub fn log_replicas(mut self, servers: usize) -> Self {
        self.replicas = servers.max(1);
        self
    }

    /// For how long a log without entries is kept, so that its epoch lives on, if no node has a member in its room: a day
    /// by default.
    #[must_use]
    pub fn forget_logs_after(mut self, idle: Duration) -> Self {
        self.forget_logs_after = idle;
        self
    }

    fn try_publish(&self, subject: &Subject, packet: &Bytes) -> Result<(), NotHandedOver> {
        let session = &self.running.get().ok_or(NotHandedOver::Down)?.session;
        let payload = Payload::of_packet(packet);
        if !session.takes(&payload) {
            return Err(NotHandedOver::TooLarge);
        }
        session.outgoing.push(session.logs.setup.channel(subject), payload)
    }
}

#[async_trait]
impl Adapter for Nats {
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>) {
        self.running.get_or_init(|| {
            let voice = Arc::new(Voice::new(inbox));
            voice.expect(SERVER);
            let setup = Setup { prefix: self.prefix.clone(), replicas: self.replicas };
            let logs = Arc::new(Logs::new(setup));
            let session = Arc::new(Session {
                id: SERVER,
                servers: self.servers.clone(),
                login: self.login.clone(),
                authority: self.authority.clone(),
                echo_subject: format!("{}.echo.{node}", self.prefix),
                outgoing: Outgoing::new(QUEUE_BYTES, QUEUE_PACKETS),
                interests: Arc::new(Interests::new(SERVER, voice.clone(), logs.clone())),
                logs,
                forget_logs_after: self.forget_logs_after,
                max_payload: AtomicUsize::new(0),
                voice,
            });
            let keep = Owned::spawn({
                let session = session.clone();
                async move {
                    session.voice.complete(true);
                    session.keep().await;
                }
            });
            Running { session, keep: parking_lot::Mutex::new(Some(keep)) }
        });
    }

    fn publish(&self, subject: &Subject, packet: Bytes) -> Result<(), NotHandedOver> {
        let done = self.try_publish(subject, &packet);
        let counter = if done.is_ok() { &self.published } else { &self.refused };
        counter.fetch_add(1, Relaxed);
        done
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        let session = &self.running.get().ok_or(Unavailable)?.session;
        timeout(ANSWER_WITHIN, session.outgoing.flushed()).await.map_err(|_| Unavailable)?
    }

    fn set_interest(&self, subject: &Subject, interested: bool) {
        if let Some(running) = self.running.get() {
            let session = &running.session;
            session.interests.want(subject, interested, session.logs.setup.channel(subject));
        }
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        let session = &self.running.get().ok_or(Unavailable)?.session;
        let name = session.logs.setup.channel(subject);
        timeout(ANSWER_WITHIN, session.interests.confirmed(&name)).await.map_err(|_| Unavailable)?
    }

    fn link(&self) -> Link {
        self.running.get().map_or(Link::Down, |running| running.session.voice.link())
    }

    fn traffic(&self) -> AdapterTraffic {
        let (published, refused) = (self.published.load(Relaxed), self.refused.load(Relaxed));
        let mut traffic = AdapterTraffic { published, refused, ..AdapterTraffic::default() };
        if let Some(Running { session, .. }) = self.running.get() {
            let counts = session.outgoing.counts();
            (traffic.lost, traffic.queued_bytes) = (counts.lost, counts.queued_bytes);
            traffic.received = session.voice.received.load(Relaxed);
            traffic.reconnects = session.voice.reconnects.load(Relaxed);
        }
        traffic
    }

    fn history(&self) -> Option<&dyn History> {
        self.running.get()?.session.logs.history()
    }

    async fn stop(&self) {
        let _ = self.flush().await;
        if let Some(running) = self.running.get() {
            *running.keep.lock() = None;
            running.session.logs.disconnected();
            running.session.voice.hush();
            running.session.outgoing.close();
            running.session.interests.end();
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Some(running) = self.running.get() {
            running.session.voice.hush();
        }
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("prefix", &self.prefix)
            .field("link", &self.link())
            .finish_non_exhaustive()
    }
}

/// User and password of a URL.
fn login(server: &ServerAddr) -> Option<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some((decoded(server.username()?), decoded(server.password().unwrap_or_default())))
}

/// The next message of a subscription, until it ends.
async fn next(subscriber: &mut Subscriber) -> Option<async_nats::Message> {
    std::future::poll_fn(|context| Pin::new(&mut *subscriber).poll_next(context)).await
}
