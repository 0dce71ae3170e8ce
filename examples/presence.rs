//! Who is here, on two nodes: two hubs in one process, with a bus between them where others have Redis or NATS.
//!
//! `cargo run --example presence -- [ADDRESS]`, then connect to `/one?user=ann` and to `/two?user=bob` by any WebSocket
//! client. Each is told by `online` commands who comes and goes on either node, and may ask:
//!
//! ```json
//! {"channel": "lobby", "cmd": "presence", "id": 1}
//! ```

use std::time::Duration;

use axum::Router;
use gustnado::{Handler, Hub, Reject, adapter::MemoryBus, commands::Commands};
use http::StatusCode;

/// One node. Who connects again within two seconds, here or on the other one, has not been away.
fn node(bus: &MemoryBus, name: &'static str) -> Handler {
    let hub = Hub::builder().adapter(bus.adapter()).presence_grace(Duration::from_secs(2)).build();
    let commands = Commands::with_state(move |handshake| {
        let user = handshake.query("user").map(String::from);
        let user = user.ok_or(Reject::new(StatusCode::UNAUTHORIZED, "who are you?"))?;
        handshake.set_user(user);
        handshake.set_metadata("node", name);
        handshake.join("lobby")?;
        Ok(())
    });
    commands.handler().hub(&hub)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let bus = MemoryBus::new();
    let app = Router::new().route_service("/one", node(&bus, "one")).route_service("/two", node(&bus, "two"));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await
}
