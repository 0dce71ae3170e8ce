//! [`serve()`]: an HTTP server with deadlines from accept on, for those who do not bring their own.

mod accept;
mod activity;
mod listener;
mod places;
mod transport;

use std::{
    error::Error,
    future::{Ready, pending, ready},
    io,
    pin::Pin,
    time::Duration,
};

use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tower_service::Service;

pub use self::listener::Listener;
use self::{accept::Accept, places::Places, transport::Transport};
use crate::{
    handler::Body,
    hub::{Hub, Shutdown, ShutdownReport},
};

/// How long a transport may be open without asking for anything.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Serves HTTP/1.1 and HTTP/2, with WebSockets on both, to whoever connects to `listener`.
///
/// `service` is a [`Handler`](crate::Handler), an axum `Router`, or any other tower service of requests with a [`Body`].
/// It finds the peer's address as a [`PeerAddr`](crate::PeerAddr) in the request's extensions. Which protocol a
/// client speaks is told by its first bytes: HTTP/2 needs no TLS, and with TLS a client comes by it once `h2` is among
/// what the TLS library offers by ALPN.
///
/// Awaiting it serves until the [shutdown](Serve::shutdown_on), or for ever; dropping it closes the listener and every
/// transport that speaks HTTP, while WebSockets over HTTP/1.1 go on.
///
/// ```no_run
/// use gustnado::{Handler, Shutdown};
///
/// # #[tokio::main]
/// # async fn main() -> std::io::Result<()> {
/// let echo = Handler::new(|| gustnado::Echo);
/// let hub = echo.to_hub();
/// let app = axum::Router::new().route_service("/ws", echo);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let interrupted = async {
///     let _ = tokio::signal::ctrl_c().await;
/// };
/// let report =
///     gustnado::serve(listener, app).hub(&hub).shutdown_on(interrupted, Shutdown::default()).await;
/// println!("{} WebSockets ended, {} cut", report.sockets.ended, report.sockets.cut);
/// # Ok(())
/// # }
/// ```
///
/// | knob | default |
/// |---|---|
/// | [`header_timeout`](Serve::header_timeout) | 10 s |
/// | [`max_transports`](Serve::max_transports) | no limit |
/// | [`tls`](Serve::tls) | none |
/// | [`shutdown_on`](Serve::shutdown_on) | never |
///
/// # What has a deadline, and what has none
///
/// - From accept to the first request, whatever is between: the TLS handshake, telling the protocols apart, a request's
///   head that comes byte by byte.
/// - The head of each further request, and the time before it: an idle transport is closed, on HTTP/2 with GOAWAY.
/// - Not a request's body, nor its answer: an honest upload may be long. That is for the service, such as a
///   `TimeoutLayer` of tower-http.
/// - Not an open WebSocket, which has timeouts of its own.
///
/// # What a transport may cost
///
/// On HTTP/2 a client may have 100 streams at once on one transport, and 64 KiB on the way on each, all of which are
/// taken: so a WebSocket whose callback is busy does not hold up the others. A full outbox of one does not either.
pub fn serve<L: Listener, S>(listener: L, service: S) -> Serve<L, S> {
    Serve {
        listener,
        service,
        tls: |io| ready(Ok(io)),
        header_timeout: HEADER_TIMEOUT,
        max_transports: u32::MAX,
        hubs: Vec::new(),
        signal: Box::pin(pending()),
        plan: Shutdown::default(),
    }
}

/// A server, as [`serve()`] makes it: a future once it is awaited.
#[must_use = "a server serves when it is awaited"]
pub struct Serve<L: Listener, S, T = Plain<<L as Listener>::Io>> {
    listener: L,
    service: S,
    tls: T,
    header_timeout: Duration,
    max_transports: u32,
    hubs: Vec<Hub>,
    signal: Signal,
    plan: Shutdown,
}

/// When a server ends.
type Signal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A transport as it was accepted, without TLS.
pub type Plain<Io> = fn(Io) -> Ready<io::Result<Io>>;

/// What a server has done, once it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeReport {
    /// Transports that were accepted.
    pub accepted: u64,
    /// Transports that still spoke HTTP at the deadline of the shutdown, and were cut.
    pub cut: usize,
    /// The WebSockets of all hubs.
    pub sockets: ShutdownReport,
}

impl<L: Listener, S, T> Serve<L, S, T> {
    /// How long a client may take from accept to its first request, and from one request to the next: 10 s by
    /// default. Clients on slow networks need a few seconds; who holds a transport for nothing has it this long.
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        // A deadline has to be a moment that the clock can have.
        self.header_timeout = timeout.min(A_YEAR);
        self
    }

    /// How many transports may be open at once: no limit by default, and at least 1. More wait in the listener's
    /// backlog until one ends.
    ///
    /// A WebSocket over HTTP/1.1 counts until its `on_close` has returned, over HTTP/2 it shares the one that it is on.
    pub fn max_transports(mut self, transports: u32) -> Self {
        self.max_transports = transports.max(1);
        self
    }

    /// What makes a transport of what was accepted: a TLS handshake, with whatever library. Part of the
    /// [`header_timeout`](Self::header_timeout).
    ///
    /// It is called for each transport, so it may take another certificate each time: see the example `tls`.
    ///
    /// ```no_run
    /// # async fn example(listener: tokio::net::TcpListener, config: tokio_rustls::rustls::ServerConfig) {
    /// # let echo = gustnado::Handler::new(|| gustnado::Echo);
    /// let tls = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    /// gustnado::serve(listener, echo).tls(move |tcp| tls.accept(tcp)).await;
    /// # }
    /// ```
    pub fn tls<F, Fut, Io>(self, handshake: F) -> Serve<L, S, F>
    where
        F: Fn(L::Io) -> Fut,
        Fut: Future<Output = io::Result<Io>> + Send + 'static,
    {
        Serve {
            listener: self.listener,
            service: self.service,
            tls: handshake,
            header_timeout: self.header_timeout,
            max_transports: self.max_transports,
            hubs: self.hubs,
            signal: self.signal,
            plan: self.plan,
        }
    }

    /// A hub whose WebSockets a shutdown ends. Call it once per hub.
    pub fn hub(mut self, hub: &Hub) -> Self {
        self.hubs.push(hub.clone());
        self
    }

    /// When to end, and how.
    ///
    /// Once `signal` is ready, the listener is closed, transports that wait for a request are closed and others after
    /// their answers (on HTTP/2 with GOAWAY), and each [`hub`](Self::hub) is [shut down](Hub::shutdown) as `plan`
    /// says. The server is over when every transport is, or at the plan's deadline, when the rest is cut. WebSockets
    /// over HTTP/1.1 of a hub that was not given are waited for, and not cut.
    pub fn shutdown_on(mut self, signal: impl Future<Output = ()> + Send + 'static, plan: Shutdown) -> Self {
        self.signal = Box::pin(signal);
        self.plan = plan;
        self
    }
}

impl<L, S, T, Fut, Io, B> IntoFuture for Serve<L, S, T>
where
    L: Listener,
    T: Fn(L::Io) -> Fut + Send + 'static,
    Fut: Future<Output = io::Result<Io>> + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = ServeReport;
    type IntoFuture = Pin<Box<dyn Future<Output = ServeReport> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<L: Listener, S, T> Serve<L, S, T> {
    async fn run<Fut, Io, B>(mut self) -> ServeReport
    where
        T: Fn(L::Io) -> Fut + Send + 'static,
        Fut: Future<Output = io::Result<Io>> + Send + 'static,
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: Send + 'static,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let places = Places::new(self.max_transports);
        let mut accept = Accept::new(self.listener, places.clone());
        let (stop, stopping) = watch::channel(false);
        let mut accepted = 0;
        // Dropped with this future, and every transport with it.
        let mut transports = JoinSet::new();
        loop {
            let next = tokio::select! {
                () = &mut self.signal => break,
                Some(_ended) = transports.join_next() => continue,
                next = accept.next() => next,
            };
            accepted += 1;
            let transport = Transport {
                service: self.service.clone(),
                peer: next.peer,
                place: next.place,
                header_timeout: self.header_timeout,
                stopping: stopping.clone(),
            };
            transports.spawn(transport.run((self.tls)(next.io)));
        }
        drop(accept);
        let _ = stop.send(true);
        let over = timeout(self.plan.patience(), places.all_free());
        let (sockets, _) = tokio::join!(shut_down(self.hubs, &self.plan), over);
        while transports.try_join_next().is_some() {}
        ServeReport { accepted, cut: transports.len(), sockets }
    }
}

/// Shuts all hubs down at once.
async fn shut_down(hubs: Vec<Hub>, plan: &Shutdown) -> ShutdownReport {
    let mut ending = JoinSet::new();
    for hub in hubs {
        let plan = plan.clone();
        ending.spawn(async move { hub.shutdown(plan).await });
    }
    let mut all = ShutdownReport { ended: 0, cut: 0 };
    while let Some(report) = ending.join_next().await {
        let Ok(report) = report else { continue };
        all.ended += report.ended;
        all.cut += report.cut;
    }
    all
}
