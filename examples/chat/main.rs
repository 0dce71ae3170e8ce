//! A chat in the browser: open http://127.0.0.1:8080 in two tabs.
//!
//! `cargo run --example chat -- [ADDRESS]`

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, http::header, response::IntoResponse, routing::get};
use gustnado::{
    Closed, Conn, Connector, Disconnect, Handler, Handshake, Page, Reject, Shutdown, Text, async_trait,
};
use http::StatusCode;
use serde_json::json;

const ROOM: &str = "lobby";

/// The nicks in use, from the handshake on.
#[derive(Clone, Default)]
struct Nicks(Arc<Mutex<BTreeSet<String>>>);

impl Nicks {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One tab. Dropping it frees the nick, whatever became of the connection.
struct Tab {
    nicks: Nicks,
    nick: Option<String>,
}

#[async_trait]
impl Connector for Tab {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let nick = handshake.query("nick").unwrap_or_default().trim().to_owned();
        let refuse = |why: &'static str| Err(Reject::new(StatusCode::BAD_REQUEST, why));
        if nick.is_empty() {
            return refuse("Please choose a nick.");
        }
        if nick.chars().count() > 24 || nick.chars().any(char::is_control) {
            return refuse("A nick has at most 24 characters, all of them visible.");
        }
        if !self.nicks.change(|nicks| nicks.insert(nick.clone())) {
            return Err(Reject::new(StatusCode::CONFLICT, format!("Somebody is called {nick} already.")));
        }
        handshake.set_user(nick.as_str());
        handshake.join(ROOM)?;
        self.nick = Some(nick);
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let members = conn.hub().members(ROOM, Page::ALL);
        let here: BTreeSet<_> = members.iter().filter_map(Conn::user).collect();
        // The first that the page sees: what others say meanwhile waits behind it.
        conn.send(json!({ "kind": "welcome", "nick": self.nick, "here": here }).to_string()).await?;
        let joined = json!({ "kind": "joined", "nick": self.nick }).to_string();
        conn.room(ROOM).except(conn).send(joined).await;
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let said = json!({ "kind": "said", "nick": self.nick, "text": &*text }).to_string();
        conn.room(ROOM).send(said).await;
        Ok(())
    }

    async fn on_close(&mut self, conn: &Conn, _: &Closed) {
        let left = json!({ "kind": "left", "nick": self.nick }).to_string();
        conn.room(ROOM).except(conn).send(left).await;
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        if let Some(nick) = &self.nick {
            self.nicks.change(|nicks| nicks.remove(nick));
        }
    }
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, "default-src 'self'")], content)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let nicks = Nicks::default();
    // Pages cannot read a failed handshake; this way they learn why a nick was refused.
    let chat = Handler::new(move || Tab { nicks: nicks.clone(), nick: None }).visible_rejects(true);
    let hub = chat.to_hub();
    let app = Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("page.html")) }))
        .route("/page.css", get(|| async { file("text/css; charset=utf-8", include_str!("page.css")) }))
        .route("/page.js", get(|| async { file("text/javascript; charset=utf-8", include_str!("page.js")) }))
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
