//! gustnado's fan-out: every message goes to one room, the sender included.

mod listen;

use axum::Router;
use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, async_trait};

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
    let handler = Handler::new(|| Broadcast);
    axum::serve(listen::listen().await?, Router::new().fallback_service(handler)).await
}
