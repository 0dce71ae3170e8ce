//! [`Nats`]: several nodes over NATS.

mod echo;
mod interests;
mod session;

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

use self::{interests::Interests, session::Session};
use super::{
    Adapter, AdapterTraffic, Inbox, Link, NodeId, NotHandedOver, Subject, Unavailable,
    link::{Outgoing, Owned, Payload, ShardId, Voice},
};

/// As long as anything here waits for NATS.
const ANSWER_WITHIN: Duration = Duration::from_millis(950);
const QUEUE_BYTES: usize = 16 << 20;
const QUEUE_PACKETS: usize = 16 * 1024;
/// There is one connection, and it is never forgotten.
const SERVER: ShardId = ShardId(0);

/// Connects this node to others over NATS 2.9 or newer, by its core: a subject for each room, user and node.
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
/// It keeps no history: rooms that should have some need another adapter.
pub struct Nats {
    servers: Vec<ServerAddr>,
    login: Option<(String, String)>,
    authority: Option<PathBuf>,
    prefix: String,
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
        Ok(Self { servers, login, authority, prefix, running, published, refused })
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

    fn name(&self, subject: &Subject) -> String {
        // A subject of NATS has no empty token, and the name of a room may be empty.
        format!("{}.{subject}_", self.prefix)
    }

    fn try_publish(&self, subject: &Subject, packet: &Bytes) -> Result<(), NotHandedOver> {
        let session = &self.running.get().ok_or(NotHandedOver::Down)?.session;
        let payload = Payload::of_packet(packet);
        if !session.takes(&payload) {
            return Err(NotHandedOver::TooLarge);
        }
        session.outgoing.push(self.name(subject), payload)
    }
}

#[async_trait]
impl Adapter for Nats {
    fn start(&self, node: NodeId, inbox: Arc<dyn Inbox>) {
        self.running.get_or_init(|| {
            let voice = Arc::new(Voice::new(inbox));
            voice.expect(SERVER);
            let session = Arc::new(Session {
                id: SERVER,
                servers: self.servers.clone(),
                login: self.login.clone(),
                authority: self.authority.clone(),
                echo_subject: format!("{}.echo.{node}", self.prefix),
                outgoing: Outgoing::new(QUEUE_BYTES, QUEUE_PACKETS),
                interests: Arc::new(Interests::new(SERVER, voice.clone())),
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
            running.session.interests.want(subject, interested, self.name(subject));
        }
    }

    async fn confirmed(&self, subject: &Subject) -> Result<(), Unavailable> {
        let interests = &self.running.get().ok_or(Unavailable)?.session.interests;
        let name = self.name(subject);
        timeout(ANSWER_WITHIN, interests.confirmed(&name)).await.map_err(|_| Unavailable)?
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

    async fn stop(&self) {
        let _ = self.flush().await;
        if let Some(running) = self.running.get() {
            *running.keep.lock() = None;
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
