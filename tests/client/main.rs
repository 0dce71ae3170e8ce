//! The client: scenarios that it shares with the one in TypeScript, and what only it can see.

mod real;
mod scenario;
mod server;

use std::time::Duration;

use gustnado::{
    client::{Client, ClientError, CommandError, Event, Events, SendResult, State, TokenIn},
    commands::Codec,
};
use serde_json::{Value, json};
use server::{NOW, server};
use tokio::time::{Instant, sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);

async fn run_scenarios(codec: Codec) {
    let scenarios: Vec<Value> =
        serde_json::from_str(include_str!("../scenarios/client.json")).expect("a list of scenarios");
    assert!(scenarios.len() > 50, "{}", scenarios.len());
    for scenario in &scenarios {
        scenario::run(scenario, codec).await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_what_the_scenarios_say_in_json() {
    run_scenarios(Codec::Json).await;
}

#[tokio::test(start_paused = true)]
async fn it_does_what_the_scenarios_say_in_message_pack() {
    run_scenarios(Codec::MessagePack).await;
}

/// The next event of this kind.
async fn event<T>(events: &mut Events, kind: impl Fn(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = kind(events.next().await.expect("the client is there")) {
                return found;
            }
        }
    };
    timeout(600 * SECOND, found).await.expect("an event in time")
}

fn closed(event: Event) -> Option<gustnado::client::Closed> {
    match event {
        Event::Closed(closed) => Some(closed),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_for_45_seconds_is_dead() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.connect().expect("an address");
    let mut events = client.events().await;
    let _deaf = server.accept().await;
    assert!(client.opened().await);
    let start = Instant::now();
    let closed = event(&mut events, closed).await;
    assert_eq!((closed.code.as_u16(), &*closed.reason), (1006, "the server is silent"));
    assert_eq!(start.elapsed().as_secs(), 45);
    assert!(closed.reconnects);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_pings_is_alive() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.connect().expect("an address");
    let mut peer = server.accept().await;
    assert!(client.opened().await);
    assert_eq!(peer.next(600 * SECOND).await, None, "pings are answered by reading");
    assert_eq!(client.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_respected() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.connect().expect("an address");
    let mut events = client.events().await;
    server.refuse(429, Some("20")).await;
    let closed = event(&mut events, closed).await;
    assert_eq!((closed.code.as_u16(), closed.retry_after), (4429, Some(20 * SECOND)));
    let (_, after) = server.attempt(60 * SECOND).await.expect("it comes back");
    assert!((20 * SECOND..=21 * SECOND + NOW).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_at_each_attempt_and_goes_where_it_shall() {
    for place in [TokenIn::Header, TokenIn::Query("ticket".into()), TokenIn::Subprotocol, TokenIn::Message] {
        let (mut server, builder) = server(Codec::Json);
        let number = std::sync::atomic::AtomicUsize::new(1);
        let token = move || {
            let token = format!("t{}", number.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            async move { Ok::<_, CommandError>(token) }
        };
        let client = builder.token(token).token_in(place.clone()).connect().expect("an address");
        for expected in ["t1", "t2"] {
            let mut peer = server.accept().await;
            let header =
                |name: &str| peer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
            match &place {
                TokenIn::Header => assert_eq!(header("authorization"), format!("Bearer {expected}")),
                TokenIn::Query(_) => assert_eq!(peer.path, format!("/ws?ticket={expected}")),
                TokenIn::Subprotocol => {
                    assert_eq!(
                        header("sec-websocket-protocol"),
                        format!("gustnado.v1.json, bearer.{expected}")
                    );
                }
                _ => assert_eq!(peer.text().await, expected),
            }
            drop(peer);
        }
        assert!(!format!("{client:?}").contains("t1"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_of_tokens_that_fails_or_panics_is_asked_again() {
    let (mut server, builder) = server(Codec::Json);
    let number = std::sync::atomic::AtomicUsize::new(0);
    let token = move || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async move {
            assert_ne!(number, 1, "a test panics");
            if number == 0 { Err("no token today") } else { Ok("t".into()) }
        }
    };
    let client = builder.token(token).connect().expect("an address");
    let mut events = client.events().await;
    let is_token =
        |event| matches!(event, Event::Error(error) if matches!(*error, ClientError::Token(_))).then_some(());
    event(&mut events, is_token).await;
    assert_eq!(&*event(&mut events, closed).await.reason, "no token");
    assert_eq!(&*event(&mut events, closed).await.reason, "a callback panicked");
    let _peer = server.accept().await;
    assert!(client.opened().await);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_given_up() {
    let builder = Client::builder("ws://server/")
        .transport(std::future::pending::<std::io::Result<tokio::io::DuplexStream>>);
    let client = builder.connect().expect("an address");
    let mut events = client.events().await;
    let start = Instant::now();
    assert_eq!(&*event(&mut events, closed).await.reason, "no connection in time");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded_and_everybody_is_told_what_became_of_it() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.outbox(2, 1 << 20, 5 * SECOND).connect().expect("an address");
    server.refuse(503, None).await;
    let mut sends = Vec::new();
    for number in 1..=3 {
        sends.push(tokio::spawn(client.send("note", number).into_future()));
        sleep(NOW).await;
    }
    let request = tokio::spawn(client.request::<()>("add", 1).timeout(SECOND / 2).into_future());
    let mut results = Vec::new();
    // Somebody who holds the pipe and says nothing: an attempt that goes on.
    let (_pipe, _) = server.attempt(SECOND).await.expect("it comes back");
    for send in sends {
        results.push(send.await.expect("no panic").expect("it can be encoded"));
    }
    assert_eq!(results, [SendResult::Dropped, SendResult::Dropped, SendResult::Expired]);
    assert!(matches!(request.await.expect("no panic"), Err(CommandError::Timeout)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_says_goodbye() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.connect().expect("an address");
    let mut events = client.events().await;
    let mut peer = server.accept().await;
    assert!(client.opened().await);
    drop(client);
    assert_eq!(peer.closed().await, Some((1000, String::new())));
    drop(peer);
    while let Some(event) = events.next().await {
        drop(event);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_close_frame_holds_nothing_up() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.connect().expect("an address");
    let _deaf = server.accept().await;
    assert!(client.opened().await);
    let start = Instant::now();
    client.close().await;
    assert!(start.elapsed() <= 2 * SECOND);
    assert_eq!(client.send("note", 1).await.expect("it can be encoded"), SendResult::Dropped);
    assert!(matches!(client.request::<()>("note", 1).await, Err(CommandError::Dropped)));
    assert!(matches!(client.join("lobby").await, Err(CommandError::Dropped)));
    assert!(client.events().await.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_answers_internal_and_the_client_goes_on() {
    let (mut server, builder) = server(Codec::Json);
    let panics = |(): ()| async { if true { panic!("a test panics") } else { Ok(()) } };
    let client = builder.answer("panic", panics).connect().expect("an address");
    let mut events = client.events().await;
    let mut peer = server.accept().await;
    peer.say(&json!({ "cmd": "panic", "id": 1 })).await;
    let answer = peer.next(SECOND).await.expect("an answer");
    assert_eq!((&answer["id"], &answer["param"]["code"]), (&json!(1), &json!("internal")));
    let is_answer = |event| {
        matches!(event, Event::Error(error) if matches!(&*error, ClientError::Answer { cmd } if &**cmd == "panic")).then_some(())
    };
    event(&mut events, is_answer).await;
    assert_eq!(client.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_ends_the_client() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.max_message_size(1_000).connect().expect("an address");
    let mut events = client.events().await;
    let mut peer = server.accept().await;
    peer.say(&json!({ "cmd": "news", "param": "x".repeat(1_000) })).await;
    assert_eq!(peer.closed().await.map(|(code, _)| code), Some(1009));
    let closed = event(&mut events, closed).await;
    assert_eq!((closed.code.as_u16(), closed.reconnects), (1009, false));
}

#[tokio::test(start_paused = true)]
async fn the_application_has_the_last_word_on_coming_back() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder
        .reconnect_if(|closed| closed.code == 4000 || closed.reconnects)
        .connect()
        .expect("an address");
    server.accept().await.close(Some((4000, ""))).await;
    let _peer = server.accept().await;
    assert!(client.opened().await);
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_is_behind_holds_nobody_up() {
    let (mut server, builder) = server(Codec::Json);
    let client = builder.read_ahead(3).connect().expect("an address");
    let mut events = client.events().await;
    let mut peer = server.accept().await;
    for number in 1..=5 {
        peer.say(&json!({ "cmd": "news", "param": number })).await;
    }
    let ping = tokio::spawn(client.request::<u8>("ping", ()).into_future());
    let asked = peer.next(SECOND).await.expect("the request");
    peer.say(&json!({ "cmd": "reply", "param": 1, "id": asked["id"] })).await;
    assert_eq!(ping.await.expect("no panic").expect("a reply"), 1);
    client.close().await;
    let mut missed = 0;
    while let Some(event) = events.next().await {
        if let Event::Missed(events) = event {
            missed += events;
        }
    }
    assert!(missed > 0);
}

#[test]
fn an_address_is_checked_before_anything_else() {
    for address in ["", "ws://", "ftp://server/", "/ws", "ws://:80/"] {
        assert!(Client::builder(address).connect().is_err(), "{address:?}");
    }
}
