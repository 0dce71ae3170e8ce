//! On bare hyper: upgrades go to the handler, and everything else to a function of the application.
//!
//! `cargo run --example hyper -- [ADDRESS]`

use std::convert::Infallible;

use gustnado::{Conn, Handler, Message, PeerAddr};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};

async fn page(request: Request<Incoming>) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    Ok(Response::new(Full::from(format!("{} is no WebSocket.\n", request.uri().path()))))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let handler = Handler::on_message(|conn: Conn, message: Message| async move {
        conn.send(message).await?;
        Ok(())
    })
    .fallback(tower::service_fn(page));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        // What layers know about a request reaches the handler by its extensions.
        let service = tower::ServiceBuilder::new()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddr(peer));
                request
            })
            .service(handler.clone());
        tokio::spawn(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                .with_upgrades(),
        );
    }
}
