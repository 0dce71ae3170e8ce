//! Serving one connection of HTTP/1.1 in memory.

use std::{convert::Infallible, error::Error};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::io::{DuplexStream, duplex};
use tower_service::Service;

/// How many bytes the transport in memory takes in each direction before it pushes back: 16 KiB.
pub const PIPE: usize = 16 * 1024;

/// Serves one connection of HTTP/1.1 in memory, in a task of its own, and gives the client's end of it.
///
/// The service is a [`Handler`](crate::Handler), or whatever stands around it: a router, layers.
pub fn serve<S, R>(service: S) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: http_body::Body + Send + 'static,
    R::Data: Send,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    serve_with_pipe(service, PIPE)
}

/// As [`serve`], with a transport that takes `pipe` bytes in each direction: a client that reads nothing is a slow
/// reader from there on.
pub fn serve_with_pipe<S, R>(service: S, pipe: usize) -> DuplexStream
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: http_body::Body + Send + 'static,
    R::Data: Send,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (client, server) = duplex(pipe);
    tokio::spawn(
        http1::Builder::new()
            .serve_connection(TokioIo::new(server), TowerToHyperService::new(service))
            .with_upgrades(),
    );
    client
}
