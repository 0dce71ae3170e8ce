//! The program `gustnado` beside a node, over a Redis that the test starts.

#[path = "support/servers.rs"]
mod servers;

use std::{process::Stdio, time::Duration};

use gustnado::{
    Connector, Handler, Handshake, Hub, Reject,
    adapter::{Link, Redis, Retention},
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

fn redis(server: &Server) -> Redis {
    Redis::new(&server.url()).expect("a URL")
}

async fn up(hub: Hub) -> Hub {
    while hub.stats().cluster.expect("an adapter").link != Link::Up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    hub
}

async fn node(server: &Server) -> Hub {
    up(Hub::builder().adapter(redis(server)).build()).await
}

async fn next(client: &mut Client) -> Frame {
    timeout(Duration::from_secs(10), client.next()).await.expect("a frame in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sends_lists_and_kicks() {
    let server = Server::redis(&[]);
    let hub = node(&server).await;
    let handler = Handler::new(|| Guest).hub(&hub);
    let mut client = Client::connect(&handler).await;
    assert_eq!(says(&server, &["list"]).await, "1 connections, 1 users\n1\tlobby\n");
    assert!(says(&server, &["list", "lobby"]).await.ends_with("\tann\n"));

    assert_eq!(says(&server, &["publish", "--room", "lobby", "hello"]).await, "handed over\n");
    assert_eq!(next(&mut client).await, Frame::text("hello"));
    says(&server, &["send", "--user", "ann", "psst"]).await;
    assert_eq!(next(&mut client).await, Frame::text("psst"));
    says(&server, &["kick", "--everybody", "--code", "4003", "--reason", "enough"]).await;
    assert_eq!(next(&mut client).await, Frame::close(4003, "enough"));
    client.close(4003, "enough").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_watches_all_nodes_until_it_is_killed() {
    let server = Server::redis(&[]);
    let (one, other) = (node(&server).await, node(&server).await);
    let mut watcher = gustnado(&server, &["watch", "lobby"]).spawn().expect("it runs");
    let mut seen = BufReader::new(watcher.stdout.take().expect("piped")).lines();
    let mut line = async || {
        let line = timeout(Duration::from_secs(10), seen.next_line()).await.expect("in time").expect("text");
        line.expect("it goes on")
    };
    // Until both pass on what happens.
    for hub in [&one, &other] {
        let node = hub.node().to_string();
        let ready = async {
            loop {
                tokio::select! {
                    line = line() => if line.starts_with(&node) { break },
                    () = tokio::time::sleep(Duration::from_millis(50)) => drop(hub.room("lobby").send("?").await),
                }
            }
        };
        timeout(Duration::from_secs(30), ready).await.expect("in time");
    }
    let mut client = Client::connect(&Handler::new(|| Guest).hub(&other)).await;
    client.text("hello \u{1b}[2J").await;
    let on_other = other.node().to_string();
    let mut of_client = Vec::new();
    while of_client.len() < 2 {
        let line = line().await;
        if line.contains("ann") {
            assert!(line.starts_with(&on_other), "{line}");
            of_client.push(line.split('\t').skip(1).map(str::to_owned).collect::<Vec<_>>());
        }
    }
    assert_eq!([&of_client[0][0], &of_client[0][3]], ["joined", "\"lobby\""]);
    assert_eq!(of_client[1][0], "received");
    assert_eq!(of_client[1][4], r#""hello \u{1b}[2J""#, "a terminal shows it, and does nothing");
    watcher.kill().await.expect("it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_publishes_to_a_room_with_history_is_in_the_log() {
    let server = Server::redis(&[]);
    let refused = gustnado(&server, &["publish", "--room", "news", "x"]).output().await.expect("it runs");
    assert_eq!(refused.status.code(), Some(1), "no node says whether the room keeps history");
    let by_hand = ["publish", "--room", "news", "--history", "last=10,for=5m", "--key", "k", "first"];
    let accepted = says(&server, &by_hand).await;
    let epoch = accepted.trim_end().strip_prefix("accepted\t").and_then(|it| it.strip_suffix("\t1"));
    let epoch = epoch.unwrap_or_else(|| panic!("{accepted}")).to_owned();

    let kept = Retention::last(10).within(Duration::from_secs(300));
    let hub = up(Hub::builder().history("news", kept).adapter(redis(&server)).build()).await;
    // The node says so.
    let second = says(&server, &["publish", "--room", "news", "second"]).await;
    assert_eq!(second, format!("accepted\t{epoch}\t2\n"));
    let again = says(&server, &["publish", "--room", "news", "--key", "k", "first"]).await;
    assert_eq!(again, accepted, "a key makes one message");
    assert_eq!(server.cli(&["xlen", "gustnado:{room.news}:log"]), "2");
    assert_eq!(says(&server, &["publish", "--room", "lobby", "hello"]).await, "handed over\n");

    server.cli(&["config", "set", "maxmemory", "1"]);
    let full = gustnado(&server, &["publish", "--room", "news", "x"]).stderr(Stdio::piped()).output().await;
    let full = full.expect("it runs");
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&full.stderr).contains("rejected: OOM"), "{full:?}");
    drop(hub);
}

#[tokio::test]
async fn it_fails_where_no_engine_is() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gustnado"));
    let output = command.args(["--url", "redis://127.0.0.1:1", "list"]).output().await.expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not available"));
}
