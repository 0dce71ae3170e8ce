//! gustnado's echo; with `--stalled-tap` beside a tap that nobody reads, with `--compression` or `--context-takeover`
//! compressed for clients that offer it.

mod listen;

use axum::Router;
use gustnado::{Compression, Conn, Connector, Disconnect, Handler, Message, TapFilter, async_trait};

struct Echo;

#[async_trait]
impl Connector for Echo {
    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}

#[tokio::main]
pub async fn main() -> std::io::Result<()> {
    // The largest message of the workloads, and an outbox that holds some of them.
    let mut handler = Handler::new(|| Echo).max_message_size(16 << 20).outbox_limits(64 << 20, 1024);
    let mut tap = None;
    for argument in std::env::args().skip(2) {
        let compression = Compression::new();
        match argument.as_str() {
            "--stalled-tap" => tap = Some(handler.to_hub().tap(TapFilter::default())),
            "--compression" => handler = handler.compression(compression),
            "--context-takeover" => handler = handler.compression(compression.server_context_takeover(true)),
            _ => return Err(std::io::Error::other(format!("unknown option {argument}"))),
        }
    }
    axum::serve(listen::listen().await?, Router::new().fallback_service(handler)).await?;
    drop(tap);
    Ok(())
}
