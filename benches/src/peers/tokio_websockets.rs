//! tokio-websockets as its `echo_server` example has it: one `send` for each message.

mod listen;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{Config, Limits, ServerBuilder};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = listen::listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(tokio::task::unconstrained(echo(stream)));
    }
}

async fn echo(stream: TcpStream) {
    let accepted = ServerBuilder::new()
        .config(Config::default().frame_size(usize::MAX))
        .limits(Limits::unlimited())
        .accept(stream)
        .await;
    let Ok((_request, mut server)) = accepted else { return };
    while let Some(Ok(message)) = server.next().await {
        if (message.is_text() || message.is_binary()) && server.send(message).await.is_err() {
            return;
        }
    }
}
