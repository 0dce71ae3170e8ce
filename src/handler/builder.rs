//! The knobs of a [`Handler`].

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use http::{HeaderName, request::Parts};

use crate::{
    config::{ConnConfig, RateLimit, SlowReader, timer},
    connector::{PeerAddr, keep_extension},
    hub::Hub,
    protocol::origin::{InvalidOrigin, Origin, OriginPolicy},
};

use super::{Handler, TrustProxy, open::Shared};

/// Knobs. They apply to this handler and to clones made from it afterwards. [`Conn`](crate::Conn) has those of a
/// connection, but for `read_ahead`, as `set_` methods.
impl<F> Handler<F> {
    /// The largest message that is taken, in bytes over all its fragments: 64 KiB by default. A larger one closes
    /// with 1009. A connection may hold as much while a message arrives.
    #[must_use]
    pub fn max_message_size(self, bytes: usize) -> Self {
        self.conn(|config| config.incoming.max_message_size = bytes)
    }

    /// The most frames one message may have, empty ones counted: 1,024 by default. More close with 1009.
    #[must_use]
    pub fn max_fragments(self, frames: usize) -> Self {
        self.conn(|config| config.incoming.max_fragments = frames)
    }

    /// The most that may wait to be written: bytes, frame headers included (1 MiB by default), and messages
    /// (1,024 by default, at least 1). A peer that does not read costs this much memory, and no message larger
    /// than this can be sent.
    #[must_use]
    pub fn outbox_limits(self, bytes: usize, messages: usize) -> Self {
        self.conn(|config| {
            config.outbox_bytes = bytes;
            config.outbox_messages = NonZeroUsize::new(messages).unwrap_or(NonZeroUsize::MIN);
        })
    }

    /// What happens to a peer whose outbox is full: disconnected with 1013 by default.
    #[must_use]
    pub fn slow_reader(self, choice: SlowReader) -> Self {
        self.conn(|config| config.slow_reader = choice)
    }

    /// How many messages, and bytes of them, a peer may send per second, and what happens when it sends more: no
    /// limit by default.
    #[must_use]
    pub fn message_rate(self, limit: impl Into<Option<RateLimit>>) -> Self {
        let limit = limit.into();
        self.conn(|config| config.message_rate = limit)
    }

    /// How many bytes of messages are read while a callback is busy: 64 KiB by default, each message counted
    /// with 64 bytes beside its payload. Then TCP pushes back. A busy connection may hold this much, one read
    /// (64 KiB) and one message.
    #[must_use]
    pub fn read_ahead(self, bytes: usize) -> Self {
        self.conn(|config| config.read_ahead = bytes)
    }

    /// How often a ping goes out: every 30 s by default, `None` or zero for never.
    #[must_use]
    pub fn ping_interval(self, interval: impl Into<Option<Duration>>) -> Self {
        let interval = timer(interval);
        self.conn(|config| config.ping_interval = interval)
    }

    /// After how long without any byte the peer counts as dead: 60 s by default, `None` or zero for never. Longer
    /// than the ping interval, or idle peers are cut before they were asked.
    #[must_use]
    pub fn pong_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        let timeout = timer(timeout);
        self.conn(|config| config.pong_timeout = timeout)
    }

    /// How long [`Conn::send`](crate::Conn::send) waits for room in the outbox: 15 s by default.
    #[must_use]
    pub fn write_timeout(self, timeout: Duration) -> Self {
        self.conn(|config| config.write_timeout = timeout)
    }

    /// How long the closing handshake may take, from the first close frame to the end: 5 s by default.
    #[must_use]
    pub fn close_timeout(self, timeout: Duration) -> Self {
        self.conn(|config| config.close_timeout = timeout)
    }

    /// How long the factory and `on_connect` may take together before the request is refused with 503, and after
    /// that how long the answer may take to be written: 30 s by default. With zero nothing opens.
    #[must_use]
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        self.turn(|shared| shared.handshake_timeout = timeout)
    }

    /// Lets pages of these origins in, beside those of the request's own host. One looks like
    /// `https://example.com` or `http://localhost:3000`; scheme, host and port must all be the same. The last call of
    /// `allow_origins`, `check_origin` and `allow_any_origin` counts. Others get 403.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] for what is no origin.
    pub fn allow_origins<'a>(
        self,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidOrigin> {
        let origins: Arc<[Origin]> = origins.into_iter().map(Origin::parse).collect::<Result<_, _>>()?;
        Ok(self.turn(|shared| shared.origin = OriginPolicy::List(origins)))
    }

    /// Asks `allows` about each request, with its `Origin` if it has one. What sends no origin is no browser. A
    /// request with two origins, or with one that is not ASCII, is refused without asking.
    ///
    /// ```
    /// # use gustnado::{Connector, Handler};
    /// # struct Chat; impl Connector for Chat {}
    /// let chat = Handler::new(|| Chat)
    ///     .check_origin(|origin, _| origin.is_none_or(|origin| origin.ends_with(".example.com")));
    /// ```
    #[must_use]
    pub fn check_origin(self, allows: impl Fn(Option<&str>, &Parts) -> bool + Send + Sync + 'static) -> Self {
        self.turn(|shared| shared.origin = OriginPolicy::Predicate(Arc::new(allows)))
    }

    /// Lets every page in.
    ///
    /// Browsers send cookies along whatever page opens the connection, and no CORS rule stands between. If cookies
    /// say who the user is, then any page that a user visits can act in that user's name: cross-site WebSocket
    /// hijacking (§10.2). Only for what is public anyway, or authenticated by something a foreign page does not
    /// have, such as a token in the query.
    #[must_use]
    pub fn allow_any_origin(self) -> Self {
        self.turn(|shared| shared.origin = OriginPolicy::Any)
    }

    /// Chooses the first of `supported`, in the server's order of preference, that a client offers.
    /// [`Handshake::select_protocol`](crate::Handshake::select_protocol) can choose anew.
    #[must_use]
    pub fn protocols<'a>(self, supported: impl IntoIterator<Item = &'a str>) -> Self {
        let supported = supported.into_iter().map(Box::from).collect();
        self.turn(|shared| shared.protocols = supported)
    }

    /// Accepts what the factory or `on_connect` refuses, and closes it at once with 4000 + status and the body as
    /// the reason (or with [`Reject::close_frame`](crate::Reject::close_frame)): off by default.
    ///
    /// Pages cannot read the answer to a failed handshake: to them a 401 looks like a server that is gone.
    #[must_use]
    pub fn visible_rejects(self, visible: bool) -> Self {
        self.turn(|shared| shared.visible_rejects = visible)
    }

    /// Answers an error of the factory or of `on_connect` with its text: off by default, since such texts tell
    /// more than a stranger should know.
    #[must_use]
    pub fn debug(self, debug: bool) -> Self {
        self.turn(|shared| shared.debug = debug)
    }

    /// Headers of the request that [`Conn::request`](crate::Conn::request) has: none by default. They are copied
    /// out, once per connection.
    #[must_use]
    pub fn keep_headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let names = names.into_iter().collect();
        self.turn(|shared| shared.keep_headers = names)
    }

    /// An extension of the request that [`Conn::extension`](crate::Conn::extension) has, such as the user whom an
    /// outer layer authenticated. Call it once per type.
    ///
    /// Not all are kept by themselves, because a `Uri` or a header among them would pin the HTTP server's read
    /// buffer for as long as the connection lives.
    #[must_use]
    pub fn keep_extension<T: Clone + Send + Sync + 'static>(self) -> Self {
        self.turn(|shared| shared.keep_extensions.push(keep_extension::<T>()))
    }

    /// Where outer layers put the peer's address, if not into a [`PeerAddr`]: with axum,
    /// `.peer_from(|info: &ConnectInfo<SocketAddr>| info.0)`.
    #[must_use]
    pub fn peer_from<T: Send + Sync + 'static>(
        self,
        address: impl Fn(&T) -> SocketAddr + Send + Sync + 'static,
    ) -> Self {
        self.turn(|shared| {
            shared.peer_from = Arc::new(move |extensions| match extensions.get::<PeerAddr>() {
                Some(peer) => Some(peer.0),
                None => extensions.get::<T>().map(&address),
            });
        })
    }

    /// A name for the endpoint, which [`Conn::endpoint`](crate::Conn::endpoint) tells: for handlers that share a hub.
    #[must_use]
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        self.turn(|shared| shared.name = Some(name))
    }

    /// Registers its connections in this hub, which other handlers may share. By default a handler has one of its
    /// own. [`Handler::to_hub`] gives it back.
    #[must_use]
    pub fn hub(self, hub: &Hub) -> Self {
        self.turn(|shared| {
            shared.hub = hub.clone();
            hub.adopt(&shared.counters);
        })
    }

    /// How many connections may be open at once, over all clones of this handler: no limit by default. One more is
    /// answered with 503 and `Retry-After`.
    ///
    /// A place is taken before `on_connect` and given back after `on_close`, or whenever it does not come to that.
    #[must_use]
    pub fn max_connections(self, connections: usize) -> Self {
        self.turn(|shared| shared.admission.max_connections = Some(connections))
    }

    /// How many connections one peer may have open at once: no limit by default. One more is answered with 429 and
    /// `Retry-After`.
    ///
    /// A peer is an IPv4 address, or an IPv6 network: see [`ipv6_prefix`](Self::ipv6_prefix). The address has to be
    /// known during the handshake: from a [`PeerAddr`], from [`peer_from`](Self::peer_from), or, behind a proxy, by
    /// [`trust_proxy`](Self::trust_proxy). All peers whose address is not known count as one.
    #[must_use]
    pub fn max_connections_per_peer(self, connections: usize) -> Self {
        self.turn(|shared| shared.admission.max_per_peer = Some(connections))
    }

    /// How many bits of an IPv6 address make a peer: 64 by default, since whoever has one address of a /64 has all
    /// of them. More than 128 count as 128.
    #[must_use]
    pub fn ipv6_prefix(self, bits: u8) -> Self {
        self.turn(|shared| shared.admission.ipv6_prefix = bits.min(128))
    }

    /// How many connections one user may have open at once: no limit by default. One more is answered with 429 and
    /// `Retry-After`.
    ///
    /// Looked at once `on_connect` has named the user by [`Handshake::set_user`](crate::Handshake::set_user) and
    /// agreed; a connector whose connection is refused then is dropped without another callback.
    #[must_use]
    pub fn max_connections_per_user(self, connections: usize) -> Self {
        self.turn(|shared| shared.admission.max_per_user = Some(connections))
    }

    /// How many connections may be opened per second, and how many at once after a rest: no limit by default, both
    /// at least 1. More are answered with 503, and `Retry-After` says when one may be opened again.
    #[must_use]
    pub fn max_new_connections(self, per_second: u32, burst: u32) -> Self {
        self.turn(|shared| shared.admission.set_pace(per_second, burst))
    }

    /// Takes these proxies' word on who the peer is; nobody's by default. [`Conn::peer`](crate::Conn::peer) and
    /// [`max_connections_per_peer`](Self::max_connections_per_peer) go by it.
    #[must_use]
    pub fn trust_proxy(self, proxies: TrustProxy) -> Self {
        self.turn(|shared| shared.admission.trust_proxy = Some(Arc::new(proxies)))
    }

    pub(crate) fn conn(self, change: impl FnOnce(&mut ConnConfig)) -> Self {
        self.turn(|shared| change(Arc::make_mut(&mut shared.conn)))
    }

    pub(super) fn turn(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}
