//! The chat of the examples `redis` and `nats`, of which each node runs one.

use std::error::Error;

use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Hub, Reject, Text, async_trait};
use http::StatusCode;

/// A node at each of the addresses, which are parted by commas.
pub(crate) async fn serve(
    addresses: &str,
    hub: impl Fn() -> Result<Hub, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut nodes = tokio::task::JoinSet::new();
    for address in addresses.split(',') {
        let handler = Handler::new(Chat::default).hub(&hub()?);
        let app = axum::Router::new().route_service("/ws", handler);
        let listener = tokio::net::TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        nodes.spawn(async move { axum::serve(listener, app).await });
    }
    nodes.join_all().await.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(())
}

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
