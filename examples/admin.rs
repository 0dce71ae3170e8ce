//! A room that can be watched: the page for operators is at /admin, and asks for the secret that is printed here.
//!
//! `cargo run --example admin --features admin -- [ADDRESS] [SECRET]`, then open `ws://ADDRESS/ws?user=ann` by any
//! WebSocket client, and `http://ADDRESS/admin/` in a browser. With `--features admin,redis` and the URL of a Redis as a
//! third argument it is one of several nodes.

use std::{error::Error, time::Duration};

use axum::Router;
use gustnado::{
    Conn, Connector, Disconnect, Handler, Handshake, Hub, HubBuilder, Message, Reject, adapter::Retention,
    admin::Guard, async_trait,
};
use http::header::USER_AGENT;

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
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let secret = arguments.next().unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));

    let mut hub = Hub::builder().presence_in(|_| true).history("lobby", Retention::last(100));
    if let Some(url) = arguments.next() {
        hub = connect(hub, &url)?;
    }
    let hub = hub.build();
    let handler = Handler::new(|| Member)
        .hub(&hub)
        .name("room")
        .keep_headers([USER_AGENT])
        .ping_interval(Duration::from_secs(5)); // for a livelier chart of round trips
    let admin = hub.admin(Guard::secret(&*secret)).redact_fields(["password", "token"]);
    let app = Router::new()
        .route_service("/ws", handler.clone())
        .route_service("/ws/{*below}", handler)
        .nest_service("/admin", admin);

    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    println!("the secret is {secret}");
    // Not `axum::serve`, so that it is known from which address wrong secrets come.
    gustnado::serve(listener, app).await;
    Ok(())
}

#[cfg(feature = "redis")]
fn connect(hub: HubBuilder, url: &str) -> Result<HubBuilder, Box<dyn Error>> {
    Ok(hub.adapter(gustnado::adapter::Redis::new(url)?))
}

#[cfg(not(feature = "redis"))]
fn connect(_: HubBuilder, _: &str) -> Result<HubBuilder, Box<dyn Error>> {
    Err("build it with `--features admin,redis`".into())
}
