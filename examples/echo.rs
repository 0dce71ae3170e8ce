//! Every message comes back, on every path.
//!
//! `cargo run --example echo -- [ADDRESS] [--max-message-size BYTES] [--max-fragments FRAMES] [--stalled-tap]`

use gustnado::{Conn, Connector, Disconnect, Handler, Message, TapFilter, async_trait};

struct Echo;

#[async_trait]
impl Connector for Echo {
    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut address = "127.0.0.1:8080".to_owned();
    let mut handler = Handler::new(|| Echo);
    let mut stalled_tap = None;
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
            // Watches everything and reads nothing, to measure that it slows nobody down.
            "--stalled-tap" => stalled_tap = Some(handler.to_hub().tap(TapFilter::default())),
            option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
            _ => address = argument,
        }
    }
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(handler)).await?;
    drop(stalled_tap);
    Ok(())
}
