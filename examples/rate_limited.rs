//! Five connections per address: the sixth gets 429. Ten messages per second each: faster ones have to wait.
//!
//! `cargo run --example rate_limited -- [ADDRESS]`

use std::net::SocketAddr;

use axum::{Router, extract::ConnectInfo};
use gustnado::{Conn, Handler, Message, RateLimit};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let handler = Handler::on_message(|conn: Conn, message: Message| async move {
        conn.send(message).await?;
        Ok(())
    })
    .peer_from(|info: &ConnectInfo<SocketAddr>| info.0)
    .max_connections_per_peer(5)
    .message_rate(RateLimit::new(10).burst(20).bytes(64 * 1024));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let app = Router::new().fallback_service(handler);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
}
