//! A chat in the browser: rooms, nicknames, who is here. Open http://127.0.0.1:8080 in two tabs.
//!
//! `cargo run --example chat -- [ADDRESS]`

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Router, http::header, response::IntoResponse, routing::get};
use gustnado::{
    Handshake, Page, Reject, Shutdown,
    commands::{Commands, Context, ErrorReply, code},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// Who has which nick: the key that a tab made up, and how many connections have shown it. A tab whose connection is
/// lost comes back with the same key, perhaps before the server has noticed that the old one is dead.
#[derive(Clone, Default)]
struct Nicks(Arc<Mutex<HashMap<String, (String, usize)>>>);

impl Nicks {
    fn change<T>(&self, change: impl FnOnce(&mut HashMap<String, (String, usize)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a nick for a connection, unless another key has it.
    fn claim(&self, nick: &str, key: &str) -> Option<Claim> {
        self.change(|nicks| {
            let (owner, connections) = nicks.entry(nick.into()).or_insert_with(|| (key.into(), 0));
            (owner == key).then(|| *connections += 1)
        })?;
        Some(Claim { nicks: self.clone(), nick: nick.into() })
    }
}

/// The nick of one connection. Dropping it gives it back, whatever became of the connection.
struct Claim {
    nicks: Nicks,
    nick: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.nicks.change(|nicks| {
            let Some((_, connections)) = nicks.get_mut(&self.nick) else { return };
            *connections -= 1;
            if *connections == 0 {
                nicks.remove(&self.nick);
            }
        });
    }
}

fn come_in(nicks: &Nicks, handshake: &mut Handshake) -> Result<Claim, Reject> {
    let nick = handshake.query("nick").unwrap_or_default().trim().to_owned();
    let key = handshake.query("key").unwrap_or_default().into_owned();
    let refuse = |why: &'static str| Err(Reject::new(StatusCode::BAD_REQUEST, why));
    if nick.is_empty() {
        return refuse("Please choose a nick.");
    }
    if nick.chars().count() > 24 || nick.chars().any(char::is_control) {
        return refuse("A nick has at most 24 characters, all of them visible.");
    }
    let Some(claim) = nicks.claim(&nick, &key) else {
        return Err(Reject::new(StatusCode::CONFLICT, format!("Somebody is called {nick} already.")));
    };
    handshake.set_user(nick);
    Ok(claim)
}

#[derive(Deserialize)]
struct Say {
    text: String,
}

async fn say(ctx: Context<Claim>, Say { text }: Say) -> Result<(), ErrorReply> {
    if text.trim().is_empty() || text.chars().count() > 2_000 {
        return Err(ErrorReply::new("bad_text", "a message has 1 to 2,000 characters"));
    }
    let time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    ctx.broadcast("said", json!({ "text": text, "time": time as u64 })).await?;
    Ok(())
}

/// Who is in the room: a list of connections for each nick.
async fn presence(ctx: Context<Claim>, (): ()) -> Result<Value, ErrorReply> {
    let room = ctx.channel().ok_or(ErrorReply::new(code::NO_CHANNEL, "whose presence?"))?;
    let mut users: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for conn in ctx.hub().members(room, Page::ALL) {
        let nick = conn.user().unwrap_or_default().to_owned();
        users.entry(nick).or_default().push(json!({ "id": conn.id().to_string() }));
    }
    Ok(json!({ "users": users }))
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, "default-src 'self'")], content)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    let nicks = Nicks::default();
    let commands = Commands::with_state(move |handshake| come_in(&nicks, handshake));
    // `join`, `leave` and word of who comes and goes are there already.
    let commands = commands.on("say", say).on("presence", presence);
    // Pages cannot read a failed handshake; this way they learn why a nick was refused.
    let chat = commands.handler().visible_rejects(true);
    let hub = chat.to_hub();
    let app = Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("page.html")) }))
        .route("/icon.svg", get(|| async { file("image/svg+xml", include_str!("icon.svg")) }))
        .route("/page.css", get(|| async { file("text/css; charset=utf-8", include_str!("page.css")) }))
        .route("/page.js", get(|| async { file(SCRIPT, include_str!("page.js")) }))
        .route("/view.js", get(|| async { file(SCRIPT, include_str!("view.js")) }))
        .route("/gustnado.js", get(|| async { file(SCRIPT, include_str!("gustnado.js")) }))
        .route_service("/ws", chat);

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    gustnado::serve(listener, app).hub(&hub).shutdown_on(interrupted, Shutdown::default()).await;
    Ok(())
}
