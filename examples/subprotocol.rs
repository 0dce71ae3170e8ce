//! Chooses between the subprotocols `json` and `xml`, and sets a header of the response.
//!
//! `cargo run --example subprotocol -- [ADDRESS]`

use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, async_trait};
use http::header::SERVER;

struct Greeter;

#[async_trait]
impl Connector for Greeter {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        // In the order of our preference, and only what the client offered.
        handshake.select_protocol(["json", "xml"]);
        handshake.header(SERVER, "greeter/1")?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        let name = message.text()?;
        let greeting = match conn.protocol() {
            Some("json") => serde_json::json!({ "hello": name }).to_string(),
            Some("xml") => format!("<hello>{}</hello>", name.replace('&', "&amp;").replace('<', "&lt;")),
            _ => format!("hello, {name}"),
        };
        conn.send(greeting).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(Handler::new(|| Greeter))).await
}
