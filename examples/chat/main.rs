//! A chat in the browser: rooms, nicknames, who is here, and what was said before. Open http://127.0.0.1:8080 in two
//! tabs, write in one and cut the network of the other: when it is back it has every line once.
//!
//! `cargo run --example chat -- [ADDRESS]`. The lines are in this process' memory: they survive a socket, and no restart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, http::header, response::IntoResponse, routing::get};
use gustnado::{
    Handshake, Hub, Reject, Shutdown,
    adapter::Retention,
    commands::{Commands, ErrorReply, PublishRequest, code},
};
use http::StatusCode;

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

/// What may be said. The server adds by whom: nobody can speak in another's name.
fn may_say(request: &PublishRequest<'_>) -> Result<(), ErrorReply> {
    if request.cmd != "said" {
        return Err(ErrorReply::new(code::REFUSED, "only what is said is published here"));
    }
    let text = request.param["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() || text.chars().count() > 2_000 {
        return Err(ErrorReply::new("bad_text", "a message has 1 to 2,000 characters"));
    }
    Ok(())
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, "default-src 'self'")], content)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    let kept = Retention::last(500).within(Duration::from_secs(3600));
    // Who reloads the page has neither left nor come.
    let hub = Hub::builder().history("*", kept).presence_grace(Duration::from_secs(2)).build();
    let nicks = Nicks::default();
    // `join`, `leave`, `presence` and coming back are there already.
    let commands = Commands::with_state(move |handshake| come_in(&nicks, handshake)).publish(may_say);
    // Pages cannot read a failed handshake; this way they learn why a nick was refused.
    let chat = commands.handler().hub(&hub).visible_rejects(true);
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
