//! The examples as programs of their own, spoken to over TCP.
//!
//! Plain `cargo test` and `cargo nextest run` build examples before they run tests; with `--test examples` or
//! `--all-targets` cargo does not, so `scripts/rust` builds them first.

#[cfg(all(feature = "nats", feature = "redis"))]
#[path = "support/servers.rs"]
mod servers;
mod support;

use std::{path::PathBuf, process::Stdio, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use support::{Client, Frame, request_with};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, copy_bidirectional, duplex},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
};

/// A running example. It ends when this is dropped.
struct Example {
    address: String,
    _child: Child,
    /// Kept open: an example may print.
    _stdout: BufReader<ChildStdout>,
}

/// The example, as cargo built it beside this test.
fn program(name: &str) -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let path: PathBuf = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples --all-features` first, in the same profile",
        path.display()
    );
    Command::new(path)
}

impl Example {
    async fn run(name: &str, arguments: &[&str]) -> Self {
        let mut child = program(name)
            .arg("127.0.0.1:0")
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the example runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        tokio::time::timeout(Duration::from_secs(30), stdout.read_line(&mut line))
            .await
            .unwrap_or_else(|_| panic!("{name} does not listen"))
            .expect("text");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("{name} says {line:?}")).to_owned();
        Self { address, _child: child, _stdout: stdout }
    }

    /// A connection in bytes.
    async fn dial(&self) -> Client {
        let mut tcp = TcpStream::connect(&self.address).await.expect("the example listens");
        let (client, mut server) = duplex(64 * 1024);
        tokio::spawn(async move { copy_bidirectional(&mut tcp, &mut server).await });
        Client::new(client)
    }

    async fn connect(&self, path: &str) -> Client {
        let mut client = self.dial().await;
        client.write(request_with(path, &[]).as_bytes()).await;
        assert_eq!(client.answer().await.status, StatusCode::SWITCHING_PROTOCOLS);
        client
    }

    async fn post(&self, path: &str, body: &str) -> serde_json::Value {
        let mut client = self.dial().await;
        let len = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n{body}"
        );
        client.write(request.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, Some("application/json"))
        );
        serde_json::from_slice(&answer.body).expect("JSON")
    }
}

async fn next(client: &mut Client) -> Frame {
    tokio::time::timeout(Duration::from_secs(30), client.next()).await.expect("a frame in time")
}

async fn says(client: &mut Client, text: &str) -> Frame {
    client.text(text).await;
    next(client).await
}

/// What a GET that asks for no WebSocket gets.
async fn get(example: &Example, path: &str) -> (StatusCode, String) {
    let mut client = example.dial().await;
    client.write(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await;
    let answer = client.answer().await;
    (answer.status, String::from_utf8(answer.body.to_vec()).expect("text"))
}

#[tokio::test]
async fn axum_serves_pages_beside_the_connection_and_knows_the_user() {
    let example = Example::run("axum", &[]).await;
    assert_eq!(get(&example, "/").await, (StatusCode::OK, "An ordinary page.\n".into()));
    assert_eq!(get(&example, "/ws").await, (StatusCode::OK, "Speak WebSocket to me.\n".into()));
    let mut client = example.connect("/ws").await;
    assert_eq!(says(&mut client, "hello").await, Frame::text("Ada from 127.0.0.1 says: hello"));
    client.bye().await;
}

#[tokio::test]
async fn hyper_serves_what_is_no_websocket_by_its_fallback() {
    let example = Example::run("hyper", &[]).await;
    assert_eq!(get(&example, "/page").await, (StatusCode::OK, "/page is no WebSocket.\n".into()));
    let mut client = example.connect("/").await;
    assert_eq!(says(&mut client, "hello").await, Frame::text("hello"));
    client.bye().await;
}

/// Says something and waits until it comes back, whatever others said before.
async fn client_is_in(client: &mut Client, text: &str) {
    client.text(text).await;
    while next(client).await != Frame::text(text) {}
}

#[tokio::test]
async fn broadcast_sends_to_everybody_the_sender_included() {
    let example = Example::run("broadcast", &[]).await;
    let mut ada = example.connect("/one").await;
    let mut grace = example.connect("/another").await;
    // Each is a member once their own message comes back; Ada before Grace says anything.
    assert_eq!(says(&mut ada, "first").await, Frame::text("first"));
    client_is_in(&mut grace, "here").await;
    assert_eq!(next(&mut ada).await, Frame::text("here"));
    assert_eq!(says(&mut ada, "hello").await, Frame::text("hello"));
    assert_eq!(next(&mut grace).await, Frame::text("hello"));
}

#[tokio::test]
async fn rate_limited_lets_five_in_and_frees_a_place_when_one_leaves() {
    let example = Example::run("rate_limited", &[]).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(example.connect("/").await);
    }
    let mut sixth = example.dial().await;
    sixth.write(request_with("/", &[]).as_bytes()).await;
    let answer = sixth.answer().await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.header("retry-after").is_some());
    clients.pop().expect("five").bye().await;
    // The place is free once on_close has returned, shortly after the transport has ended.
    let freed = async {
        loop {
            let mut client = example.dial().await;
            client.write(request_with("/", &[]).as_bytes()).await;
            if client.answer().await.status == StatusCode::SWITCHING_PROTOCOLS {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), freed).await.expect("a place");
}

/// Somebody in the chat, by the example `client`.
struct Talker {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Talker {
    fn come_in(chat: &Example, nick: &str) -> Self {
        let mut child = program("client")
            .args([&format!("ws://{}/ws", chat.address), nick])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the example runs");
        let said = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, said }
    }

    /// Reads on until it prints this.
    async fn prints(&mut self, expected: &str) {
        let printed =
            async { while self.said.next_line().await.expect("text").expect("it is running") != expected {} };
        let time = Duration::from_secs(30);
        tokio::time::timeout(time, printed).await.unwrap_or_else(|_| panic!("{expected:?} is not printed"));
    }
}

#[tokio::test]
async fn client_talks_in_the_chat() {
    let chat = Example::run("chat", &[]).await;
    let mut ada = Talker::come_in(&chat, "Ada");
    ada.prints("* you are here").await;
    let mut grace = Talker::come_in(&chat, "Grace");
    ada.prints("* Grace comes").await;
    let mut typed = ada.child.stdin.take().expect("piped");
    typed.write_all(b"hello, Grace\n").await.expect("it reads");
    for talker in [&mut ada, &mut grace] {
        talker.prints("Ada: hello, Grace").await;
    }
    typed.write_all(b"\n").await.expect("it reads");
    ada.prints("* a message has 1 to 2,000 characters").await;
    drop(typed);
    grace.prints("* Ada goes").await;
    assert!(ada.child.wait().await.expect("it ends").success());
}

#[tokio::test]
async fn terminal_streams_a_command_s_output_as_markup() {
    let command = ["sh", "-c", r"read line; printf '\033[32m<green>\033[0m\n'"];
    let mut child = program("terminal")
        .arg("127.0.0.1:0")
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the example runs");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).await.expect("text");
    let address = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
    let example = Example { address, _child: child, _stdout: stdout };
    let mut client = example.connect("/ws").await;
    // A ping's answer: the connection is open, and in the room.
    client.ping(b"").await;
    assert_eq!(next(&mut client).await, Frame::Pong(Vec::new()));
    tokio::io::AsyncWriteExt::write_all(&mut stdin, b"go\n").await.expect("the command reads");
    let Frame::Text(markup) = next(&mut client).await else { panic!("expected a text") };
    assert!(markup.contains("&lt;green&gt;</span>") && markup.starts_with("<span style="), "{markup}");
    assert_eq!(next(&mut client).await, Frame::text("<i>exit status: 0</i>"));
}

#[cfg(unix)]
#[tokio::test]
async fn shutdown_tells_its_clients_when_to_come_back_and_ends() {
    let mut example = Example::run("shutdown", &[]).await;
    let mut client = example.connect("/").await;
    assert_eq!(says(&mut client, "hello").await, Frame::text("hello"));
    let id = example._child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().await.expect("kill runs");
    assert!(sent.success());
    assert_eq!(next(&mut client).await, Frame::close(1012, "reconnect within 10000 ms"));
    client.close(1012, "").await;
    assert_eq!(next(&mut client).await, Frame::End);
    let mut line = String::new();
    example._stdout.read_line(&mut line).await.expect("text");
    assert_eq!(line, "1 connections ended, 0 cut\n");
    drop(client);
    let ended = tokio::time::timeout(Duration::from_secs(30), example._child.wait()).await;
    assert!(ended.expect("in time").expect("a status").success());
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn metrics_shows_the_connections_there_are() {
    let example = Example::run("metrics", &[]).await;
    let mut client = example.connect("/ws").await;
    assert_eq!(says(&mut client, "hello").await, Frame::text("hello"));
    let (status, page) = get(&example, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("gustnado_connections 1\n"), "{page}");
}

#[tokio::test]
async fn middleware_answers_what_it_does_not_let_pass() {
    let example = Example::run("middleware", &[]).await;
    let mut client = example.connect("/").await;
    assert_eq!(next(&mut client).await, Frame::text("Welcome"));
    assert_eq!(says(&mut client, "hi").await, Frame::text("New message from you: hi"));
    assert_eq!(says(&mut client, "Buy SPAM!").await, Frame::text("Message not allowed"));
    assert_eq!(says(&mut client, "spammer").await, Frame::text("New message from you: spammer"));
    assert_eq!(says(&mut client, &"a".repeat(1_001)).await, Frame::text("Message too long"));
    let longest = "é".repeat(1_000);
    assert_eq!(says(&mut client, &longest).await, Frame::Text(format!("New message from you: {longest}")));
    client.bye().await;
}

#[cfg(feature = "commands")]
#[tokio::test]
async fn presence_tells_members_of_one_node_who_is_on_the_other() {
    let example = Example::run("presence", &[]).await;
    let mut ann = example.connect("/one?user=ann").await;
    let frame = |text: Frame| -> serde_json::Value {
        let Frame::Text(text) = text else { panic!("expected a text, got {text:?}") };
        serde_json::from_str(&text).expect("JSON")
    };
    // She is in the lobby once she is answered.
    let here = frame(says(&mut ann, r#"{"channel":"lobby","cmd":"presence","id":1}"#).await);
    assert_eq!(here["param"]["users"]["ann"][0]["meta"]["node"], "one");
    let bob = example.connect("/two?user=bob").await;
    let came = frame(next(&mut ann).await);
    assert_eq!((&came["cmd"], &came["param"]["user"]), (&"online".into(), &"bob".into()));
    assert_eq!(came["param"]["meta"]["node"], "two");
    let here = frame(says(&mut ann, r#"{"channel":"lobby","cmd":"presence","id":2}"#).await);
    assert_eq!(here["param"]["users"].as_object().expect("users").len(), 2);
    drop(bob);
    let went = frame(next(&mut ann).await);
    assert_eq!((&went["param"]["user"], &went["param"]["online"]), (&"bob".into(), &false.into()));
}

#[tokio::test]
async fn multi_room_says_things_in_one_room_at_a_time() {
    let example = Example::run("multi_room", &[]).await;
    let mut one = example.connect("/").await;
    assert_eq!(next(&mut one).await, Frame::text("Joined general"));
    let mut other = example.connect("/").await;
    assert_eq!(next(&mut other).await, Frame::text("Joined general"));

    assert_eq!(says(&mut one, "hello").await, Frame::text("hello"), "the author is in the room");
    assert_eq!(next(&mut other).await, Frame::text("hello"));

    assert_eq!(says(&mut one, "/join kitchen").await, Frame::text("Room not found"));
    assert_eq!(says(&mut one, "still here").await, Frame::text("still here"));
    assert_eq!(next(&mut other).await, Frame::text("still here"));

    assert_eq!(says(&mut one, "/join tech").await, Frame::text("Joined tech"));
    assert_eq!(says(&mut one, "about tech").await, Frame::text("about tech"));
    assert_eq!(
        says(&mut other, "in general").await,
        Frame::text("in general"),
        "nothing of tech came between"
    );
    assert_eq!(says(&mut other, "/join tech").await, Frame::text("Joined tech"));
    assert_eq!(says(&mut other, "me too").await, Frame::text("me too"));
    assert_eq!(next(&mut one).await, Frame::text("me too"), "nothing of general came between");
    one.bye().await;
    other.bye().await;
}

#[tokio::test]
async fn notifications_reach_all_devices_of_a_user() {
    let example = Example::run("notifications", &[]).await;
    let mut phone = example.connect("/ws?user=alice").await;
    let mut laptop = example.connect("/ws?user=alice").await;
    let mut bob = example.connect("/ws?user=bob").await;

    let report = example.post("/notify/alice", "Your build is green").await;
    assert_eq!((&report["recipients"], &report["queued"]), (&2.into(), &2.into()));
    assert_eq!(next(&mut phone).await, Frame::text("Your build is green"));
    assert_eq!(next(&mut laptop).await, Frame::text("Your build is green"));

    phone.bye().await;
    laptop.bye().await;
    assert_eq!(example.post("/notify/nobody", "hello").await["recipients"], 0);
    assert_eq!(example.post("/notify/bob", "hello, bob").await["queued"], 1);
    assert_eq!(next(&mut bob).await, Frame::text("hello, bob"), "and nothing of alice's");

    let mut nobody = example.dial().await;
    nobody.write(request_with("/ws", &[]).as_bytes()).await;
    assert_eq!(nobody.answer().await.status, StatusCode::UNAUTHORIZED);
}

/// A collector of OpenTelemetry, as far as a test needs one: the bodies of what is posted to it.
async fn collector() -> (String, mpsc::Receiver<serde_json::Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().expect("an address"));
    let (sender, bodies) = mpsc::channel(10);
    let collect = axum::routing::post(move |body: Bytes| async move {
        let body = serde_json::from_slice(&body).expect("JSON");
        sender.send(body).await.expect("the test waits for it");
        "{}"
    });
    let app = axum::Router::new().route("/v1/traces", collect);
    tokio::spawn(axum::serve(listener, app).into_future());
    (endpoint, bodies)
}

#[tokio::test]
async fn opentelemetry_has_the_span_of_a_connection_at_its_collector() {
    let (endpoint, mut bodies) = collector().await;
    let example = Example::run("opentelemetry", &[&endpoint]).await;
    let mut client = example.connect("/ws").await;
    assert_eq!(says(&mut client, "hello").await, Frame::text("hello"));
    client.bye().await;
    let body = tokio::time::timeout(Duration::from_secs(60), bodies.recv()).await;
    let body = body.expect("spans in time").expect("the collector runs");
    let span = &body["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["name"], "connection", "{body:#}");
    let attributes = span["attributes"].as_array().expect("attributes");
    let id = attributes.iter().find(|it| it["key"] == "id").expect("its id");
    let id = id["value"]["stringValue"].as_str().expect("text");
    assert!(id.parse::<gustnado::ConnId>().is_ok(), "{id}");
    let events: Vec<_> = span["events"].as_array().expect("events").iter().map(|it| &it["name"]).collect();
    assert_eq!(events, ["an event of the connection's span", "closed"]);
}

#[cfg(feature = "config")]
mod configured {
    use super::*;

    fn file(name: &str) -> String {
        format!("{}/examples/configured/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    /// What the example says about a file, and that it fails.
    async fn refused(name: &str, content: &str) -> String {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, content).expect("a file in the target directory");
        let output = program("configured").arg("127.0.0.1:0").arg(path).output();
        let output = tokio::time::timeout(Duration::from_secs(30), output).await;
        let output = output.expect("it stops by itself").expect("the example runs");
        assert!(!output.status.success());
        String::from_utf8(output.stderr).expect("text")
    }

    #[tokio::test]
    async fn it_runs_with_its_toml_by_default() {
        let example = Example::run("configured", &[]).await;
        let mut client = example.connect("/").await;
        let large = "a".repeat(64 * 1024);
        assert_eq!(says(&mut client, &large).await, Frame::Text(large));
        client.bye().await;
    }

    #[tokio::test]
    async fn it_keeps_the_limits_of_its_yaml() {
        let example = Example::run("configured", &[&file("gustnado.yaml")]).await;
        let mut client = example.connect("/").await;
        let large = "a".repeat(4 * 1024 + 1);
        assert!(matches!(says(&mut client, &large).await, Frame::Close(Some((1009, _)))));
    }

    #[tokio::test]
    async fn it_names_a_key_that_is_spelt_wrong() {
        let said = refused("wrong-key.toml", "[websocket]\nmax_mesage_size = 1\n").await;
        assert!(said.contains("max_mesage_size: unknown field"), "{said}");
    }

    #[tokio::test]
    async fn it_names_an_adapter_that_it_cannot_reach_by_its_url() {
        let file = "websocket:\n  adapter_type: redis\n  redis:\n    url: 'http://localhost'\n";
        let said = refused("redis.yaml", file).await;
        assert!(said.contains("redis.url: not the URL of a Redis"), "{said}");
    }
}

#[cfg(all(feature = "nats", feature = "redis"))]
mod nodes {
    use super::{servers::Server, *};

    /// What the example says to a command, once it says so: other nodes are heard of a moment later.
    async fn comes_to_say(client: &mut Client, command: &str, text: &str) -> Duration {
        let asked = std::time::Instant::now();
        let said = async {
            while says(client, command).await != Frame::text(text) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), said)
            .await
            .unwrap_or_else(|_| panic!("{command} is not answered by {text:?}"));
        asked.elapsed()
    }

    async fn enter(node: &Example, user: &str) -> Client {
        let mut client = node.connect(&format!("/ws?user={user}&room=lobby")).await;
        assert_eq!(next(&mut client).await, Frame::Text(format!("welcome, {user}")));
        client
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nodes_in_two_processes_are_one_until_one_is_killed() {
        let server = Server::redis(&[]);
        let one = Example::run("redis", &[&server.url()]).await;
        let mut two = Example::run("redis", &[&server.url()]).await;
        let (mut ann, mut bob) = (enter(&one, "ann").await, enter(&two, "bob").await);
        comes_to_say(&mut ann, "/who", "ann bob").await;
        comes_to_say(&mut bob, "/who", "ann bob").await;
        comes_to_say(&mut bob, "/count", "2 connections").await;
        assert_eq!(says(&mut ann, "hello").await, Frame::text("ann: hello"));
        assert_eq!(next(&mut bob).await, Frame::text("ann: hello"));
        bob.text("/tell ann psst").await;
        assert_eq!(next(&mut ann).await, Frame::text("bob tells you: psst"));
        // As `kill -9` does: nobody says goodbye.
        two._child.start_kill().expect("it runs");
        let took = comes_to_say(&mut ann, "/who", "ann").await;
        println!("the killed node's users were gone after {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert_eq!(says(&mut ann, "anybody?").await, Frame::text("ann: anybody?"));
    }

    struct Guest;

    #[gustnado::async_trait]
    impl gustnado::Connector for Guest {
        async fn on_connect(&mut self, handshake: &mut gustnado::Handshake) -> Result<(), gustnado::Reject> {
            handshake.set_user("ann");
            handshake.join("lobby")?;
            Ok(())
        }
    }

    fn signal(node: &Example, name: &str) {
        let id = node._child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn users_of_killed_and_of_frozen_nodes_leave_once_and_those_of_a_thawed_one_come_back_once() {
        let server = Server::redis(&[]);
        let redis = gustnado::adapter::Redis::new(&server.url()).expect("a URL");
        let hub = gustnado::Hub::builder().adapter(redis).presence_in(|_| true).build();
        let handler = gustnado::Handler::new(|| Guest).hub(&hub);
        let mut tap = hub.tap(gustnado::TapFilter::default().room("lobby"));
        let _ann = gustnado::testing::Client::connect(&handler).await;
        let mut killed = Example::run("redis", &[&server.url()]).await;
        let frozen = Example::run("redis", &[&server.url()]).await;
        let (_bob, mut carl) = (enter(&killed, "bob").await, enter(&frozen, "carl").await);
        // Each change of presence, as it is told.
        let mut changes = async || loop {
            let event = tokio::time::timeout(Duration::from_secs(30), tap.next()).await;
            let event = event.expect("in time").expect("the hub is there");
            if let gustnado::EventKind::Presence { online, .. } = event.kind {
                return (event.user.expect("a user"), online);
            }
        };
        assert_eq!(changes().await, ("ann".to_owned(), true));
        let mut both = async |online| {
            let mut both = [changes().await, changes().await];
            both.sort();
            assert_eq!(both, [("bob".to_owned(), online), ("carl".to_owned(), online)]);
        };
        both(true).await;
        comes_to_say(&mut carl, "/who", "ann bob carl").await;

        signal(&frozen, "STOP");
        killed._child.start_kill().expect("it runs");
        let died = std::time::Instant::now();
        both(false).await;
        println!("users of dead nodes were gone after {:?}", died.elapsed());
        assert!(died.elapsed() < Duration::from_secs(10), "{:?}", died.elapsed());
        signal(&frozen, "CONT");
        assert_eq!(changes().await, ("carl".to_owned(), true), "once, and nobody else");
        // Its connection has outlived it, and what it knows is true.
        comes_to_say(&mut carl, "/who", "ann carl").await;
        hub.room("lobby").send("welcome back").await;
        assert_eq!(next(&mut carl).await, Frame::text("welcome back"));
        assert!(hub.presence("lobby").into_keys().eq(["ann", "carl"]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn local_members_hear_one_another_while_redis_is_away_and_all_after_it() {
        let mut server = Server::redis(&[]);
        let one = Example::run("redis", &[&server.url()]).await;
        let two = Example::run("redis", &[&server.url()]).await;
        let (mut ann, mut bob) = (enter(&one, "ann").await, enter(&two, "bob").await);
        let mut carl = enter(&one, "carl").await;
        comes_to_say(&mut bob, "/who", "ann bob carl").await;
        server.kill();
        assert_eq!(says(&mut ann, "alone").await, Frame::text("ann: alone"));
        assert_eq!(next(&mut carl).await, Frame::text("ann: alone"));
        server.start();
        comes_to_say(&mut bob, "/count", "3 connections").await;
        comes_to_say(&mut bob, "/who", "ann bob carl").await;
        let heard = async {
            loop {
                ann.text("again").await;
                assert_eq!(next(&mut ann).await, Frame::text("ann: again"));
                let came = tokio::time::timeout(Duration::from_millis(200), bob.next()).await;
                if came == Ok(Frame::text("ann: again")) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard).await.expect("the nodes are one again");
    }

    /// A program with two nodes: where each listens.
    async fn run_two(name: &str, url: &str) -> (Example, String) {
        let mut child = program(name)
            .args(["127.0.0.1:0,127.0.0.1:0", url])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the example runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut addresses = Vec::new();
        for _ in 0..2 {
            let mut line = String::new();
            lines.read_line(&mut line).await.expect("text");
            addresses.push(line.trim().strip_prefix("listening on ").expect("an address").to_owned());
        }
        let (second, first) = (addresses.pop().expect("two"), addresses.pop().expect("two"));
        (Example { address: first, _child: child, _stdout: lines }, second)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nodes_in_one_program_hear_one_another_over_redis_and_over_nats() {
        let (redis, nats) = (Server::redis(&[]), Server::nats(&[]));
        for (name, url) in [("redis", redis.url()), ("nats", format!("nats://127.0.0.1:{}", nats.port))] {
            let (mut node, second) = run_two(name, &url).await;
            let mut ann = enter(&node, "ann").await;
            node.address = second;
            let mut bob = enter(&node, "bob").await;
            comes_to_say(&mut ann, "/who", "ann bob").await;
            comes_to_say(&mut bob, "/count", "2 connections").await;
            assert_eq!(says(&mut bob, "hello").await, Frame::text("bob: hello"));
            assert_eq!(next(&mut ann).await, Frame::text("bob: hello"));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nodes_in_two_processes_are_one_over_nats_until_one_is_killed() {
        let server = Server::nats(&[]);
        let url = format!("nats://127.0.0.1:{}", server.port);
        let (one, mut two) = (Example::run("nats", &[&url]).await, Example::run("nats", &[&url]).await);
        let (mut ann, _bob) = (enter(&one, "ann").await, enter(&two, "bob").await);
        comes_to_say(&mut ann, "/who", "ann bob").await;
        two._child.start_kill().expect("it runs");
        let took = comes_to_say(&mut ann, "/who", "ann").await;
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

/// The next frame of commands, but for what is told of pages that come and go.
async fn next_json(client: &mut Client) -> serde_json::Value {
    loop {
        let Frame::Text(text) = next(client).await else { panic!("a text") };
        let frame: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        if frame["cmd"] != "online" {
            return frame;
        }
    }
}

#[tokio::test]
async fn recovery_gives_a_page_that_was_cut_every_line_that_it_missed() {
    let example = Example::run("recovery", &[]).await;
    assert_eq!(get(&example, "/").await.0, StatusCode::OK);
    let mut writer = example.connect("/ws").await;
    writer.text(r#"{"cmd":"join","channel":"lines"}"#).await;
    let mut page = example.connect("/ws").await;
    page.text(r#"{"cmd":"join","channel":"lines","id":"join"}"#).await;
    let mut position = next_json(&mut page).await["param"]["position"].take();
    for number in 1..=30 {
        let param = serde_json::json!({ "cmd": "line", "param": number, "key": format!("k{number}") });
        let publish =
            serde_json::json!({ "cmd": "publish", "channel": "lines", "param": param, "id": number });
        writer.text(&publish.to_string()).await;
        // Its own line, and the answer.
        while next_json(&mut writer).await["id"] != number {}
        match number % 10 {
            // Without a word.
            3 => drop(std::mem::replace(&mut page, example.connect("/ws").await)),
            7 => {
                let join = serde_json::json!({
                    "cmd": "join", "channel": "lines", "param": { "since": position }, "id": "join"
                });
                page.text(&join.to_string()).await;
                assert_eq!(next_json(&mut page).await["param"]["recovered"], true);
                for missed in number - 4..=number {
                    assert_eq!(next_json(&mut page).await["param"], missed);
                }
                position["offset"] = number.into();
            }
            4..7 => {}
            _ => {
                assert_eq!(next_json(&mut page).await["param"], number);
                position["offset"] = number.into();
            }
        }
    }
}
