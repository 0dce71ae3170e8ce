//! Several nodes over a Redis: what is said in a room is heard on all of them, and all know who is there.
//!
//! `cargo run --example redis --features redis -- [ADDRESS[,ADDRESS..]] [URL]`
//!
//! Each address is a node of its own; run it again with other addresses for nodes in other processes. Connect to
//! `/ws?user=ann&room=lobby`, say something, or `/who`, `/count`, `/tell USER TEXT`.

use std::error::Error;

use gustnado::{
    Conn, Connector, Disconnect, Handler, Handshake, Hub, Reject, Text, adapter::Redis, async_trait,
};
use http::StatusCode;

#[derive(Default)]
struct Chat {
    user: String,
    room: String,
}

#[async_trait]
impl Connector for Chat {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let missing = || Reject::new(StatusCode::BAD_REQUEST, "user and room are needed");
        self.user = handshake.query("user").ok_or_else(missing)?.into_owned();
        self.room = handshake.query("room").ok_or_else(missing)?.into_owned();
        handshake.set_user(self.user.clone());
        handshake.join(&self.room)?;
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.send(format!("welcome, {}", self.user)).await?;
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let (command, rest) = text.split_once(' ').unwrap_or((&text, ""));
        match command {
            // What this node knows of all of them.
            "/who" => {
                let users: Vec<_> = conn.hub().presence(&self.room).into_keys().collect();
                conn.send(users.join(" ")).await?;
            }
            // What all of them answer.
            "/count" => {
                let counts = conn.hub().everywhere().counts().await;
                conn.send(format!("{} connections", counts.value.connections)).await?;
            }
            "/tell" => {
                let (user, text) = rest.split_once(' ').unwrap_or((rest, ""));
                conn.hub().user(user).send(format!("{} tells you: {text}", self.user)).await;
            }
            _ => {
                conn.room(&self.room).send(format!("{}: {text}", self.user)).await;
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let addresses = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let url = arguments.next().unwrap_or("redis://localhost".into());

    let mut nodes = tokio::task::JoinSet::new();
    for address in addresses.split(',') {
        let hub = Hub::builder().adapter(Redis::new(&url)?).presence_in(|_| true).build();
        let app = axum::Router::new().route_service("/ws", Handler::new(Chat::default).hub(&hub));
        let listener = tokio::net::TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        nodes.spawn(async move { axum::serve(listener, app).await });
    }
    nodes.join_all().await.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(())
}
