//! A page that loses no line: when its socket is cut it comes back with its position, and gets what it missed.
//!
//! `cargo run --example recovery -- [ADDRESS]`, then open http://127.0.0.1:8080 in two tabs, write in one and cut the
//! other. The lines are in this process' memory: they survive a socket, and no restart.

use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use gustnado::{
    Hub,
    adapter::Retention,
    commands::{Commands, ErrorReply},
};

const PAGE: &str = include_str!("page.html");

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let kept = Retention::last(1_000).within(Duration::from_secs(300));
    let hub = Hub::builder().history("lines", kept).build();
    // Clients join, publish and come back by commands that are there already.
    let commands = Commands::new().publish(|request| match request.cmd {
        "line" => Ok(()),
        _ => Err(ErrorReply::new("refused", "only lines are published here")),
    });
    let app =
        Router::new().route("/", get(async || Html(PAGE))).route_service("/ws", commands.handler().hub(&hub));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await
}
