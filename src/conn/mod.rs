//! [`Conn`]: the writing half of a connection, and what is known about it.

mod closed;
mod compression;
mod direct;
mod escaped;
mod id;
mod limits;
pub(crate) mod outbox;
pub(crate) mod queue;
mod request;
pub(crate) mod rope;
mod send;
mod watcher;

use std::{
    any::Any,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::Waker,
    time::Duration,
};

use http::Extensions;
use parking_lot::{Mutex, MutexGuard};
use tokio::{net::tcp::OwnedWriteHalf, sync::Notify};

pub use self::{
    closed::{Cause, Closed, ClosedBy, Phase},
    id::{ConnId, InvalidConnId},
    request::RequestInfo,
    send::SendError,
};
use self::{compression::Compressing, outbox::Outbox, rope::Rope};
pub(crate) use self::{
    direct::Later,
    escaped::Escaped,
    id::ConnIds,
    request::{query_all, query_param},
    send::Offered,
    watcher::{CloseInfo, Watcher, Watching},
};
use crate::{
    config::ConnConfig,
    protocol::{
        close::{CloseCode, CloseFrame, InvalidCloseCode},
        deflate::Agreed,
        text::Text,
    },
    stats::{HandlerCounters, Traffic, TrafficCounters},
};

/// The close code of a credential that does not hold (any more): 4000 + 401.
pub(crate) const EXPIRED: u16 = 4401;

/// The writer of a connection: send from any task, as often as it is cloned.
///
/// It only writes; what comes in is the [`Connector`](crate::Connector)'s. A clone is one more reference to the
/// same connection, and keeping one does not keep the connection open: after its end every send fails at once.
///
/// ```
/// # use gustnado::{async_trait, Conn, Connector, Disconnect};
/// # struct Clock;
/// # #[async_trait]
/// # impl Connector for Clock {
/// async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
///     let conn = conn.clone();
///     tokio::spawn(async move {
///         while conn.send("tick").await.is_ok() {
///             tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///         }
///     });
///     Ok(())
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Conn(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    id: ConnId,
    endpoint: Option<Arc<str>>,
    request: RequestInfo,
    extensions: Extensions,
    /// What the layer that registers connections knows about this one.
    home: Arc<dyn Watcher>,
    /// What the connector's layer keeps here for those who only have the connection.
    #[cfg(feature = "commands")]
    attached: OnceLock<Box<Arc<dyn Any + Send + Sync>>>,
    protocol: Option<Box<str>>,
    /// There if messages may be compressed. Boxed, since many clients offer nothing.
    compressing: Option<Box<Compressing>>,
    peer: OnceLock<SocketAddr>,
    state: Mutex<State>,
    /// Made when somebody waits for the first time. Who tells looks for it under the lock of `state`, or after having
    /// held it, and who waits holds it once before looking at what is waited for: so nobody is missed.
    waiting: OnceLock<Box<Waiting>>,
    /// Boxed, since it is needed once, when much else is given back.
    closed: OnceLock<Box<Closed>>,
    traffic: TrafficCounters,
    /// Of the handler, which counts the same for all its connections.
    counters: Arc<HandlerCounters>,
    /// Messages sent that no tap had room for, and that the hub was not told of yet.
    unseen: AtomicU64,
    /// The last round trip, in microseconds plus one; 0 for none.
    round_trip: AtomicU64,
    /// The session sleeps, and a push must wake it. Set under the lock of `state`.
    parked: AtomicBool,
    /// So much is queued that the session should write before it reads on.
    pressing: AtomicBool,
    /// What `Outbox::is_closing` says, without the lock.
    closing: AtomicBool,
    /// `State::config` is not the one the session has.
    reconfigured: AtomicBool,
}

/// Where tasks wait for a connection.
#[derive(Default)]
struct Waiting {
    /// Held by the one sender whose turn it is to wait for room.
    turn: tokio::sync::Mutex<()>,
    /// Told when there is room again, when a close has begun and when the connection is over.
    changed: Notify,
}

pub(crate) struct State {
    pub(crate) outbox: Outbox,
    /// What the transport did not take of a message's frame: it goes before everything else. Boxed, since mostly it
    /// took all.
    pub(crate) rest: Option<Box<Rope>>,
    /// The half of plain TCP that writes; `None` for other transports, and when the connection is over.
    pub(crate) tcp: Option<OwnedWriteHalf>,
    /// The transport has taken all that there was: nothing has to go before what is queued.
    pub(crate) flowing: bool,
    pub(crate) config: Arc<ConnConfig>,
    pub(crate) ping_requested: bool,
    /// The transport is to be dropped as it is.
    pub(crate) cut: bool,
    /// Why this side closes, when something went wrong.
    pub(crate) cause: Option<Arc<Cause>>,
    waiting: u32,
    waker: Option<Waker>,
}

/// What a handshake has found out about a connection.
pub(crate) struct Opened {
    pub(crate) id: ConnId,
    pub(crate) endpoint: Option<Arc<str>>,
    pub(crate) request: RequestInfo,
    pub(crate) extensions: Extensions,
    pub(crate) home: Arc<dyn Watcher>,
    pub(crate) protocol: Option<Box<str>>,
    pub(crate) compression: Option<Agreed>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) config: Arc<ConnConfig>,
    pub(crate) counters: Arc<HandlerCounters>,
}

impl Conn {
    pub(crate) fn new(opened: Opened) -> Self {
        let Opened { id, endpoint, request, extensions, home, protocol, compression, peer, config, counters } =
            opened;
        let takeover = compression.as_ref().is_some_and(|agreed| agreed.outgoing().takeover());
        let state = State {
            outbox: Outbox::holding(takeover),
            rest: None,
            tcp: None,
            flowing: false,
            config,
            ping_requested: false,
            cut: false,
            cause: None,
            waiting: 0,
            waker: None,
        };
        Self(Arc::new(Inner {
            id,
            endpoint,
            request,
            extensions,
            home,
            #[cfg(feature = "commands")]
            attached: OnceLock::new(),
            protocol,
            compressing: compression.map(Compressing::new),
            peer: peer.map(OnceLock::from).unwrap_or_default(),
            state: Mutex::new(state),
            waiting: OnceLock::new(),
            closed: OnceLock::new(),
            traffic: TrafficCounters::default(),
            counters,
            unseen: AtomicU64::new(0),
            round_trip: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            pressing: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            reconfigured: AtomicBool::new(false),
        }))
    }

    /// The connection's name.
    pub fn id(&self) -> ConnId {
        self.0.id
    }

    /// The [name](crate::Handler::name) of the handler that opened the connection.
    pub fn endpoint(&self) -> Option<&str> {
        self.0.endpoint.as_deref()
    }

    /// The request that opened the connection.
    pub fn request(&self) -> &RequestInfo {
        &self.0.request
    }

    /// What was [given](crate::Handshake::set_extension) to the connection during its handshake, or what an outer
    /// layer put into the request, if the handler was told to [keep](crate::Handler::keep_extension) it.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.extensions.get()
    }

    /// The subprotocol both sides agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.0.protocol.as_deref()
    }

    /// The other end's address; behind a proxy, the proxy's, unless the handler
    /// [trusts it](crate::Handler::trust_proxy). `None` where the transport has no address.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.0.peer.get().copied()
    }

    /// Bytes that wait in the outbox, frame headers included.
    pub fn buffered(&self) -> usize {
        self.0.state.lock().outbox.queued()
    }

    /// What went over the connection so far. The session adds to it after each batch of messages.
    pub fn traffic(&self) -> Traffic {
        self.0.traffic.read()
    }

    /// The last round trip that a ping has measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.0.round_trip.load(Relaxed).checked_sub(1).map(Duration::from_micros)
    }

    /// Sends a ping ahead of what is queued; the answer comes to
    /// [`Connector::on_pong`](crate::Connector::on_pong) with the round-trip time.
    ///
    /// Several calls before it is written make one ping. Keepalive pings go out by themselves: this is for
    /// measuring. Nothing goes out once a close has begun.
    pub fn ping(&self) {
        let mut state = self.0.state.lock();
        if !state.outbox.is_closing() {
            state.ping_requested = true;
            self.0.wake(&mut state);
        }
    }

    /// Begins the closing handshake, once what is queued has been sent.
    ///
    /// Returns at once; from here on every send fails. The connection is over when the peer has answered, or
    /// after the close timeout (5 s by default): see [`closed`](Self::closed). The first close counts, later ones
    /// do nothing. A reason over 123 bytes is cut at a character.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`] when the code may not travel (§7.4); the connection stays as it is.
    pub fn close(&self, code: impl Into<CloseCode>, reason: impl Into<Text>) -> Result<(), InvalidCloseCode> {
        self.close_with(CloseFrame::new(code, reason)?);
        Ok(())
    }

    /// As [`close`](Self::close), with a frame made beforehand.
    pub fn close_with(&self, frame: CloseFrame) {
        self.begin_close(Some(frame), None);
    }

    /// Whether a close has begun, by whichever side, so that nothing more can be sent.
    pub fn is_closing(&self) -> bool {
        self.0.closing.load(Acquire)
    }

    /// Waits until the connection is over, and tells how it ended; at once if it is over already.
    ///
    /// It is over shortly before `on_close` is called, and even before a callback that still runs has returned: such
    /// a callback can `select!` on this.
    pub async fn closed(&self) -> Closed {
        if let Some(closed) = self.ended() {
            return closed.clone();
        }
        let waiting = self.0.waiting();
        loop {
            let mut changed = std::pin::pin!(waiting.changed.notified());
            changed.as_mut().enable();
            if let Some(closed) = self.ended() {
                return closed.clone();
            }
            changed.await;
        }
    }

    /// Ends the connection without another word.
    pub(crate) fn cut(&self) {
        let mut state = self.0.state.lock();
        state.cut = true;
        self.0.closing_began(&state);
    }

    /// Queues the close frame that begins or answers the closing handshake; whether it was the first. A cause
    /// counts even then, if there was none before.
    pub(crate) fn begin_close(&self, frame: Option<CloseFrame>, cause: Option<Arc<Cause>>) -> bool {
        let mut state = self.0.state.lock();
        let first = state.outbox.close(frame);
        state.cause = state.cause.take().or(cause);
        if first {
            self.0.closing_began(&state);
        }
        first
    }
}

/// The session's side.
impl Conn {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    pub(crate) fn home(&self) -> &(dyn Any + Send + Sync) {
        self.0.home.as_any()
    }

    /// Keeps a value; the first one stays.
    #[cfg(feature = "commands")]
    pub(crate) fn attach(&self, value: Arc<dyn Any + Send + Sync>) {
        let _ = self.0.attached.set(Box::new(value));
    }

    /// The value that was attached, if it is a `T`.
    #[cfg(feature = "commands")]
    pub(crate) fn attached<T: Any>(&self) -> Option<&T> {
        self.0.attached.get()?.as_ref().downcast_ref()
    }

    pub(crate) fn set_round_trip(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.0.round_trip.store(micros.saturating_add(1), Relaxed);
    }

    /// `on_open` has returned.
    pub(crate) fn opened(&self) {
        let mut state = self.0.state.lock();
        state.outbox.release();
        self.0.after_push(&mut state);
    }

    /// What groups send waits from here on, also after `on_open`, and is dropped if the connection closes: it is not
    /// known yet whether the peer may see it.
    pub(crate) fn hold(&self) {
        self.0.state.lock().outbox.set_gated(true);
    }

    /// Ends [`hold`](Self::hold).
    pub(crate) fn release(&self) {
        self.0.state.lock().outbox.set_gated(false);
        self.opened();
    }

    /// Notes the transport's address; `false` if an outer layer has named a peer, who stays.
    pub(crate) fn set_peer(&self, peer: SocketAddr) -> bool {
        self.0.peer.set(peer).is_ok()
    }

    /// How the connection ended, once it has.
    pub(crate) fn ended(&self) -> Option<&Closed> {
        self.0.closed.get().map(AsRef::as_ref)
    }

    pub(crate) fn count(&self, traffic: impl Into<Traffic>) {
        self.0.count(&traffic.into());
    }

    /// The session runs and looks at the outbox before it sleeps, so that nobody need wake it.
    pub(crate) fn unpark(&self) {
        self.0.parked.store(false, Relaxed);
    }

    /// The session sleeps until `waker` is called, by a push too if `by_push`.
    pub(crate) fn park(&self, state: &mut State, waker: &Waker, by_push: bool) {
        if !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
        state.flowing = by_push;
        self.0.parked.store(by_push, Relaxed);
    }

    /// Nothing can be written any more.
    pub(crate) fn shut(&self, state: &mut State) {
        state.outbox.shut();
        state.rest = None;
        self.0.closing.store(true, Release);
        self.0.changed();
    }

    /// Whether the session has to look at the connection's state before it goes on.
    #[inline]
    pub(crate) fn wants_attention(&self) -> bool {
        self.is_closing() || self.is_reconfigured() || self.is_pressing()
    }

    pub(crate) fn is_pressing(&self) -> bool {
        self.0.pressing.load(Relaxed)
    }

    pub(crate) fn is_reconfigured(&self) -> bool {
        self.0.reconfigured.load(Acquire)
    }

    pub(crate) fn config(&self) -> Arc<ConnConfig> {
        let state = self.0.state.lock();
        self.0.reconfigured.store(false, Release);
        state.config.clone()
    }

    /// The outbox has room again.
    pub(crate) fn drained(&self, state: &State) {
        self.0.drained(state);
    }

    /// The connection is over: nothing more is sent, and whoever waits is told.
    pub(crate) fn finish(&self, closed: Closed) {
        let _ = self.0.closed.set(Box::new(closed));
        // Also so that whoever begins to wait now sees it: see `Inner::waiting`.
        self.0.state.lock().waker = None;
        self.0.changed();
    }
}

impl Inner {
    fn waiting(&self) -> &Waiting {
        let waiting = self.waiting.get_or_init(Box::default);
        drop(self.state.lock());
        waiting
    }

    /// Tells those who wait, after what they wait for has happened.
    fn changed(&self) {
        if let Some(waiting) = self.waiting.get() {
            waiting.changed.notify_waiters();
        }
    }

    fn count(&self, traffic: &Traffic) {
        self.traffic.add(traffic);
        self.counters.traffic.add(traffic);
    }

    fn drained(&self, state: &State) {
        self.pressing.store(false, Relaxed);
        if state.waiting > 0 {
            self.changed();
        }
    }

    #[inline]
    fn after_push(&self, state: &mut State) {
        self.press(state);
        self.wake(state);
    }

    #[inline]
    fn press(&self, state: &State) {
        if state.outbox.is_pressing(&state.config) {
            self.pressing.store(true, Relaxed);
        }
    }

    #[inline]
    fn wake(&self, state: &mut State) {
        // Both are written under the lock, or to say that nobody sleeps: no swap is needed.
        if self.parked.load(Relaxed) {
            self.parked.store(false, Relaxed);
            if let Some(waker) = &state.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// A timeout begins; and whoever waits for room waits in vain.
    fn closing_began(&self, state: &State) {
        self.closing.store(true, Release);
        self.rouse(state);
        self.changed();
    }

    /// Wakes the session even while the transport takes nothing: what it has to know is about time.
    fn rouse(&self, state: &State) {
        self.parked.store(false, Relaxed);
        if let Some(waker) = &state.waker {
            waker.wake_by_ref();
        }
    }
}

impl From<&Conn> for ConnId {
    fn from(conn: &Conn) -> Self {
        conn.id()
    }
}

impl fmt::Debug for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("id", &self.0.id).field("peer", &self.peer()).finish_non_exhaustive()
    }
}
