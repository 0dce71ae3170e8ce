//! A page that loses no line: when its socket is cut it comes back with its position, and gets what it missed.
//!
//! `cargo run --example recovery -- [ADDRESS]`, then open http://127.0.0.1:8080 in two tabs, write in one and cut the
//! other. The lines are in this process' memory: they survive a socket, and no restart. With `--features redis` and
//! `-- ADDRESS redis://HOST` they are in Redis: kill the process and start it again, and the page goes on.

use std::{error::Error, time::Duration};

use axum::{Router, response::Html, routing::get};
use gustnado::{
    Hub, HubBuilder,
    adapter::Retention,
    commands::{Commands, ErrorReply},
};

const PAGE: &str = include_str!("page.html");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let kept = Retention::last(1_000).within(Duration::from_secs(300));
    let mut hub = Hub::builder().history("lines", kept);
    if let Some(url) = std::env::args().nth(2) {
        hub = connect(hub, &url)?;
    }
    let hub = hub.build();
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
    Ok(axum::serve(listener, app).await?)
}

/// The log is the engine's, for all nodes that share it.
#[cfg(feature = "redis")]
fn connect(hub: HubBuilder, url: &str) -> Result<HubBuilder, Box<dyn Error>> {
    Ok(hub.adapter(gustnado::adapter::Redis::new(url)?))
}

#[cfg(not(feature = "redis"))]
fn connect(_: HubBuilder, _: &str) -> Result<HubBuilder, Box<dyn Error>> {
    Err("build it with `--features redis`".into())
}
