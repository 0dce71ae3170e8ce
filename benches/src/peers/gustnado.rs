//! gustnado's echo; with `--stalled-tap` beside a tap that nobody reads.

mod listen;

use axum::Router;
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
async fn main() -> std::io::Result<()> {
    // The largest message of the workloads, and an outbox that holds some of them.
    let handler = Handler::new(|| Echo).max_message_size(16 << 20).outbox_limits(64 << 20, 1024);
    let stalled = std::env::args().any(|argument| argument == "--stalled-tap");
    let _tap = stalled.then(|| handler.to_hub().tap(TapFilter::default()));
    axum::serve(listen::listen().await?, Router::new().fallback_service(handler)).await
}
