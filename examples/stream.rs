//! The connection as a byte stream: each line comes back in capitals.
//!
//! `cargo run --example stream -- [ADDRESS]`

use gustnado::{Conn, Disconnect, Handler, Incoming, MessageMode};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

async fn shout(conn: Conn, incoming: Incoming) -> Result<(), Disconnect> {
    let (reader, mut writer) = tokio::io::split(conn.io(incoming, MessageMode::Text));
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        writer.write_all(format!("{}\n", line.to_uppercase()).as_bytes()).await?;
        writer.flush().await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(Handler::stream(shout))).await
}
