//! Three rooms: `/join ROOM` goes to another one, everything else is said to all who are in yours.
//!
//! `cargo run --example multi_room -- [ADDRESS]`

use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Reject, Text, async_trait};

const ROOMS: [&str; 3] = ["general", "tech", "random"];

struct Chat {
    room: &'static str,
}

#[async_trait]
impl Connector for Chat {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.join(self.room)?;
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.send(format!("Joined {}", self.room)).await?;
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let Some(name) = text.strip_prefix("/join ") else {
            // To everybody in the room, its author included.
            conn.room(self.room).send(text).await;
            return Ok(());
        };
        let Some(room) = ROOMS.into_iter().find(|room| *room == name) else {
            conn.send("Room not found").await?;
            return Ok(());
        };
        conn.leave(self.room).await;
        conn.join(room).await?;
        self.room = room;
        conn.send(format!("Joined {room}")).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let handler = Handler::new(|| Chat { room: "general" });

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(handler)).await
}
