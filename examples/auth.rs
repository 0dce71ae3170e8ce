//! A token in the query, a header, a cookie or a subprotocol, or 401: `ws://127.0.0.1:8080/?token=let-me-in`.
//!
//! `cargo run --example auth -- [ADDRESS]`

use gustnado::{
    Authenticate, Conn, Connector, Disconnect, Handler, Handshake, Identity, Message, Reject, Source, Token,
    async_trait,
};

struct Private {
    auth: Authenticate,
}

/// An application would ask its database.
async fn whose(token: Token) -> Result<Identity, Reject> {
    if token.matches("let-me-in") {
        Ok(Identity::new("alice"))
    } else {
        Err(Reject::unauthorized("a valid token is needed"))
    }
}

#[async_trait]
impl Connector for Private {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        self.auth.check(handshake).await?;
        Ok(())
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
    let auth = Authenticate::new(whose)
        .from(Source::Bearer)
        .from(Source::Cookie("session"))
        .from(Source::Subprotocol("bearer."))
        .from(Source::Query("token"));
    let handler = Handler::new(move || Private { auth: auth.clone() });

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(handler)).await
}
