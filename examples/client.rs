//! A chat in the terminal: what you type goes to a room of the example `chat`, and what others say is printed.
//!
//! `cargo run --features client --example client -- ws://127.0.0.1:8080/ws NICK [ROOM]`, beside
//! `cargo run --example chat`

use std::error::Error;

use gustnado::client::{Client, CommandError, Room, RoomEvent, State};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[derive(Deserialize)]
struct Said {
    text: String,
}

#[derive(Deserialize)]
struct Online {
    user: String,
    online: bool,
}

fn print(event: &RoomEvent) -> Result<(), Box<dyn Error>> {
    match event {
        RoomEvent::Joined => println!("* you are here"),
        RoomEvent::Recovered(recovery) if !recovery.recovered => println!("* you may have missed something"),
        RoomEvent::Command(frame) if frame.cmd() == "said" => {
            println!("{}: {}", frame.from().unwrap_or("somebody"), frame.param::<Said>()?.text);
        }
        RoomEvent::Command(frame) if frame.cmd() == "online" => {
            let Online { user, online } = frame.param()?;
            println!("* {user} {}", if online { "comes" } else { "goes" });
        }
        _ => {}
    }
    Ok(())
}

async fn say(room: &Room, text: &str) {
    match room.publish("said", json!({ "text": text })).await {
        Ok(_) => {}
        Err(CommandError::Refused { message, .. }) => println!("* {message}"),
        Err(error) => println!("* not sent: {error}"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(nick)) = (arguments.next(), arguments.next()) else {
        return Err("usage: client ws://HOST/ws NICK [ROOM]".into());
    };
    // The key is how the chat knows us again when we come back.
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("nick", &nick)
        .append_pair("key", &format!("terminal-{}", std::process::id()))
        .finish();
    let client = Client::builder(&format!("{address}?{query}")).connect()?;
    if !client.opened().await {
        return Err("the chat does not let you in".into());
    }
    let mut room = client.join(&arguments.next().unwrap_or("lobby".into())).await?;
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => say(&room, &line).await,
                None => break,
            },
            event = room.next() => match event {
                Some(event) => print(&event)?,
                None => break,
            },
        }
    }
    if client.state() == State::Closed {
        println!("* the chat is over");
    }
    client.close().await;
    Ok(())
}
