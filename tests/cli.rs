//! The program `gustnado` beside a node, over a Redis that the test starts.

#[path = "support/servers.rs"]
mod servers;

use std::{process::Stdio, time::Duration};

use gustnado::{
    Connector, Handler, Handshake, Hub, Reject,
    adapter::{Link, Redis},
    async_trait,
    testing::{Client, Frame},
};
use servers::Server;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

struct Guest;

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.set_user("ann");
        handshake.join("lobby")?;
        Ok(())
    }
}

fn gustnado(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gustnado"));
    command.args(["--url", &server.url()]).args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// What the program prints.
async fn says(server: &Server, arguments: &[&str]) -> String {
    let output = timeout(Duration::from_secs(30), gustnado(server, arguments).output()).await;
    let output = output.expect("it ends").expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

async fn next(client: &mut Client) -> Frame {
    timeout(Duration::from_secs(10), client.next()).await.expect("a frame in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sends_lists_watches_and_kicks() {
    let server = Server::redis(&[]);
    let hub = Hub::builder().adapter(Redis::new(&server.url()).expect("a URL")).build();
    let handler = Handler::new(|| Guest).hub(&hub);
    while hub.stats().cluster.expect("an adapter").link != Link::Up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut client = Client::connect(&handler).await;
    // Listed everywhere once the node has joined; its subscription is confirmed a moment later.
    let mut watcher = gustnado(&server, &["watch", "lobby"]).spawn().expect("it runs");
    let mut seen = BufReader::new(watcher.stdout.take().expect("piped")).lines();
    let mut line =
        async || timeout(Duration::from_secs(10), seen.next_line()).await.expect("in time").expect("text");
    let came = line().await.expect("somebody");
    assert!(came.starts_with("+ ") && came.ends_with("\tann"), "{came}");
    assert_eq!(says(&server, &["list"]).await, "1 connections, 1 users\n1\tlobby\n");
    assert!(says(&server, &["list", "lobby"]).await.ends_with("\tann\n"));

    assert_eq!(says(&server, &["publish", "--room", "lobby", "hello"]).await, "handed over\n");
    assert_eq!(next(&mut client).await, Frame::text("hello"));
    says(&server, &["send", "--user", "ann", "psst"]).await;
    assert_eq!(next(&mut client).await, Frame::text("psst"));
    says(&server, &["kick", "--everybody", "--code", "4003", "--reason", "enough"]).await;
    assert_eq!(next(&mut client).await, Frame::close(4003, "enough"));
    client.close(4003, "enough").await;
    assert!(line().await.expect("somebody").starts_with("- "));
}

#[tokio::test]
async fn it_fails_where_no_engine_is() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gustnado"));
    let output = command.args(["--url", "redis://127.0.0.1:1", "list"]).output().await.expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not available"));
}
