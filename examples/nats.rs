//! Several nodes over NATS: what is said in a room is heard on all of them, and all know who is there.
//!
//! `cargo run --example nats --features nats -- [ADDRESS[,ADDRESS..]] [URL]`
//!
//! Each address is a node of its own; run it again with other addresses for nodes in other processes. Connect to
//! `/ws?user=ann&room=lobby`, say something, or `/who`, `/count`, `/tell USER TEXT`.

#[path = "redis/chat.rs"]
mod chat;

use std::error::Error;

use gustnado::{Hub, adapter::Nats};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let addresses = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let url = arguments.next().unwrap_or("nats://localhost".into());

    let hub = || Ok(Hub::builder().adapter(Nats::new(&url)?).presence_in(|_| true).build());
    chat::serve(&addresses, hub).await
}
