//! [`Handshake`]: the request that wants to open a connection, and the answer it will get.

use std::{any::Any, borrow::Cow, collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header::ORIGIN, request::Parts,
};

use tokio::time::Instant;

use crate::{
    config::{ConnConfig, SlowReader},
    conn::{query_all, query_param},
    protocol::handshake::{Opening, is_reserved},
};

/// The other end's address, as an outer layer may put it into the request's extensions.
///
/// Without one, and without [`Handler::peer_from`](crate::Handler::peer_from), the address is known once the
/// connection is open, if it is plain TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// A request that asks to open a connection, as [`Connector::on_connect`](crate::Connector::on_connect) sees it:
/// well-formed, its origin allowed.
///
/// Its setters are for this connection only. Nothing has been answered yet, and nothing will be sent but the answer
/// until `on_connect` returns.
pub struct Handshake {
    parts: Parts,
    offered: Vec<Box<str>>,
    selected: Option<Box<str>>,
    /// Subprotocols that are credentials.
    hidden: Vec<Box<str>>,
    response_headers: HeaderMap,
    peer: Option<SocketAddr>,
    pub(crate) config: Arc<ConnConfig>,
    /// The hub, for the layer that knows what that is.
    pub(crate) home: Arc<dyn Any + Send + Sync>,
    pub(crate) rooms: Vec<String>,
    user: Option<Box<str>>,
    metadata: BTreeMap<String, String>,
    attached: Extensions,
}

/// A response header that cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// Not a header name (RFC 9110 §5.1).
    #[error("not a header name")]
    Name,
    /// Not a header value: a line break, say, which would let a peer write headers of its own.
    #[error("not a header value")]
    Value,
    /// The handshake sets this header itself.
    #[error("the header {0} is the handshake's own")]
    Reserved(HeaderName),
}

impl Handshake {
    pub(crate) fn new(
        parts: Parts,
        opening: &mut Opening,
        peer: Option<SocketAddr>,
        config: Arc<ConnConfig>,
        home: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self {
            parts,
            offered: std::mem::take(&mut opening.protocols),
            selected: None,
            hidden: Vec::new(),
            response_headers: HeaderMap::new(),
            peer,
            config,
            home,
            rooms: Vec::new(),
            user: None,
            metadata: BTreeMap::new(),
            attached: Extensions::new(),
        }
    }

    /// `GET`, or `CONNECT` on HTTP/2 (RFC 8441).
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// HTTP/1.1 or HTTP/2.
    pub fn version(&self) -> Version {
        self.parts.version
    }

    /// The request's target.
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A request header's first value, if it is text.
    pub fn header_str(&self, name: impl AsRef<str>) -> Option<&str> {
        self.parts.headers.get(name.as_ref())?.to_str().ok()
    }

    /// The page that asks, if it is a browser.
    pub fn origin(&self) -> Option<&str> {
        self.parts.headers.get(ORIGIN)?.to_str().ok()
    }

    /// The first value of a parameter of the query, percent-decoded.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        query_param(self.parts.uri.query(), name)
    }

    /// Every value of a parameter of the query, percent-decoded, in the order they came.
    pub fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        query_all(self.parts.uri.query(), name)
    }

    /// What outer layers added to the request: an authenticated user, axum's `ConnectInfo`.
    pub fn extensions(&self) -> &Extensions {
        &self.parts.extensions
    }

    /// The other end's address, if an outer layer told it: see [`PeerAddr`].
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The subprotocols that the client offers, in its order of preference.
    pub fn offered_protocols(&self) -> impl Iterator<Item = &str> {
        self.offered.iter().map(AsRef::as_ref)
    }

    /// The subprotocol chosen so far.
    pub fn protocol(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    /// Chooses the first of `supported`, in the order of the server's preference, that the client offers
    /// (§4.2.2); none, if it offers none of them. Names are compared as they are, case and all.
    pub fn select_protocol<'a>(&mut self, supported: impl IntoIterator<Item = &'a str>) -> Option<&str> {
        self.selected =
            supported.into_iter().find_map(|name| self.offered.iter().find(|it| ***it == *name)).cloned();
        self.selected.as_deref()
    }

    /// Chooses by a function, which gets what the client offers. What it returns beyond that is not chosen: a
    /// client must fail a connection whose subprotocol it did not ask for (§4.1).
    pub fn select_protocol_with(
        &mut self,
        choose: impl FnOnce(&[Box<str>]) -> Option<Box<str>>,
    ) -> Option<&str> {
        self.selected = choose(&self.offered).filter(|chosen| self.offered.contains(chosen));
        self.selected.as_deref()
    }

    /// Adds a header to the response that opens the connection; a second one of the same name stands beside the
    /// first. A refusal does not have it: see [`Reject::header`](crate::Reject::header).
    ///
    /// # Errors
    ///
    /// [`InvalidHeader`] for what is no name or no value, and for a header that the handshake sets itself.
    pub fn header<N, V>(&mut self, name: N, value: V) -> Result<(), InvalidHeader>
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        let name = name.try_into().map_err(|_| InvalidHeader::Name)?;
        let value = value.try_into().map_err(|_| InvalidHeader::Value)?;
        if is_reserved(&name) {
            return Err(InvalidHeader::Reserved(name));
        }
        self.response_headers.append(name, value);
        Ok(())
    }

    /// Says whose connection this is: [`Hub::user`](crate::Hub::user) sends to all connections of one user.
    pub fn set_user(&mut self, user: impl Into<Box<str>>) {
        self.user = Some(user.into());
    }

    /// Whose connection this is, if it was said.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Attaches a value to the connection, for queries.
    pub fn set_metadata(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.metadata.insert(key.into(), value.into());
    }

    /// Gives the connection a value of a type, in the place of one that was there:
    /// [`Conn::extension`](crate::Conn::extension) has it from the open on. This is how middlewares and the connector
    /// tell each other about one connection; for what changes, give a lock or an atomic in an `Arc`.
    pub fn set_extension<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.attached.insert(value);
    }

    /// A value that was [set](Self::set_extension), or else one that outer layers added to the request.
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.attached.get().or_else(|| self.parts.extensions.get())
    }

    /// As [`Conn::set_max_message_size`](crate::Conn::set_max_message_size), before the connection is open.
    pub fn set_max_message_size(&mut self, bytes: usize) {
        Arc::make_mut(&mut self.config).incoming.max_message_size = bytes;
    }

    /// As [`Conn::set_slow_reader`](crate::Conn::set_slow_reader), before the connection is open.
    pub fn set_slow_reader(&mut self, choice: SlowReader) {
        Arc::make_mut(&mut self.config).slow_reader = choice;
    }

    /// As [`Conn::set_ping_interval`](crate::Conn::set_ping_interval), before the connection is open.
    pub fn set_ping_interval(&mut self, interval: impl Into<Option<Duration>>) {
        Arc::make_mut(&mut self.config).ping_interval = crate::config::timer(interval);
    }

    /// The first subprotocol offered: what a connection that only shows a reject has to choose, since browsers
    /// fail one that chooses none of theirs.
    pub(crate) fn select_any_protocol(&mut self) {
        self.selected = self.offered.first().cloned();
    }

    /// Takes the subprotocols with this prefix out of what is offered, since they are credentials. If none was
    /// chosen, one is: browsers fail a connection that chooses none of theirs.
    pub(crate) fn hide_protocols(&mut self, prefix: &str) {
        self.hidden.extend(self.offered.extract_if(.., |it| it.starts_with(prefix)));
        if self.selected.as_ref().is_none_or(|selected| selected.starts_with(prefix)) {
            self.select_any_protocol();
        }
    }

    pub(crate) fn hidden_protocols(&self) -> impl Iterator<Item = &str> {
        self.hidden.iter().map(AsRef::as_ref)
    }

    pub(crate) fn set_expiry_at(&mut self, expiry: Option<Instant>) {
        Arc::make_mut(&mut self.config).expiry = expiry;
    }

    pub(crate) fn into_parts(self) -> Accepted {
        // Where nothing else is offered, a browser needs to see it again.
        let credential = self.hidden.first().filter(|_| self.offered.is_empty()).cloned();
        Accepted {
            parts: self.parts,
            answered_protocol: self.selected.clone().or(credential),
            protocol: self.selected,
            response_headers: self.response_headers,
            peer: self.peer,
            config: self.config,
            rooms: self.rooms,
            user: self.user,
            metadata: self.metadata,
            attached: self.attached,
        }
    }
}

/// A handshake that the connector agreed to.
pub(crate) struct Accepted {
    pub(crate) parts: Parts,
    pub(crate) protocol: Option<Box<str>>,
    /// The same, or else a credential that is no protocol and has to come back all the same.
    pub(crate) answered_protocol: Option<Box<str>>,
    pub(crate) response_headers: HeaderMap,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) config: Arc<ConnConfig>,
    pub(crate) rooms: Vec<String>,
    pub(crate) user: Option<Box<str>>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) attached: Extensions,
}

/// Copies one extension of a request to what a connection keeps of it.
pub(crate) type KeepExtension = fn(&Extensions, &mut Extensions);

pub(crate) fn keep_extension<T: Clone + Send + Sync + 'static>() -> KeepExtension {
    fn keep<T: Clone + Send + Sync + 'static>(from: &Extensions, to: &mut Extensions) {
        if let Some(value) = from.get::<T>() {
            to.insert(value.clone());
        }
    }
    keep::<T>
}
