//! socketioxide as its README has it: an event comes back as the same event, over Engine.IO's WebSocket transport.

mod listen;

use axum::serve::ListenerExt;
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (layer, io) = SocketIo::builder().max_payload(16 * 1024 * 1024).max_buffer_size(1024).build_layer();
    io.ns("/", async |socket: SocketRef| {
        socket.on("m", async |socket: SocketRef, Data::<String>(data)| {
            // It fails only where the client has gone, or does not read.
            let _ = socket.emit("m", &data);
        });
    });
    let listener = listen::listen().await?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, axum::Router::new().layer(layer)).await
}
