//! A command's output as it comes, colours and all, to everybody who watches: open http://127.0.0.1:8080.
//!
//! `cargo run --example terminal -- [ADDRESS] [COMMAND ARGUMENTS..]`

use std::process::Stdio;

use axum::{Router, response::Html, routing::get};
use gustnado::{Connector, Handler, Handshake, Hub, Reject, async_trait};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>terminal</title><link rel="icon" href="data:,"><pre id="out" role="log"></pre>
<script>
  // The server has escaped the output; what it sends is markup of its own.
  const socket = new WebSocket(`ws://${location.host}/ws`);
  socket.onmessage = (event) => document.getElementById("out").insertAdjacentHTML("beforeend", event.data + "\n");
</script>"#;

struct Watcher;

#[async_trait]
impl Connector for Watcher {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.join("terminal")?;
        Ok(())
    }
}

/// Runs the command and sends each line of its output to the room.
async fn run(command: Vec<String>, hub: Hub) -> Result<(), Box<dyn std::error::Error>> {
    let [program, arguments @ ..] = command.as_slice() else { return Ok(()) };
    let mut child =
        Command::new(program).args(arguments).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        hub.room("terminal").send(ansi_to_html::convert(&line)?).await;
    }
    hub.room("terminal").send(format!("<i>{}</i>", child.wait().await?)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let mut command: Vec<String> = arguments.collect();
    if command.is_empty() {
        // A clock, in green.
        let clock = r"while true; do printf '\033[32m%s\033[0m is the time\n' $(date +%T); sleep 1; done";
        command = ["sh", "-c", clock].map(String::from).to_vec();
    }
    let watch = Handler::new(|| Watcher);
    let hub = watch.to_hub();
    let app = Router::new().route("/", get(|| async { Html(PAGE) })).route_service("/ws", watch);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app) => Ok(served?),
        failed = async { run(command, hub).await?; std::future::pending().await } => failed,
    }
}
