//! [`Handler`]: the tower service that opens connections.

mod admission;
mod body;
mod builder;
mod events;
mod open;

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use self::open::Shared;
pub(crate) use self::{admission::UserGate, open::Held};
pub use self::{
    admission::{InvalidProxy, ProxyHeader, TrustProxy},
    body::Body,
    events::Events,
};
use crate::{
    conn::Conn,
    connector::{
        Disconnect, Factory, FromFn, FromRequest, Handshake, Incoming, IntoConnector, OnMessage,
        StreamFactory, from_handshake,
    },
    hub::Hub,
    protocol::{
        handshake::{HandshakeError, check, is_attempt},
        message::Message,
    },
    stats::Stats,
};

/// Opens connections: a tower service for any application on hyper, cheap to clone.
///
/// A constructor says what the connections do; methods turn the knobs, each with a default. Requests that ask for
/// no WebSocket get 426, or go to a [`fallback`](Self::fallback).
///
/// ```
/// # use gustnado::{Conn, Handler, Message};
/// let echo = Handler::on_message(|conn: Conn, message: Message| async move {
///     conn.send(message).await?;
///     Ok(())
/// })
/// .max_message_size(1024 * 1024)
/// .allow_origins(["https://app.example.com"])?;
///
/// let app: axum::Router = axum::Router::new().route_service("/echo", echo);
/// # Ok::<(), gustnado::InvalidOrigin>(())
/// ```
///
/// The defaults:
///
/// | knob | default |
/// |---|---|
/// | [`max_message_size`](Self::max_message_size) | 64 KiB |
/// | [`max_fragments`](Self::max_fragments) | 1,024 |
/// | [`compression`](Self::compression) | where offered; no context takeover, from 512 B on, level 1 |
/// | [`outbox_limits`](Self::outbox_limits) | 1 MiB and 1,024 messages |
/// | [`slow_reader`](Self::slow_reader) | disconnect, 1013 |
/// | [`message_rate`](Self::message_rate) | no limit |
/// | [`read_ahead`](Self::read_ahead) | 64 KiB |
/// | [`ping_interval`](Self::ping_interval) / [`pong_timeout`](Self::pong_timeout) | 30 s / 60 s |
/// | [`handshake_timeout`](Self::handshake_timeout) | 30 s |
/// | [`write_timeout`](Self::write_timeout) | 15 s |
/// | [`close_timeout`](Self::close_timeout) | 5 s |
/// | origin | the same host |
/// | [`max_connections`](Self::max_connections), [`max_new_connections`](Self::max_new_connections) | no limit |
/// | [`max_connections_per_peer`](Self::max_connections_per_peer) | no limit; IPv6 counts [per /64](Self::ipv6_prefix) |
/// | [`max_connections_per_user`](Self::max_connections_per_user) | no limit |
/// | [`trust_proxy`](Self::trust_proxy) | off: a peer is who is at the other end of the transport |
/// | messages that wait for the reader in [stream mode](Self::stream) | 100 |
/// | [`visible_rejects`](Self::visible_rejects), [`debug`](Self::debug) | off |
#[derive(Clone)]
pub struct Handler<F = NoFallback> {
    shared: Arc<Shared>,
    fallback: F,
}

impl Handler {
    /// Opens connections with a connector of their own, which `factory` makes for each request.
    ///
    /// It returns a [`Connector`](crate::Connector), a `Box<dyn Connector>` if it chooses between several, or a
    /// `Result` of either, whose [`Reject`](crate::Reject) refuses the request.
    pub fn new<C: IntoConnector>(factory: impl Fn() -> C + Send + Sync + 'static) -> Self {
        Self::from_factory(FromFn(factory))
    }

    /// As [`new`](Self::new), for a factory that sees the request.
    ///
    /// ```
    /// # use gustnado::{Connector, Handler, Handshake, Reject};
    /// # struct Player; impl Connector for Player {}
    /// # struct Spectator; impl Connector for Spectator {}
    /// let game = Handler::with(|handshake: &Handshake| -> Result<Box<dyn Connector>, Reject> {
    ///     match handshake.query("as").as_deref() {
    ///         Some("player") => Ok(Box::new(Player)),
    ///         Some("spectator") => Ok(Box::new(Spectator)),
    ///         _ => Err(Reject::new(http::StatusCode::BAD_REQUEST, "as what?")),
    ///     }
    /// });
    /// ```
    pub fn with<C: IntoConnector>(factory: impl Fn(&Handshake) -> C + Send + Sync + 'static) -> Self {
        Self::from_factory(FromRequest(factory))
    }

    /// As [`new`](Self::new), for a [`Factory`] of any kind, which may be async.
    pub fn from_factory(factory: impl Factory) -> Self {
        Self { shared: Arc::new(Shared::new(Arc::new(factory))), fallback: NoFallback }
    }

    /// Calls a closure for each message of each connection, one after the other: for quick work.
    pub fn on_message<F, Fut>(on_message: F) -> Self
    where
        F: Fn(Conn, Message) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Disconnect>> + Send + 'static,
    {
        let on_message = Arc::new(on_message);
        Self::new(move || OnMessage(on_message.clone()))
    }

    /// Runs `run` for each connection, with what comes in as a stream, instead of callbacks.
    ///
    /// The connection closes when it returns: with 1000, or as its [`Disconnect`] says. When the connection ends
    /// first, `incoming` ends, sends fail, and `run` goes on until it returns: the connection's `on_close` and its
    /// place in [`Stats::open`] wait for it. Each connection costs one task more than with callbacks.
    ///
    /// ```
    /// # use gustnado::Handler;
    /// let shout = Handler::stream(|conn, mut incoming| async move {
    ///     while let Some(message) = incoming.next().await {
    ///         conn.send(message.text()?.to_uppercase()).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn stream<F, Fut>(run: F) -> Self
    where
        F: Fn(Conn, Incoming) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Disconnect>> + Send + 'static,
    {
        Self::from_factory(StreamFactory(Arc::new(run)))
    }
}

impl<F> Handler<F> {
    /// Hands requests that ask for no WebSocket to `service`, whatever their method.
    ///
    /// A handler is also a [`Layer`], which does the same for the service it is put around.
    pub fn fallback<S>(self, service: S) -> Handler<S> {
        Handler { shared: self.shared, fallback: service }
    }

    /// The hub that its connections are registered in: the one it was [given](Self::hub), or its own.
    pub fn to_hub(&self) -> Hub {
        self.shared.hub.clone()
    }

    /// What this handler and all its clones have seen.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }
}

impl<S> Layer<S> for Handler {
    type Service = Handler<S>;

    fn layer(&self, inner: S) -> Handler<S> {
        self.clone().fallback(inner)
    }
}

impl<F> fmt::Debug for Handler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl<B, F, R> Service<Request<B>> for Handler<F>
where
    F: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    F::Future: Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.fallback.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let (parts, body) = request.into_parts();
        if is_attempt(&parts) {
            // What a client sends as the body of such a request is not read: there is none (§4.1), and bytes that
            // follow belong to the connection, or to nobody.
            drop(body);
            let answer = self.shared.clone().open(parts);
            return Box::pin(async { Ok(answer.await) });
        }
        let answer = self.fallback.call(Request::from_parts(parts, body));
        Box::pin(async { Ok(answer.await?.map(Body::fallback)) })
    }
}

/// The future of a handler's answer.
type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// What answers requests that ask for no WebSocket when there is no [fallback](Handler::fallback): 405 or 426, and
/// what would do.
#[derive(Debug, Clone, Copy)]
pub struct NoFallback;

impl<B> Service<Request<B>> for NoFallback {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, _) = request.into_parts();
        let error = check(&parts).err().unwrap_or(HandshakeError::NotAnUpgrade);
        ready(Ok(from_handshake(&error).into_response(parts.version, false).map(Body::full)))
    }
}
