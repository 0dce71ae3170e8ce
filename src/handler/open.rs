//! From a request to a session: the checks, the connector's say, the answer, the task.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use http::{Extensions, HeaderName, Response, StatusCode, Version, request::Parts};
use hyper::upgrade::OnUpgrade;
use tracing::Instrument;

use crate::{
    config::{ConnConfig, HANDSHAKE_TIMEOUT},
    conn::{Cause, Conn, Escaped, Opened, RequestInfo},
    connector::{
        Connector, Disconnect, Factory, Handshake, KeepExtension, PeerAddr, Reject, from_handshake,
        middleware::Stack,
    },
    hub::Hub,
    panics::CatchPanic,
    protocol::{
        close::CloseFrame,
        handshake::{HandshakeError, check},
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
            Err(reject) if self.visible_rejects => {
                self.log(&reject);
                handshake.select_any_protocol();
                (Box::new(Rejected(Some(reject.into_close_frame()))) as Box<dyn Connector>, None)
            }
            Err(reject) => return self.refuse(version, reject),
        };

        let accepted = handshake.into_parts();
        let mut kept = Extensions::new();
        for keep in &self.keep_extensions {
            keep(&accepted.parts.extensions, &mut kept);
        }
        kept.extend(accepted.attached);
        if let Some(gate) = permit.gate() {
            kept.insert(gate);
        }
        let conn = Conn::new(Opened {
            id: self.hub.next_id(),
            endpoint: self.name.clone(),
            request: RequestInfo::copied_from(&accepted.parts, &self.keep_headers),
            extensions: kept,
            home: self.hub.member(accepted.user, accepted.metadata),
            protocol: accepted.protocol,
            peer: accepted.peer,
            config: accepted.config,
        });
        let answer = opening.answer(accepted.answered_protocol.as_deref(), accepted.response_headers);
        let span = tracing::info_span!(
            "connection",
            id = %conn.id(),
            peer = conn.peer().map(tracing::field::display),
            protocol = conn.protocol(),
        );
        // A connection that only shows a reject was never let in.
        let registered = if open.is_some() { self.hub.register(&conn) } else { None };
        if open.is_some() && registered.is_none() {
            let told = async move {
                never_opened(connector, &conn, Cause::Shutdown).await;
                // Not before `on_close` has returned.
                drop((open, permit));
            };
            tokio::spawn(told.instrument(span));
            return self.refuse(version, going_down(Duration::from_secs(1)));
        }
        let joining = if open.is_some() { accepted.rooms } else { Vec::new() };
        let place = (registered, open, permit, held);
        tokio::spawn(self.serve(connector, conn, upgrade, joining, place).instrument(span));
        answer.map(|()| Body::default())
    }

    /// The connector for a request that agrees to it.
    async fn connect(
        &self,
        handshake: &mut Handshake,
        permit: &mut Permit,
    ) -> Result<Box<dyn Connector>, Reject> {
        let connect = CatchPanic(Box::pin(async {
            let mut connector = self.stack.around(self.factory.create(handshake).await?);
            connector.on_connect(handshake).await?;
            self.admission.admit_user(permit, handshake.user())?;
            Ok(connector)
        }));
        match tokio::time::timeout(self.handshake_timeout, connect).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(_panicked)) => Err(Reject::from(Cause::Panic)),
            Err(_elapsed) => Err(Reject::new(StatusCode::SERVICE_UNAVAILABLE, "the handshake took too long")),
        }
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
                let (io, early) = Io::new(upgraded);
                if let Io::Tcp(stream) = &io {
                    // What is worth waiting for has been gathered before it is written.
                    let _ = stream.set_nodelay(true);
                    if let Ok(peer) = stream.peer_addr()
                        && conn.set_peer(peer)
                    {
                        tracing::Span::current().record("peer", tracing::field::display(peer));
                    }
                }
                for room in joining {
                    // It was allowed to during the handshake; only a close from elsewhere stands against it now.
                    let _ = self.hub.join(&conn, &room);
                }
                let session = Session::new(connector, conn, io, early, self.counters.clone(), place);
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
struct Rejected(Option<CloseFrame>);

#[async_trait]
impl Connector for Rejected {
    async fn on_open(&mut self, _: &Conn) -> Result<(), Disconnect> {
        match self.0.take() {
            Some(frame) => Err(Disconnect::from_frame(frame)),
            None => Ok(()),
        }
    }
}
