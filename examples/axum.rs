//! Beside the routes of an axum application, with what its layers know about the request.
//!
//! `cargo run --example axum -- [ADDRESS]`

use std::net::SocketAddr;

use axum::{Extension, Router, extract::ConnectInfo, routing::get};
use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Reject, Text, async_trait};
use http::StatusCode;

/// Whom a layer has found out about; here it is the same for everybody.
#[derive(Clone)]
struct User(&'static str);

struct Hello;

#[async_trait]
impl Connector for Hello {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let known = handshake.extensions().get::<User>().is_some();
        if known { Ok(()) } else { Err(Reject::new(StatusCode::UNAUTHORIZED, "who are you?")) }
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let name = conn.extension::<User>().map_or("nobody", |user| user.0);
        let from = conn.peer().map_or("nowhere".into(), |peer| peer.ip().to_string());
        conn.send(format!("{name} from {from} says: {text}")).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let hello = Handler::new(|| Hello)
        .keep_extension::<User>()
        .peer_from(|info: &ConnectInfo<SocketAddr>| info.0)
        // `GET /ws` without an upgrade is an ordinary request.
        .fallback(get(|| async { "Speak WebSocket to me.\n" }).with_state(()));
    let app = Router::new()
        .route("/", get(|| async { "An ordinary page.\n" }))
        .route_service("/ws", hello)
        .layer(Extension(User("Ada")));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
}
