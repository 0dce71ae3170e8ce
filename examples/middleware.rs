//! Validate, then handle: what is too long or rude is answered, and never reaches the chat.
//!
//! `cargo run --example middleware -- [ADDRESS]`

use gustnado::{
    Conn, Disconnect, Handler, Message, async_trait,
    middleware::{Middleware, NextMessage, Stack},
};

/// The longest message, in characters.
const LONGEST: usize = 1_000;
const FORBIDDEN: [&str; 2] = ["spam", "scam"];

struct Validate;

#[async_trait]
impl Middleware for Validate {
    async fn on_message(
        &self,
        conn: &Conn,
        message: Message,
        next: NextMessage<'_>,
    ) -> Result<(), Disconnect> {
        let text = message.text()?;
        if text.chars().count() > LONGEST {
            conn.send("Message too long").await?;
            return Ok(());
        }
        let lower = text.to_lowercase();
        if lower.split(|c: char| !c.is_alphanumeric()).any(|word| FORBIDDEN.contains(&word)) {
            conn.send("Message not allowed").await?;
            return Ok(());
        }
        next.run(conn, message).await
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let stack = Stack::new().with(Validate).on_message(|conn, message, next| {
        Box::pin(async move {
            println!("{} sent {} bytes", conn.id(), message.len());
            next.run(conn, message).await
        })
    });
    let handler = Handler::builder()
        .on_open(|conn| async move { Ok(conn.send("Welcome").await?) })
        .on_message(|conn, message| async move {
            Ok(conn.send(format!("New message from you: {}", message.text()?)).await?)
        })
        .build()
        .middleware(stack);

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(handler)).await
}
