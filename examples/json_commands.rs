//! Commands in JSON: ping, chat in a room, joining a room, and what an unknown command gets.
//!
//! `cargo run --example json_commands -- [ADDRESS]`, then send, by any WebSocket client:
//!
//! ```json
//! {"cmd": "ping"}
//! {"cmd": "join-room", "param": {"room": "lobby", "nick": "ann"}, "id": 1}
//! {"channel": "lobby", "cmd": "chat", "param": {"text": "hello"}}
//! {"cmd": "dance"}
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

use gustnado::commands::{Command, Commands, ErrorReply};
use serde::Deserialize;
use serde_json::json;

/// What belongs to one connection.
#[derive(Default)]
pub struct Guest {
    nick: Option<String>,
}

#[derive(Deserialize)]
struct JoinRoom {
    room: String,
    nick: String,
}

#[derive(Deserialize)]
struct Chat {
    text: String,
}

/// What can be sent, and what comes of it.
pub fn commands() -> Commands<Guest> {
    Commands::with_state(|_| Ok(Guest::default()))
        // In the place of the built-in one.
        .on("ping", |ctx, (): ()| async move {
            let time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
            ctx.conn().send_command(&Command::new("pong", json!({ "time": time }))).await?;
            Ok(())
        })
        .on("join-room", |mut ctx, JoinRoom { room, nick }: JoinRoom| async move {
            ctx.join(&room).await?;
            ctx.state().nick = Some(nick.clone());
            let came = Command::new("joined", json!({ "nick": nick })).channel(&room).from(ctx.sender());
            ctx.conn().room(&room).send_command(&came).await?;
            Ok(json!({ "room": room, "members": ctx.conn().room(&room).connections().len() }))
        })
        .on("chat", |mut ctx, Chat { text }: Chat| async move {
            let Some(nick) = ctx.state().nick.clone() else {
                return Err(ErrorReply::new("no_nick", "join a room first, with a nick"));
            };
            ctx.broadcast("chat", json!({ "nick": nick, "text": text })).await?;
            Ok(())
        })
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, axum::Router::new().fallback_service(commands().handler())).await
}
