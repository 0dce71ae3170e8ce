//! A chat in the browser: open http://127.0.0.1:8080 in two tabs.
//!
//! `cargo run --example chat -- [ADDRESS]`

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, http::header, response::IntoResponse, routing::get};
use gustnado::{Closed, Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, Text, async_trait};
use http::StatusCode;
use serde_json::json;

/// Who is here: a nick is taken from the handshake on, and has a connection once it is open.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<BTreeMap<String, Option<Conn>>>>);

impl Room {
    fn members<T>(&self, f: impl FnOnce(&mut BTreeMap<String, Option<Conn>>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for nobody: whoever reads too slowly is disconnected, and comes back.
    fn tell(&self, frame: &serde_json::Value) {
        let frame = Message::from(frame.to_string());
        let members: Vec<_> = self.members(|members| members.values().flatten().cloned().collect());
        for member in members {
            let _ = member.try_send(frame.clone());
        }
    }
}

/// One tab. Dropping it frees the nick, whatever became of the connection.
struct Tab {
    room: Room,
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
        // Taken in one step, so that of two tabs with one nick only one gets it.
        let free = self.room.members(|members| match members.entry(nick.clone()) {
            Entry::Vacant(free) => free.insert(None).is_none(),
            Entry::Occupied(_) => false,
        });
        if !free {
            return Err(Reject::new(StatusCode::CONFLICT, format!("Somebody is called {nick} already.")));
        }
        self.nick = Some(nick);
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let Some(nick) = &self.nick else { return Ok(()) };
        self.room.tell(&json!({ "kind": "joined", "nick": nick }));
        // Queued before anybody can send to the new member: the welcome is the first that it sees.
        self.room.members(|members| {
            members.insert(nick.clone(), Some(conn.clone()));
            let here: Vec<_> = members.keys().collect();
            conn.try_send(json!({ "kind": "welcome", "nick": nick, "here": here }).to_string())
        })?;
        Ok(())
    }

    async fn on_text(&mut self, _: &Conn, text: Text) -> Result<(), Disconnect> {
        self.room.tell(&json!({ "kind": "said", "nick": self.nick, "text": &*text }));
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, _: &Closed) {
        if let Some(nick) = self.nick.take() {
            self.room.members(|members| members.remove(&nick));
            self.room.tell(&json!({ "kind": "left", "nick": nick }));
        }
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        if let Some(nick) = &self.nick {
            self.room.members(|members| members.remove(nick));
        }
    }
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, "default-src 'self'")], content)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let room = Room::default();
    // Pages cannot read a failed handshake; this way they learn why a nick was refused.
    let chat = Handler::new(move || Tab { room: room.clone(), nick: None }).visible_rejects(true);
    let app = Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("page.html")) }))
        .route("/page.css", get(|| async { file("text/css; charset=utf-8", include_str!("page.css")) }))
        .route("/page.js", get(|| async { file("text/javascript; charset=utf-8", include_str!("page.js")) }))
        .route_service("/ws", chat);

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await
}
