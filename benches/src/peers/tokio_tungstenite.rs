//! tokio-tungstenite as its `echo-server` example has it: what was read is forwarded, and flushed when no more is there.

mod listen;

use futures_util::{StreamExt, TryStreamExt, future};
use tokio::net::TcpStream;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = listen::listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(echo(stream));
    }
}

async fn echo(stream: TcpStream) {
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (write, read) = socket.split();
    // It ends with an error where the peer goes without a close, which is no affair of an echo's.
    let _ = read
        .try_filter(|message| future::ready(message.is_text() || message.is_binary()))
        .forward(write)
        .await;
}
