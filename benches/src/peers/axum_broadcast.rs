//! Fan-out as axum's chat example does it: one `tokio::sync::broadcast` channel, and two tasks per connection.
//!
//! `axum_broadcast [ADDRESS]`, `127.0.0.1:8080` by default. The sender gets its own message, too. Unlike the example
//! it sends the message on as it came: making a new string of it would only add to the cost.

mod listen;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::broadcast;

type Room = broadcast::Sender<Message>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = listen::listen().await?;
    let listener = listener.tap_io(|stream| {
        // A socket that fails here is closed already, which the first read tells axum.
        let _ = stream.set_nodelay(true);
    });
    let (room, _) = broadcast::channel(100);
    axum::serve(listener, Router::new().fallback(upgrade).with_state(room)).await
}

async fn upgrade(request: WebSocketUpgrade, State(room): State<Room>) -> Response {
    request.on_upgrade(|socket| join(socket, room))
}

async fn join(socket: WebSocket, room: Room) {
    let (mut sender, mut receiver) = socket.split();
    let mut messages = room.subscribe();
    let mut send_task = tokio::spawn(async move {
        while let Ok(message) = messages.recv().await {
            if sender.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut receive_task = tokio::spawn(async move {
        while let Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) = receiver.next().await {
            // It fails only without receivers, and this connection is one.
            let _ = room.send(message);
        }
    });
    tokio::select! {
        _ = &mut send_task => receive_task.abort(),
        _ = &mut receive_task => send_task.abort(),
    }
}
