//! gustnado's fan-out: every message goes to one room, the sender included; with `--compression` compressed for clients that
//! offer it.

mod listen;

use axum::Router;
use gustnado::{Compression, Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, async_trait};

const ROOM: &str = "everybody";

struct Broadcast;

#[async_trait]
impl Connector for Broadcast {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.join(ROOM)?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.room(ROOM).send(message).await;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut handler = Handler::new(|| Broadcast);
    if std::env::args().any(|argument| argument == "--compression") {
        handler = handler.compression(Compression::new());
    }
    axum::serve(listen::listen().await?, Router::new().fallback_service(handler)).await
}
