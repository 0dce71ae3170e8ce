//! A token in the query, or 401: `ws://127.0.0.1:8080/?token=let-me-in`.
//!
//! `cargo run --example auth -- [ADDRESS]`

use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, async_trait};
use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

struct Authenticated;

/// An application would ask its database. Comparing with one secret, it would compare in constant time.
async fn is_valid(token: &str) -> bool {
    token == "let-me-in"
}

#[async_trait]
impl Connector for Authenticated {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        match handshake.query("token") {
            Some(token) if is_valid(&token).await => Ok(()),
            _ => Err(Reject::new(StatusCode::UNAUTHORIZED, "a valid token is needed")
                .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        }
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.send("Authenticated").await?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(Handler::new(|| Authenticated))).await
}
