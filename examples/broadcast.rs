//! Every message goes to everybody in one room, the sender included, on every path.
//!
//! `cargo run --example broadcast -- [ADDRESS] [--max-message-size BYTES] [--max-fragments FRAMES]`

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
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut address = "127.0.0.1:8080".to_owned();
    let mut handler = Handler::new(|| Broadcast);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--max-message-size" => {
                let bytes: usize = value()?.parse()?;
                // An outbox holds at least what one message needs, and then some.
                let outbox = bytes.saturating_mul(4).max(1024 * 1024);
                handler = handler.max_message_size(bytes).outbox_limits(outbox, 1024);
            }
            "--max-fragments" => handler = handler.max_fragments(value()?.parse()?),
            option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
            _ => address = argument,
        }
    }
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(handler)).await?;
    Ok(())
}
