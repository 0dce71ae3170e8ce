//! The echo of `axum.rs` under TLS.

mod listen;
mod tls;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let upgrade = async |request: WebSocketUpgrade| request.on_upgrade(echo);
    let listener = tls::Tls::new(listen::listen().await?)?;
    axum::serve(listener, Router::new().fallback(upgrade)).await
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
