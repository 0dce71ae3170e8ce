//! A listener in memory, and clients of it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::{convert::Infallible, error::Error, future::pending, io, net::SocketAddr};

use bytes::Bytes;
use gustnado::{Body, Listener, serve};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::{client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
};
use tower::Service;

use crate::support::{Client, PIPE, request};

/// Whom the listener takes each client for.
pub const PEER: ([u8; 4], u16) = ([192, 0, 2, 1], 4711);

/// A listener in memory, which accepts what it is sent.
pub struct Memory(pub mpsc::Receiver<DuplexStream>);

impl Listener for Memory {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Option<SocketAddr>)> {
        match self.0.recv().await {
            Some(io) => Ok((io, Some(PEER.into()))),
            None => pending().await,
        }
    }
}

/// Where clients of a [`Memory`] come from.
#[derive(Clone)]
pub struct Dialer(pub mpsc::Sender<DuplexStream>);

impl Dialer {
    pub fn dial(&self) -> Client {
        let (client, server) = duplex(PIPE);
        self.0.try_send(server).expect("the server listens");
        Client::new(client)
    }

    pub async fn connect(&self) -> Client {
        self.dial().upgrade(&request()).await
    }

    pub async fn http2(&self) -> (http2::SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
        let io = TokioIo::new(self.dial().io);
        let (mut requests, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        // An answer comes after the settings, which say that extended CONNECT is spoken.
        requests.send_request(get()).await.expect("an answer");
        (requests, connection)
    }
}

pub fn get() -> Request<Empty<Bytes>> {
    Request::get("http://example.com/").body(Empty::new()).expect("a request")
}

pub fn listen() -> (Dialer, Memory) {
    let (dialer, listener) = mpsc::channel(128);
    (Dialer(dialer), Memory(listener))
}

/// Serves `service` as it is by default.
pub fn run<S, B>(service: S) -> Dialer
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (dialer, listener) = listen();
    tokio::spawn(serve(listener, service).into_future());
    dialer
}

/// Opens a WebSocket on a transport of HTTP/2.
pub async fn connect_over_http2(
    requests: &mut http2::SendRequest<Empty<Bytes>>,
) -> Client<TokioIo<Upgraded>> {
    let request = Request::connect("http://example.com/ws")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13");
    let answer =
        requests.send_request(request.body(Empty::new()).expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    Client::new(TokioIo::new(hyper::upgrade::on(answer).await.expect("a stream")))
}
