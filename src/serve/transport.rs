//! [`Transport`]: one transport, from accept until HTTP is over on it.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{Instant, timeout_at},
};
use tower_service::Service;

use super::{activity::Activity, places::Place};
use crate::{
    conn::Escaped,
    connector::PeerAddr,
    handler::{Body, Held},
};

/// Streams of HTTP/2 at once: RFC 9113 §5.1.2 asks for no fewer.
const MAX_STREAMS: u32 = 100;
/// What a client may send on a stream before the service has read any of it.
const STREAM_WINDOW: u32 = 64 * 1024;
/// All of these together. With less, streams that nobody reads would stop those that somebody does.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

/// One transport, and what it is served with.
pub(super) struct Transport<S> {
    pub(super) service: S,
    pub(super) peer: Option<SocketAddr>,
    pub(super) place: Place,
    pub(super) header_timeout: Duration,
    pub(super) stopping: watch::Receiver<bool>,
}

impl<S, B> Transport<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Serves what `handshake` makes of the transport, until it ends.
    pub(super) async fn run<Io>(mut self, handshake: impl Future<Output = io::Result<Io>> + Send)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = self.peer.map(tracing::field::display);
        let deadline = Instant::now() + self.header_timeout;
        let handshake = tokio::select! {
            shaken = timeout_at(deadline, handshake) => shaken,
            _ = self.stopping.wait_for(|stopping| *stopping) => return,
        };
        match handshake {
            Ok(Ok(io)) => self.http(io, deadline).await,
            Ok(Err(error)) => {
                tracing::debug!(error = %Escaped::new(&error), peer, "the TLS handshake failed");
            }
            Err(_elapsed) => tracing::debug!(peer, "the TLS handshake took too long"),
        }
    }

    async fn http<Io>(mut self, io: Io, deadline: Instant)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = self.peer.map(tracing::field::display);
        let activity = Activity::new();
        let builder = builder(&activity, self.header_timeout);
        let front = Front {
            service: self.service,
            peer: self.peer.map(PeerAddr),
            activity: activity.clone(),
            place: self.place.clone(),
        };
        let io = TokioIo::new(io);
        let mut http = pin!(builder.serve_connection_with_upgrades(io, TowerToHyperService::new(front)));
        let mut first = pin!(timeout_at(deadline, activity.begun()));
        let mut idle = pin!(activity.idle(self.header_timeout));
        let (mut begun, mut leaving, mut stopping) = (false, false, false);
        loop {
            tokio::select! {
                ended = &mut http => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %Escaped::new(error.as_ref()), peer, "the transport failed");
                    }
                    return;
                }
                in_time = &mut first, if !begun => match in_time {
                    Ok(()) => begun = true,
                    Err(_elapsed) => return tracing::debug!(peer, "no request came in time"),
                },
                // Once more after the GOAWAY: a peer that is gone does not answer it.
                () = &mut idle, if begun => {
                    if leaving {
                        return;
                    }
                    leaving = true;
                    http.as_mut().graceful_shutdown();
                    idle.set(activity.idle(self.header_timeout));
                }
                _ = self.stopping.wait_for(|stopping| *stopping), if !stopping => {
                    stopping = true;
                    http.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn builder(activity: &Activity, header_timeout: Duration) -> auto::Builder<Activity> {
    let mut builder = auto::Builder::new(activity.clone());
    // Without a timer hyper's timeouts are none.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout);
    builder
        .http2()
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// Tells the service what it should know of a request beyond its bytes.
#[derive(Clone)]
struct Front<S> {
    service: S,
    peer: Option<PeerAddr>,
    activity: Activity,
    place: Place,
}

impl<S: Service<Request<Body>>> Service<Request<Incoming>> for Front<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Incoming>) -> S::Future {
        let mut request = request.map(Body::incoming);
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        if request.version() < Version::HTTP_2 {
            self.activity.is_http1();
            // A WebSocket takes the transport over, and has its place for as long as it is open.
            request.extensions_mut().insert(Held(self.place.clone()));
        }
        self.service.call(request)
    }
}
