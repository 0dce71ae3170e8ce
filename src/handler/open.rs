//! From a request to a session: the checks, the connector's say, the answer, the task.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Extensions, HeaderMap, HeaderName, Response, StatusCode, Version, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio::net::TcpStream;
use tracing::Instrument;

use crate::{
    config::{ConnConfig, HANDSHAKE_TIMEOUT},
    conn::{Cause, Closed, Conn, Escaped, Opened, RequestInfo},
    connector::{
        Connector, Disconnect, Factory, Handshake, KeepExtension, PeerAddr, Reject, from_handshake,
        middleware::Stack,
    },
    hub::Hub,
    panics::CatchPanic,
    protocol::{
        close::CloseFrame,
        handshake::{HandshakeError, Opening, check},
        origin::OriginPolicy,
    },
    session::{Session, io::Io, never_opened},
    stats::HandlerCounters,
};

use super::{
    Body,
    admission::{Admission, Permit},
};

/// What an HTTP server wants held for as long as the connection that a request opens: an extension of the request.
#[derive(Clone)]
pub(crate) struct Held(#[expect(dead_code, reason = "it is only held")] pub(crate) Arc<dyn Send + Sync>);

/// What all clones of a handler share.
#[derive(Clone)]
pub(super) struct Shared {
    factory: Arc<dyn Factory>,
    pub(super) name: Option<Arc<str>>,
    pub(super) conn: Arc<ConnConfig>,
    pub(super) origin: OriginPolicy,
    pub(super) protocols: Arc<[Box<str>]>,
    pub(super) handshake_timeout: Duration,
    pub(super) visible_rejects: bool,
    pub(super) debug: bool,
    pub(super) keep_headers: Arc<[HeaderName]>,
    pub(super) keep_extensions: Vec<KeepExtension>,
    pub(super) peer_from: Arc<PeerFrom>,
    pub(super) counters: Arc<HandlerCounters>,
    pub(super) hub: Hub,
    pub(super) stack: Stack,
    pub(super) admission: Admission,
}

type PeerFrom = dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync;

/// The HTTP server cannot hand connections over, or an outer layer has taken this one already.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP server offers no upgrade for this request")]
struct NoUpgrade;

impl Shared {
    pub(super) fn new(factory: Arc<dyn Factory>) -> Self {
        let (hub, counters) = (Hub::new(), Arc::default());
        hub.adopt(&counters);
        Self {
            factory,
            name: None,
            conn: Arc::default(),
            origin: OriginPolicy::default(),
            protocols: Arc::default(),
            handshake_timeout: HANDSHAKE_TIMEOUT,
            visible_rejects: false,
            debug: false,
            keep_headers: Arc::default(),
            keep_extensions: Vec::new(),
            peer_from: Arc::new(|extensions| Some(extensions.get::<PeerAddr>()?.0)),
            counters,
            hub,
            stack: Stack::new(),
            admission: Admission::default(),
        }
    }

    /// Answers a request that asks for a WebSocket, and opens the connection if nothing speaks against it.
    pub(super) async fn open(self: Arc<Self>, mut parts: Parts) -> Response<Body> {
        let version = parts.version;
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let held = parts.extensions.remove::<Held>();
        let checked = check(&parts).and_then(|opening| match self.origin.allows(&parts) {
            true => Ok(opening),
            false => Err(HandshakeError::Origin),
        });
        let mut opening = match checked {
            Ok(opening) => opening,
            Err(error) => return self.refuse(version, from_handshake(&error)),
        };
        let Some(upgrade) = upgrade else { return self.refuse(version, Reject::from(NoUpgrade)) };

        if let Some(wait) = self.hub.draining() {
            return self.refuse(version, going_down(wait));
        }

        let mut peer = (self.peer_from)(&parts.extensions);
        if let Some(proxies) = &self.admission.trust_proxy {
            peer = proxies.client(peer, &parts.headers);
        }
        let mut permit = match self.admission.admit(peer) {
            Ok(permit) => permit,
            Err(reject) => return self.refuse(version, reject),
        };
        let home = Arc::new(self.hub.clone());
        let mut handshake = Handshake::new(parts, &mut opening, peer, self.conn.clone(), home);
        handshake.select_protocol(self.protocols.iter().map(AsRef::as_ref));
        let (connector, open) = match self.connect(&mut handshake, &mut permit).await {
            Ok(connector) => (connector, Some(OpenGuard::new(self.counters.clone()))),
            Err((reject, accepted)) if self.visible_rejects => {
                self.log(&reject);
                handshake.select_any_protocol();
                let frame = Some(reject.into_close_frame());
                (Box::new(Rejected { frame, accepted }) as Box<dyn Connector>, None)
            }
            Err((reject, accepted)) => {
                if let Some(connector) = accepted {
                    let (conn, _) = self.conn(handshake, &mut opening, &permit);
                    never_opened_apart(connector, conn, Cause::TooManyOfUser, permit);
                }
                return self.refuse(version, reject);
            }
        };

        let (conn, Answer { protocol, headers, rooms }) = self.conn(handshake, &mut opening, &permit);
        let answer = opening.answer(protocol.as_deref(), headers);
        // A connection that only shows a reject was never let in.
        let registered = if open.is_some() { self.hub.register(&conn) } else { None };
        if open.is_some() && registered.is_none() {
            never_opened_apart(connector, conn, Cause::Shutdown, (open, permit));
            return self.refuse(version, going_down(Duration::from_secs(1)));
        }
        let span = span(&conn);
        let joining = if open.is_some() { rooms } else { Vec::new() };
        let place = (registered, open, permit, held);
        tokio::spawn(self.serve(connector, conn, upgrade, joining, place).instrument(span));
        answer.map(|()| Body::default())
    }

    /// The connector for a request that agrees to it. With a refusal, the connector that had agreed before, and is
    /// to be told.
    async fn connect(
        &self,
        handshake: &mut Handshake,
        permit: &mut Permit,
    ) -> Result<Box<dyn Connector>, (Reject, Option<Box<dyn Connector>>)> {
        let connect = CatchPanic(Box::pin(async {
            let mut connector = self.stack.around(self.factory.create(handshake).await?);
            connector.on_connect(handshake).await?;
            Ok(connector)
        }));
        let connected = match tokio::time::timeout(self.handshake_timeout, connect).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(_panicked)) => Err(Reject::from(Cause::Panic)),
            Err(_elapsed) => Err(Reject::new(StatusCode::SERVICE_UNAVAILABLE, "the handshake took too long")),
        };
        let connector = connected.map_err(|reject| (reject, None))?;
        match self.admission.admit_user(permit, handshake.user()) {
            Ok(()) => Ok(connector),
            Err(reject) => Err((reject, Some(connector))),
        }
    }

    /// The connection that a handshake makes, and what is left of the handshake.
    fn conn(&self, handshake: Handshake, opening: &mut Opening, permit: &Permit) -> (Conn, Answer) {
        let accepted = handshake.into_parts();
        let mut kept = Extensions::new();
        for keep in &self.keep_extensions {
            keep(&accepted.parts.extensions, &mut kept);
        }
        kept.extend(accepted.attached);
        if let Some(gate) = permit.gate() {
            kept.insert(gate);
        }
        let compression = opening.agree(accepted.config.compression.as_ref());
        let conn = Conn::new(Opened {
            id: self.hub.next_id(),
            endpoint: self.name.clone(),
            request: RequestInfo::copied_from(&accepted.parts, &self.keep_headers),
            extensions: kept,
            home: self.hub.member(accepted.user, accepted.metadata),
            protocol: accepted.protocol,
            compression,
            peer: accepted.peer,
            config: accepted.config,
            counters: self.counters.clone(),
        });
        let answer = Answer {
            protocol: accepted.answered_protocol,
            headers: accepted.response_headers,
            rooms: accepted.rooms,
        };
        (conn, answer)
    }

    /// Waits for the transport, and hands the connection over to its task.
    async fn serve(
        self: Arc<Self>,
        connector: Box<dyn Connector>,
        conn: Conn,
        upgrade: OnUpgrade,
        joining: Vec<String>,
        place: impl Send + 'static,
    ) {
        let cause = match tokio::time::timeout(self.handshake_timeout, upgrade).await {
            Ok(Ok(upgraded)) => {
                let (io, tcp, early) = Io::new(upgraded);
                if let Some(half) = tcp {
                    let stream: &TcpStream = half.as_ref();
                    // What is worth waiting for has been gathered before it is written.
                    let _ = stream.set_nodelay(true);
                    if let Ok(peer) = stream.peer_addr()
                        && conn.set_peer(peer)
                    {
                        tracing::Span::current().record("peer", tracing::field::display(peer));
                    }
                    conn.state().tcp = Some(half);
                }
                for room in joining {
                    // It was allowed to during the handshake; only a close from elsewhere stands against it now.
                    let _ = self.hub.join(&conn, &room);
                }
                let session = Session::new(connector, conn, io, early, place);
                // A task of its own, which has no room for what only the handshake needed.
                tokio::spawn(session.run().in_current_span());
                return;
            }
            Ok(Err(error)) => Cause::NotUpgraded(error.into()),
            Err(_elapsed) => Cause::HandshakeTimeout,
        };
        never_opened(connector, &conn, cause).await;
    }

    fn refuse(&self, version: Version, reject: Reject) -> Response<Body> {
        self.log(&reject);
        reject.into_response(version, self.debug).map(Body::full)
    }

    fn log(&self, reject: &Reject) {
        self.counters.refused();
        let status = reject.status().as_u16();
        match reject.source() {
            Some(error) => {
                let error = &Escaped::new(error) as &(dyn Error + 'static);
                tracing::error!(status, error, "refused");
            }
            None => tracing::debug!(status, "refused"),
        }
    }
}

/// What the answer has of a handshake, and what is done once it was given.
struct Answer {
    protocol: Option<Box<str>>,
    headers: HeaderMap,
    rooms: Vec<String>,
}

/// What everything that is logged about a connection stands in.
fn span(conn: &Conn) -> tracing::Span {
    tracing::info_span!(
        "connection",
        id = %conn.id(),
        peer = conn.peer().map(tracing::field::display),
        protocol = conn.protocol(),
    )
}

/// Tells a connector in a task of its own, so that the answer need not wait, that its connection was refused after
/// all. `place` is kept until `on_close` has returned.
fn never_opened_apart(connector: Box<dyn Connector>, conn: Conn, cause: Cause, place: impl Send + 'static) {
    let span = span(&conn);
    let told = async move {
        never_opened(connector, &conn, cause).await;
        drop(place);
    };
    tokio::spawn(told.instrument(span));
}

fn going_down(wait: Duration) -> Reject {
    Reject::new(StatusCode::SERVICE_UNAVAILABLE, "the server is going down").retry_after(wait)
}

/// Counts a connection as open until it is dropped, whatever became of it.
struct OpenGuard(Arc<HandlerCounters>);

impl OpenGuard {
    fn new(counters: Arc<HandlerCounters>) -> Self {
        counters.accepted();
        Self(counters)
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// Shows a refusal to a browser, which cannot read the answer to a failed handshake.
struct Rejected {
    frame: Option<CloseFrame>,
    /// What had agreed before something else refused, and is told how it ended.
    accepted: Option<Box<dyn Connector>>,
}

#[async_trait]
impl Connector for Rejected {
    async fn on_open(&mut self, _: &Conn) -> Result<(), Disconnect> {
        match self.frame.take() {
            Some(frame) => Err(Disconnect::from_frame(frame)),
            None => Ok(()),
        }
    }

    async fn on_error(&mut self, conn: &Conn, cause: &Cause) {
        if let Some(connector) = &mut self.accepted {
            connector.on_error(conn, cause).await;
        }
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        if let Some(connector) = &mut self.accepted {
            connector.on_close(conn, closed).await;
        }
    }
}
