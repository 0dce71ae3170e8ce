//! Commands: every frame of `docs/wire.md` in both codecs, and what handlers may rely on.

#[path = "../examples/json_commands.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it is an example, with a main of its own")]
mod json_commands;
mod support;

use std::{sync::Arc, time::Duration};

use gustnado::{
    Conn, Handler, Hub,
    adapter::{MemoryBus, Retention},
    commands::{Command, Commands, ErrorReply, JSON, MESSAGE_PACK, RequestError},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Client, Frame, answer_to, connect_with, request_with};
use tokio::sync::{Semaphore, mpsc};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Chat {
    text: String,
}

/// What the tests hold against the wire: the user is in the query, rooms are limited, and a few commands.
fn commands() -> Commands<u32> {
    Commands::with_state(|handshake| {
        let user = handshake.query("user").map(String::from);
        if let Some(user) = user {
            handshake.set_user(user);
        }
        Ok(0)
    })
    .on("add", |_, (a, b): (i64, i64)| async move { Ok(a + b) })
    .on("note", |_, (): ()| async { Ok(()) })
    .on("chat", |ctx, Chat { text }: Chat| async move {
        ctx.broadcast("chat", json!({ "text": text })).await?;
        Ok(())
    })
    .on("whisper", |ctx, Chat { text }: Chat| async move {
        Ok(ctx.broadcast_others("chat", json!({ "text": text })).await?.queued)
    })
    .publish(|request| match request.cmd {
        "secret" => Err(ErrorReply::new("refused", "not this")),
        _ => Ok(()),
    })
    .on("refuse", |_, (): ()| async { Err::<(), _>(ErrorReply::new("no_luck", "not today")) })
    .on("fail", |_, (): ()| async { Ok("twelve".parse::<u8>()?) })
    .on("panic", |_, (): ()| async { if true { panic!("a test panics") } else { Ok(()) } })
    .on("count", |mut ctx, (): ()| async move {
        *ctx.state() += 1;
        Ok(*ctx.state())
    })
    .on("ask", |ctx, question: String| async move {
        let reply = ctx.conn().ask("sure", question, 5 * SECOND).await;
        match reply {
            Ok(reply) => Ok(reply.param::<Value>()?),
            Err(RequestError::Refused { code, .. }) => Ok(json!({ "refused": &*code })),
            Err(error) => Err(error.into()),
        }
    })
    .on("panic-later", |ctx, (): ()| async move {
        let _ = ctx.conn().ask("sure", "panic?", SECOND).await;
        if true { panic!("a test panics") } else { Ok(()) }
    })
}

fn hub() -> Hub {
    let staff = |request: &gustnado::JoinRequest<'_>| match request.room {
        "staff" => Err("staff only".to_owned()),
        _ => Ok(()),
    };
    Hub::builder().max_rooms(2).on_join(staff).history("news", Retention::last(5)).build()
}

fn handler() -> Handler {
    commands().handler().hub(&hub())
}

/// A client that speaks one of the codecs.
struct Peer {
    client: Client,
    packed: bool,
}

impl Peer {
    async fn new(handler: &Handler, user: &str, packed: bool) -> Self {
        let protocol = if packed { MESSAGE_PACK } else { JSON };
        let offer = format!("Sec-WebSocket-Protocol: {protocol}");
        let request = request_with(&format!("/ws?user={user}"), &[&offer]);
        Self { client: connect_with(handler, &request).await, packed }
    }

    async fn json(handler: &Handler, user: &str) -> Self {
        Self::new(handler, user, false).await
    }

    async fn send(&mut self, frame: Value) {
        if self.packed {
            let bytes = rmp_serde::to_vec_named(&frame).expect("a value that can be encoded");
            self.client.binary(&bytes).await;
        } else {
            self.client.text(&frame.to_string()).await;
        }
    }

    async fn next(&mut self) -> Value {
        match self.client.next().await {
            Frame::Text(text) if !self.packed => serde_json::from_str(&text).expect("JSON"),
            Frame::Binary(bytes) if self.packed => rmp_serde::from_slice(&bytes).expect("MessagePack"),
            other => panic!("expected a command, got {other:?}"),
        }
    }

    /// Sends a command and takes the next frame as its reply.
    async fn call(&mut self, frame: Value) -> Value {
        self.send(frame).await;
        self.next().await
    }

    async fn join(&mut self, room: &str) {
        let reply = self.call(json!({ "channel": room, "cmd": "join", "id": "join" })).await;
        assert_eq!(reply["cmd"], "reply", "{reply}");
    }

    /// Nothing was sent that was not read.
    async fn has_read_all(&mut self) {
        let reply = self.call(json!({ "cmd": "ping", "id": "last" })).await;
        assert_eq!(reply["id"], "last", "{reply}");
    }
}

fn cases(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/wire/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the file of cases");
    serde_json::from_str(&text).expect("an array of cases")
}

/// The frame that a client is sent, by the name of its case.
fn to_client(name: &str) -> Value {
    let case = cases("to_client").into_iter().find(|case| case["name"] == name);
    case.unwrap_or_else(|| panic!("no case is named {name}"))["frame"].take()
}

/// Whether `got` is `expected`, where `"*"` stands for anything.
fn matches(got: &Value, expected: &Value) -> bool {
    match (got, expected) {
        (_, Value::String(any)) if any == "*" => true,
        (Value::Object(got), Value::Object(expected)) => {
            got.len() == expected.len()
                && expected.iter().all(|(key, value)| got.get(key).is_some_and(|it| matches(it, value)))
        }
        _ => got == expected,
    }
}

async fn run_cases(packed: bool) {
    let codec = if packed { "msgpack" } else { "json" };
    for case in cases("to_server") {
        if case.get("codec").is_some_and(|only| only != codec) {
            continue;
        }
        let mut ann = Peer::new(&handler(), "ann", packed).await;
        for frame in case["before"].as_array().into_iter().flatten() {
            ann.send(frame.clone()).await;
        }
        match case["raw"].as_str() {
            Some(raw) => ann.client.text(raw).await,
            None => ann.send(case["frame"].clone()).await,
        }
        for expected in case["effect"].as_array().expect("frames") {
            let got = ann.next().await;
            assert!(matches(&got, expected), "{}: {got} is not {expected}", case["name"]);
        }
        ann.has_read_all().await;
    }
}

#[tokio::test]
async fn each_frame_to_the_server_has_its_effect_in_json() {
    run_cases(false).await;
}

#[tokio::test]
async fn each_frame_to_the_server_has_its_effect_in_message_pack() {
    run_cases(true).await;
}

#[tokio::test]
async fn a_client_that_offers_nothing_speaks_json() {
    let mut client = connect_with(&handler(), &support::request()).await;
    client.text(r#"{"cmd":"add","param":[1,2],"id":1}"#).await;
    assert_eq!(client.next().await, Frame::text(r#"{"cmd":"reply","param":3,"id":1}"#));
}

#[tokio::test]
async fn a_client_that_offers_only_what_is_unknown_is_refused() {
    let answer =
        answer_to(&handler(), &request_with("/ws", &["Sec-WebSocket-Protocol: gustnado.v9.json"])).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(String::from_utf8_lossy(&answer.body).contains(JSON));
}

#[tokio::test]
async fn json_is_preferred_by_the_server() {
    let offer = format!("Sec-WebSocket-Protocol: other, {MESSAGE_PACK}, {JSON}");
    let answer = answer_to(&handler(), &request_with("/ws", &[&offer])).await;
    assert_eq!(answer.header("sec-websocket-protocol"), Some(JSON));
}

#[tokio::test]
async fn messages_of_the_other_kind_are_not_parsed() {
    let handler = handler();
    let mut json = Peer::json(&handler, "ann").await;
    json.client.binary(br#"{"cmd":"ping"}"#).await;
    assert_eq!(json.next().await["param"]["code"], "wrong_type");
    json.has_read_all().await;

    let mut packed = Peer::new(&handler, "ann", true).await;
    packed.client.text(r#"{"cmd":"ping"}"#).await;
    assert_eq!(packed.next().await["param"]["code"], "wrong_type");
    packed.has_read_all().await;
}

#[tokio::test]
async fn message_pack_that_is_broken_is_told() {
    let mut ann = Peer::new(&handler(), "ann", true).await;
    let deep = [[0x81, 0xA3, b'c', b'm', b'd'].as_slice(), &[0x91; 4096]].concat();
    for bytes in [&b""[..], b"\x81", b"\xc0", b"\x81\xa3cmd\xa4ping\x00", &deep] {
        ann.client.binary(bytes).await;
        assert_eq!(ann.next().await["param"]["code"], "bad_frame", "{bytes:?}");
    }
    ann.has_read_all().await;
}

#[tokio::test]
async fn a_broadcast_comes_in_the_codec_of_each_member() {
    let handler = handler();
    let mut ann = Peer::json(&handler, "ann").await;
    let mut bob = Peer::new(&handler, "bob", true).await;
    ann.join("lobby").await;
    bob.join("lobby").await;
    assert_eq!(ann.next().await, to_client("a user has come"));
    ann.send(json!({ "channel": "lobby", "cmd": "chat", "param": { "text": "hi" }, "from": "bob" })).await;
    assert_eq!(ann.next().await, to_client("a broadcast"));
    assert_eq!(bob.next().await, to_client("a broadcast"));

    let reply =
        ann.call(json!({ "channel": "lobby", "cmd": "whisper", "param": { "text": "hi" }, "id": 1 })).await;
    assert_eq!(reply["param"], 1, "only the other member");
    assert_eq!(bob.next().await, to_client("a broadcast"));
    bob.has_read_all().await;
}

#[tokio::test]
async fn without_a_user_from_is_the_connections_id() {
    let hub = hub();
    let handler = commands().handler().hub(&hub);
    let mut client = connect_with(&handler, &support::request()).await;
    client.text(r#"{"channel":"lobby","cmd":"join"}"#).await;
    client.text(r#"{"channel":"lobby","cmd":"chat","param":{"text":"hi"}}"#).await;
    let Frame::Text(text) = client.next().await else { panic!("expected text") };
    let id = hub.connections(gustnado::Page::ALL)[0].id().to_string();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["from"], id);
}

#[tokio::test]
async fn members_are_told_of_users_and_not_of_tabs() {
    let handler = handler();
    let mut ann = Peer::json(&handler, "ann").await;
    ann.join("lobby").await;
    let mut tab = Peer::json(&handler, "bob").await;
    tab.join("lobby").await;
    assert_eq!(ann.next().await, to_client("a user has come"));
    let mut second = Peer::json(&handler, "bob").await;
    second.join("lobby").await;
    tab.client.bye().await;
    ann.has_read_all().await;

    // The last one leaves, comes back, and vanishes.
    second.send(json!({ "channel": "lobby", "cmd": "leave" })).await;
    assert_eq!(ann.next().await, to_client("a user has left"));
    second.join("lobby").await;
    assert_eq!(ann.next().await, to_client("a user has come"));
    drop(second);
    assert_eq!(ann.next().await, to_client("a user has left"));
}

#[tokio::test(start_paused = true)]
async fn commands_reach_members_on_other_nodes_in_their_codecs_and_so_does_presence() {
    let bus = MemoryBus::new();
    let node = || {
        let with_device = Commands::with_state(|handshake| {
            let user = handshake.query("user").map(String::from).unwrap_or_default();
            handshake.set_metadata("device", format!("{user}'s phone"));
            handshake.set_user(user);
            Ok(())
        });
        let with_device = with_device.on("chat", |ctx, Chat { text }: Chat| async move {
            ctx.broadcast("chat", json!({ "text": text })).await?;
            Ok(())
        });
        with_device.handler().hub(&Hub::builder().adapter(bus.adapter()).build())
    };
    let mut ann = Peer::json(&node(), "ann").await;
    let other = node();
    let mut bob = Peer::new(&other, "bob", true).await;
    let mut cat = Peer::json(&other, "cat").await;
    ann.join("lobby").await;
    bob.join("lobby").await;
    let mut came = to_client("a user has come with something to tell");
    came["param"]["meta"] = json!({ "device": "bob's phone" });
    assert_eq!(ann.next().await, came);
    // That ann is there came to bob's node when its first member joined.
    assert_eq!(bob.next().await["param"]["user"], "ann");
    cat.join("lobby").await;
    assert_eq!(
        (ann.next().await["param"]["user"].take(), bob.next().await["param"]["user"].take()),
        (json!("cat"), json!("cat"))
    );

    ann.send(json!({ "channel": "lobby", "cmd": "chat", "param": { "text": "hi" } })).await;
    for peer in [&mut ann, &mut bob, &mut cat] {
        assert_eq!(peer.next().await, to_client("a broadcast"));
    }
    let here = ann.call(json!({ "channel": "lobby", "cmd": "presence", "id": 1 })).await;
    let users = here["param"]["users"].as_object().expect("users");
    assert_eq!(users.keys().collect::<Vec<_>>(), ["ann", "bob", "cat"]);
    assert_eq!(users["bob"][0]["meta"], json!({ "device": "bob's phone" }));
    assert_eq!(here, bob.call(json!({ "channel": "lobby", "cmd": "presence", "id": 1 })).await);

    drop(bob);
    assert_eq!(ann.next().await, to_client("a user has left"));
    assert_eq!(cat.next().await, to_client("a user has left"));
    ann.has_read_all().await;
    cat.has_read_all().await;
}

#[tokio::test]
async fn rooms_joined_in_the_handshake_are_told_too_and_silence_can_be_chosen() {
    for told in [true, false] {
        let commands = Commands::with_state(|handshake| {
            let user = handshake.query("user").map(String::from).unwrap_or_default();
            handshake.set_user(user);
            handshake.join("lobby")?;
            Ok(())
        });
        let handler = commands.presence(told).handler();
        let mut ann = Peer::json(&handler, "ann").await;
        ann.has_read_all().await;
        let mut bob = Peer::json(&handler, "bob").await;
        bob.has_read_all().await;
        if told {
            assert_eq!(ann.next().await, to_client("a user has come"));
        }
        bob.client.bye().await;
        if told {
            assert_eq!(ann.next().await, to_client("a user has left"));
        }
        ann.has_read_all().await;
    }
}

/// A connection, as the server has it.
async fn opened(commands: Commands<u32>) -> (Peer, Conn) {
    let hub = Hub::new();
    let mut ann = Peer::json(&commands.handler().hub(&hub), "ann").await;
    ann.has_read_all().await;
    let conn = hub.connections_of("ann", gustnado::Page::ALL).remove(0);
    (ann, conn)
}

#[tokio::test]
async fn the_server_sends_commands_from_anywhere() {
    let (mut ann, conn) = opened(commands()).await;
    let news = Command::new("news", json!([1, null, "two"]));
    conn.send_command(&news).await.unwrap();
    assert_eq!(ann.next().await, to_client("a command of the server"));
    let report = conn.hub().everybody().send_command(&news).await.unwrap();
    assert_eq!(report.queued, 1);
    assert_eq!(ann.next().await, to_client("a command of the server"));

    let unencodable = Command::new("news", std::collections::BTreeMap::from([((1, 2), 3)]));
    assert!(conn.send_command(&unencodable).await.is_err());
    assert!(conn.hub().everybody().send_command(&unencodable).await.is_err());
}

#[tokio::test]
async fn the_server_asks_and_gets_the_reply_of_the_same_id() {
    let (mut ann, conn) = opened(commands()).await;
    let first = tokio::spawn({
        let conn = conn.clone();
        async move { conn.ask("sure", "really?", SECOND).await }
    });
    assert_eq!(ann.next().await, to_client("a request of the server"));
    let second = tokio::spawn(async move { conn.ask("juggle", (), SECOND).await });
    assert_eq!(ann.next().await, to_client("a request that the client does not know"));

    ann.send(json!({ "cmd": "error", "param": { "code": "unknown_command", "message": "?" }, "id": 2 }))
        .await;
    ann.send(json!({ "cmd": "reply", "param": true, "id": 1 })).await;
    assert!(first.await.unwrap().unwrap().param::<bool>().unwrap());
    let refused = second.await.unwrap().unwrap_err();
    assert!(
        matches!(&refused, RequestError::Refused { code, .. } if *code == "unknown_command"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_times_out_and_its_id_is_not_used_again() {
    let (mut ann, conn) = opened(commands()).await;
    let timeout = conn.ask("sure", (), SECOND).await.unwrap_err();
    assert!(matches!(timeout, RequestError::Timeout));
    assert_eq!(ann.next().await["id"], 1);
    let asking = tokio::spawn(async move { conn.ask("sure", (), SECOND).await });
    assert_eq!(ann.next().await["id"], 2);
    ann.send(json!({ "cmd": "reply", "param": "too late", "id": 1 })).await;
    ann.send(json!({ "cmd": "reply", "param": "in time", "id": 2 })).await;
    assert_eq!(asking.await.unwrap().unwrap().param::<String>().unwrap(), "in time");
}

#[tokio::test]
async fn requests_are_bounded_and_end_with_the_connection() {
    let (mut ann, conn) = opened(commands().max_requests(1)).await;
    let asking = tokio::spawn({
        let conn = conn.clone();
        async move { conn.ask("sure", (), SECOND).await }
    });
    ann.next().await;
    assert!(matches!(conn.ask("sure", (), SECOND).await, Err(RequestError::TooMany)));
    ann.client.bye().await;
    assert!(matches!(asking.await.unwrap(), Err(RequestError::Closed)));
    assert!(matches!(conn.ask("sure", (), SECOND).await, Err(RequestError::Closed)));
}

#[tokio::test]
async fn a_connection_without_commands_cannot_be_asked() {
    let hub = Hub::new();
    let plain =
        Handler::on_message(|conn: Conn, message| async move { Ok(conn.send(message).await?) }).hub(&hub);
    let mut client = support::connect(&plain).await;
    client.text("ready?").await;
    client.next().await;
    let conn = hub.connections(gustnado::Page::ALL).remove(0);
    assert!(matches!(conn.ask("sure", (), SECOND).await, Err(RequestError::NoCommands)));
}

#[tokio::test]
async fn a_handler_may_ask_its_own_client() {
    for packed in [false, true] {
        let mut ann = Peer::new(&handler(), "ann", packed).await;
        let question = ann.call(json!({ "cmd": "ask", "param": "really?", "id": 7 })).await;
        assert_eq!(question, to_client("a request of the server"));
        let reply = ann.call(json!({ "cmd": "reply", "param": { "yes": true }, "id": 1 })).await;
        assert_eq!(reply, json!({ "cmd": "reply", "param": { "yes": true }, "id": 7 }));
        // The handlers after it run as before, and may ask again.
        assert_eq!(ann.call(json!({ "cmd": "count", "id": 8 })).await["param"], 1);
        assert_eq!(ann.call(json!({ "cmd": "ask", "param": "again?", "id": 9 })).await["id"], 2);
        let reply = ann.call(json!({ "cmd": "error", "param": { "code": "no" }, "id": 2 })).await;
        assert_eq!(reply["param"], json!({ "refused": "no" }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_is_told_no_reply() {
    let mut ann = Peer::json(&handler(), "ann").await;
    ann.call(json!({ "cmd": "ask", "param": "really?", "id": 7 })).await;
    let error = ann.next().await;
    assert_eq!((&error["param"]["code"], &error["id"]), (&json!("no_reply"), &json!(7)));
    ann.has_read_all().await;
}

#[tokio::test]
async fn commands_behind_one_that_asks_wait_for_their_turn() {
    let mut ann = Peer::json(&handler(), "ann").await;
    ann.send(json!({ "cmd": "ask", "param": "first?", "id": "a" })).await;
    ann.send(json!({ "cmd": "count", "id": "b" })).await;
    ann.client.text("no command").await;
    ann.send(json!({ "cmd": "ask", "param": "second?", "id": "c" })).await;
    ann.send(json!({ "cmd": "count", "id": "d" })).await;
    assert_eq!(ann.next().await["param"], "first?");
    ann.send(json!({ "cmd": "reply", "param": 1, "id": 1 })).await;
    assert_eq!(ann.next().await, json!({ "cmd": "reply", "param": 1, "id": "a" }));
    assert_eq!(ann.next().await, json!({ "cmd": "reply", "param": 1, "id": "b" }));
    assert_eq!(ann.next().await["param"]["code"], "bad_frame");
    assert_eq!(ann.next().await["param"], "second?");
    ann.send(json!({ "cmd": "reply", "param": 2, "id": 2 })).await;
    assert_eq!(ann.next().await, json!({ "cmd": "reply", "param": 2, "id": "c" }));
    assert_eq!(ann.next().await, json!({ "cmd": "reply", "param": 2, "id": "d" }));
}

#[tokio::test]
async fn a_reply_gets_through_however_many_commands_wait() {
    let mut ann = Peer::json(&commands().max_waiting(2).handler(), "ann").await;
    ann.send(json!({ "cmd": "ask", "param": "first?", "id": "a" })).await;
    for id in 0..5 {
        ann.send(json!({ "cmd": "count", "id": id })).await;
    }
    assert_eq!(ann.next().await["param"], "first?");
    for id in 2..5 {
        let busy = ann.next().await;
        assert_eq!((&busy["param"]["code"], &busy["id"]), (&json!("busy"), &json!(id)));
    }
    ann.send(json!({ "cmd": "reply", "param": 1, "id": 1 })).await;
    for id in [json!("a"), json!(0), json!(1)] {
        assert_eq!(ann.next().await["id"], id);
    }
    ann.has_read_all().await;
}

#[tokio::test]
async fn a_request_of_another_task_is_answered_past_a_slow_handler() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let slow = commands().on("slow", move |_, (): ()| {
        let gate = waiting.clone();
        async move {
            gate.acquire().await?.forget();
            Ok(())
        }
    });
    let (mut ann, conn) = opened(slow.max_waiting(1)).await;
    // One runs, one waits behind it, and the third has no room: all without a request.
    for id in 1..=3 {
        ann.send(json!({ "cmd": "slow", "id": id })).await;
    }
    let asking = tokio::spawn(async move { conn.ask("sure", (), SECOND).await });
    assert_eq!(ann.next().await["cmd"], "sure");
    let busy = ann.next().await;
    assert_eq!((&busy["param"]["code"], &busy["id"]), (&json!("busy"), &json!(3)));
    ann.send(json!({ "cmd": "reply", "param": true, "id": 1 })).await;
    assert!(asking.await.unwrap().is_ok());
    gate.add_permits(2);
    assert_eq!(ann.next().await["id"], 1);
    assert_eq!(ann.next().await["id"], 2);
    ann.has_read_all().await;
}

#[tokio::test]
async fn the_end_of_the_connection_ends_a_handler_that_asks_before_on_close() {
    let (told, mut events) = mpsc::channel(8);
    let closing = told.clone();
    let commands = commands()
        .on("wait", move |ctx, (): ()| {
            let told = told.clone();
            async move {
                let reply = ctx.conn().ask("sure", (), 60 * SECOND).await;
                let _ = told.try_send(format!("{:?}", reply.map(drop)));
                Ok(())
            }
        })
        .on_close(move |mut ctx, closed| {
            let told = closing.clone();
            async move {
                *ctx.state() += 1;
                let _ = told.try_send(format!("closed {} {}", closed.code(), ctx.sender()));
            }
        });
    let mut ann = Peer::json(&commands.handler(), "ann").await;
    ann.call(json!({ "cmd": "wait" })).await;
    ann.client.bye().await;
    assert_eq!(events.recv().await.unwrap(), "Err(Closed)");
    assert_eq!(events.recv().await.unwrap(), "closed 1000 ann");
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn on_open_may_greet_and_ask() {
    let commands = commands().on_open(|mut ctx| async move {
        ctx.conn().send_command(&Command::new("welcome", ctx.sender())).await?;
        *ctx.state() = ctx.conn().ask("first", (), SECOND).await?.param()?;
        Ok(())
    });
    let mut ann = Peer::json(&commands.handler(), "ann").await;
    ann.send(json!({ "cmd": "count", "id": 1 })).await;
    assert_eq!(ann.next().await, json!({ "cmd": "welcome", "param": "ann" }));
    assert_eq!(ann.next().await["cmd"], "first");
    assert_eq!(ann.call(json!({ "cmd": "reply", "param": 41, "id": 1 })).await["param"], 42);
}

#[tokio::test]
async fn a_panic_in_a_handler_closes_with_1011_and_nobody_elses_connection() {
    let handler = handler();
    let mut bob = Peer::json(&handler, "bob").await;
    let mut ann = Peer::json(&handler, "ann").await;
    ann.send(json!({ "cmd": "panic" })).await;
    assert_eq!(ann.client.next().await, Frame::close(1011, ""));

    // The same in a task of its own.
    let mut ann = Peer::json(&handler, "ann").await;
    ann.call(json!({ "cmd": "panic-later" })).await;
    ann.send(json!({ "cmd": "count", "id": 1 })).await;
    ann.send(json!({ "cmd": "reply", "id": 1 })).await;
    assert_eq!(ann.client.next().await, Frame::close(1011, ""));
    bob.has_read_all().await;
}

#[tokio::test]
async fn state_belongs_to_one_connection() {
    let handler = handler();
    let mut ann = Peer::json(&handler, "ann").await;
    let mut bob = Peer::json(&handler, "bob").await;
    for expected in 1..=3 {
        assert_eq!(ann.call(json!({ "cmd": "count", "id": 1 })).await["param"], expected);
    }
    assert_eq!(bob.call(json!({ "cmd": "count", "id": 1 })).await["param"], 1);
}

#[tokio::test]
async fn replies_come_in_the_order_of_their_commands() {
    let mut ann = Peer::json(&handler(), "ann").await;
    for id in 0..100 {
        let cmd = ["count", "dance", "add"][id % 3];
        ann.send(json!({ "cmd": cmd, "id": id })).await;
    }
    for id in 0..100 {
        assert_eq!(ann.next().await["id"], id);
    }
}

#[tokio::test]
async fn too_many_errors_close_with_1008_if_that_is_the_choice() {
    let mut ann = Peer::json(&commands().max_errors(2).handler(), "ann").await;
    assert_eq!(ann.call(json!({ "cmd": "fail" })).await["param"]["code"], "internal");
    assert_eq!(ann.call(json!({ "cmd": "dance" })).await["cmd"], "error");
    assert_eq!(ann.call(json!({ "cmd": "dance" })).await["cmd"], "error");
    assert_eq!(ann.client.next().await, Frame::close(1008, "too many errors"));
}

#[tokio::test]
async fn membership_need_not_be_required() {
    let mut ann = Peer::json(&commands().require_membership(false).handler(), "ann").await;
    let to_nobody = json!({ "channel": "lobby", "cmd": "chat", "param": { "text": "hi" }, "id": 1 });
    assert_eq!(ann.call(to_nobody).await["cmd"], "reply");
}

#[tokio::test]
async fn a_reply_that_no_outbox_can_hold_becomes_an_error() {
    let large = commands().on("large", |_, (): ()| async { Ok("x".repeat(10_000)) });
    let mut ann = Peer::json(&large.handler().outbox_limits(4096, 16), "ann").await;
    assert_eq!(ann.call(json!({ "cmd": "large", "id": 1 })).await["param"]["code"], "internal");
}

#[test]
#[should_panic(expected = "`reply` answers commands")]
fn reply_is_no_command() {
    let _ = Commands::new().on("reply", |_, (): ()| async { Ok(()) });
}

#[tokio::test]
async fn the_example_answers_over_tcp_as_it_says() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::{client_async, tungstenite::Message};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback_service(json_commands::commands().handler());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut client, _) = client_async(format!("ws://{address}/"), stream).await.unwrap();
    let mut call = async |frame: Value| -> Value {
        client.send(Message::text(frame.to_string())).await.unwrap();
        serde_json::from_str(client.next().await.unwrap().unwrap().to_text().unwrap()).unwrap()
    };
    let pong = call(json!({ "cmd": "ping" })).await;
    assert_eq!(pong["cmd"], "pong");
    assert!(pong["param"]["time"].as_u64().unwrap() > 1_700_000_000);

    let chat = json!({ "channel": "lobby", "cmd": "chat", "param": { "text": "hello" } });
    assert_eq!(call(chat.clone()).await["param"]["code"], "not_a_member");
    let join = json!({ "cmd": "join-room", "param": { "room": "lobby", "nick": "ann" } });
    let joined = call(join).await;
    assert_eq!((&joined["cmd"], &joined["param"]["nick"]), (&json!("joined"), &json!("ann")));
    let said = call(chat).await;
    assert_eq!(said["param"], json!({ "nick": "ann", "text": "hello" }));
    assert_eq!(call(json!({ "cmd": "dance" })).await["param"]["code"], "unknown_command");
}
