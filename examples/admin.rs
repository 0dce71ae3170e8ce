//! A room that can be watched: the page for operators is at /admin, and asks for the secret that is printed here.
//!
//! `cargo run --example admin --features admin -- [ADDRESS] [SECRET]`, then open `ws://ADDRESS/ws?user=ann` by any
//! WebSocket client, and `http://ADDRESS/admin/` in a browser.

use axum::Router;
use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, admin::Guard, async_trait};

struct Member;

#[async_trait]
impl Connector for Member {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        // A name in the query proves nothing; a real server authenticates here.
        if let Some(user) = handshake.query("user").map(String::from) {
            handshake.set_user(user);
        }
        let room = handshake.query("room").map_or("lobby".into(), String::from);
        handshake.join(&room)?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        for room in conn.rooms() {
            conn.room(room).send(message.clone()).await;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let secret = arguments.next().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));

    let handler = Handler::new(|| Member).name("room");
    let admin = handler.to_hub().admin(Guard::secret(&*secret)).redact_fields(["password", "token"]);
    let app = Router::new().route_service("/ws", handler).nest_service("/admin", admin);

    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("the secret is {secret}");
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await
}
