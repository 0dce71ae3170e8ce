//! Every message comes back, compressed if the client offers it (permessage-deflate).
//!
//! `cargo run --features deflate --example compression -- [ADDRESS] [--context-takeover] [--ignore-client-hint]
//! [--max-message-size BYTES] [--max-fragments FRAMES]`

use gustnado::{Compression, Conn, Handler, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut address = "127.0.0.1:8080".to_owned();
    let mut handler = Handler::on_message(|conn: Conn, message: Message| async move {
        conn.send(message).await?;
        Ok(())
    });
    let mut compression = Compression::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            // Smaller messages, for some 420 KiB of each connection.
            "--context-takeover" => {
                compression = compression.server_context_takeover(true).client_context_takeover(true);
            }
            "--ignore-client-hint" => compression = compression.ignore_client_hint(true),
            // Holds for what is inflated.
            "--max-message-size" => {
                let bytes: usize = value()?.parse()?;
                handler = handler.max_message_size(bytes).outbox_limits(bytes.saturating_mul(4), 1024);
            }
            "--max-fragments" => handler = handler.max_fragments(value()?.parse()?),
            option if option.starts_with('-') => return Err(format!("unknown option {option}").into()),
            _ => address = argument,
        }
    }
    let app = axum::Router::new().fallback_service(handler.compression(compression));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
