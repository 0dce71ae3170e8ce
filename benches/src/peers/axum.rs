//! The WebSocket echo of axum's documentation: one `send` per message received.

mod listen;

use axum::Router;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::serve::ListenerExt;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = listen::listen().await?;
    let listener = listener.tap_io(|stream| {
        // A socket that fails here is closed already, which the first read tells axum.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().fallback(upgrade)).await
}

async fn upgrade(request: WebSocketUpgrade) -> Response {
    request.on_upgrade(echo)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
