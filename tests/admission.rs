//! Admission: who is let in, what the others are told, and that no place is lost, in memory and on virtual time.

mod support;

use std::time::Duration;

use gustnado::{
    Cause, Closed, ClosedBy, Conn, Connector, Disconnect, Handler, Handshake, InvalidProxy, PeerAddr, Phase,
    Reject, Text, TrustProxy, async_trait,
};
use http::{Request, StatusCode};
use support::{Answer, Client, Frame, answer_to, connect, connect_with, request, request_with, serve};
use tower::ServiceExt;

const LET_IN: StatusCode = StatusCode::SWITCHING_PROTOCOLS;
const FULL: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// Does at connect what the query says, and echoes.
struct Guest;

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        if let Some(user) = handshake.query("user").map(std::borrow::Cow::into_owned) {
            handshake.set_user(user);
        }
        match handshake.query("do").as_deref() {
            Some("refuse") => Err(Reject::new(StatusCode::FORBIDDEN, "no")),
            Some("panic") => panic!("a test panics"),
            Some("hang") => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        if &*text == "panic" {
            panic!("a test panics");
        }
        conn.send(text).await?;
        Ok(())
    }
}

fn guests() -> Handler {
    Handler::new(|| Guest)
}

/// A request that a proxy passes on for `client`.
fn from(client: &str) -> String {
    request_with("/", &[&format!("X-Forwarded-For: {client}")])
}

fn of_user(user: &str) -> String {
    request_with(&format!("/?user={user}"), &[])
}

/// Waits until the handler has given up a connection's place.
async fn until_nobody_is_open(handler: &Handler) {
    while handler.stats().open > 0 {
        tokio::task::yield_now().await;
    }
}

fn assert_retry(answer: &Answer, status: StatusCode, seconds: &str) {
    assert_eq!((answer.status, answer.header("retry-after")), (status, Some(seconds)), "{answer:?}");
}

// Limits.

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_gets_503_and_a_place_that_is_left_is_free_again() {
    let handler = guests().max_connections(2);
    let mut first = connect(&handler).await;
    // A clone shares the places, whatever is turned on it.
    let _second = connect(&handler.clone().max_message_size(10)).await;
    assert_retry(&answer_to(&handler, &request()).await, FULL, "5");
    first.bye().await;
    while handler.stats().open > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(answer_to(&handler, &request()).await.status, LET_IN);
}

#[tokio::test(start_paused = true)]
async fn the_sixth_connection_of_one_address_gets_429_and_other_addresses_do_not_mind() {
    let handler = guests().max_connections_per_peer(5).trust_proxy(TrustProxy::hops(1));
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(connect_with(&handler, &from("192.0.2.1")).await);
    }
    assert_retry(&answer_to(&handler, &from("192.0.2.1")).await, TOO_MANY, "5");
    assert_eq!(answer_to(&handler, &from("192.0.2.2")).await.status, LET_IN);
    open[0].bye().await;
    while answer_to(&handler, &from("192.0.2.1")).await.status != LET_IN {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_network_counts_as_one_peer() {
    let handler = guests().max_connections_per_peer(1).trust_proxy(TrustProxy::hops(1));
    let _open = connect_with(&handler, &from("2001:db8:0:1::1")).await;
    assert_retry(&answer_to(&handler, &from("2001:db8:0:1:ffff::2")).await, TOO_MANY, "5");
    assert_eq!(answer_to(&handler, &from("2001:db8:0:2::1")).await.status, LET_IN);
    let each_address = handler.ipv6_prefix(128);
    assert_eq!(answer_to(&each_address, &from("2001:db8:0:1:ffff::2")).await.status, LET_IN);
}

#[tokio::test(start_paused = true)]
async fn peers_without_an_address_count_as_one() {
    let handler = guests().max_connections_per_peer(1);
    let _open = connect(&handler).await;
    assert_retry(&answer_to(&handler, &request()).await, TOO_MANY, "5");
}

#[tokio::test(start_paused = true)]
async fn a_header_counts_only_from_a_trusted_proxy() -> Result<(), InvalidProxy> {
    let proxies = TrustProxy::addresses(["10.0.0.0/8"])?;
    let handler = guests().max_connections_per_peer(1).trust_proxy(proxies);
    let through = |peer: &str| {
        let peer = PeerAddr(peer.parse().expect("an address"));
        handler.clone().map_request(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer);
            request
        })
    };
    let ask = async |peer: &str, client: &str| {
        let mut asking = Client::new(serve(through(peer)));
        asking.write(from(client).as_bytes()).await;
        (asking.answer().await.status, asking)
    };
    let (status, _open) = ask("192.0.2.1:1", "198.51.100.1").await;
    assert_eq!(status, LET_IN);
    assert_eq!(ask("192.0.2.1:2", "198.51.100.2").await.0, TOO_MANY, "it only says that it is somebody else");
    let (status, _open) = ask("10.0.0.1:1", "198.51.100.1").await;
    assert_eq!(status, LET_IN);
    assert_eq!(ask("10.0.0.1:1", "6.6.6.6, 198.51.100.1").await.0, TOO_MANY);
    assert_eq!(ask("10.0.0.1:1", "198.51.100.2").await.0, LET_IN);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_user_may_have_so_many_connections_whatever_their_addresses() {
    let handler = guests().max_connections_per_user(1);
    let mut open = connect_with(&handler, &of_user("alice")).await;
    assert_retry(&answer_to(&handler, &of_user("alice")).await, TOO_MANY, "5");
    assert_eq!(answer_to(&handler, &of_user("bob")).await.status, LET_IN);
    let _nobody = connect(&handler).await;
    assert_eq!(answer_to(&handler, &request()).await.status, LET_IN, "who is nobody has no limit");
    open.bye().await;
    while answer_to(&handler, &of_user("alice")).await.status != LET_IN {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_one_too_many_is_shown_so_where_rejects_are_visible() {
    let handler = guests().max_connections_per_user(1).visible_rejects(true);
    let _open = connect_with(&handler, &of_user("alice")).await;
    let mut refused = connect_with(&handler, &of_user("alice")).await;
    assert_eq!(refused.next().await, Frame::close(4429, "too many connections of this user"));
}

/// Is alice, whoever asks, and tells how each of her connections ended.
struct Alice(tokio::sync::mpsc::Sender<Closed>);

#[async_trait]
impl Connector for Alice {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.set_user("alice");
        Ok(())
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        let joined = conn.join("lobby").await;
        assert!(joined.is_err(), "nothing is joined by what was never open: {joined:?}");
        let _ = self.0.send(closed.clone()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_agreed_to_a_user_who_is_one_too_many_is_told_once_that_it_is_over() {
    for visible in [false, true] {
        let (tell, mut told) = tokio::sync::mpsc::channel(8);
        let handler = Handler::new(move || Alice(tell.clone())).max_connections_per_user(1);
        let handler = handler.visible_rejects(visible);
        let mut open = connect(&handler).await;
        if visible {
            let mut refused = connect(&handler).await;
            assert_eq!(refused.next().await, Frame::close(4429, "too many connections of this user"));
            drop(refused);
            let closed = told.recv().await.expect("on_close");
            assert_eq!((closed.by(), closed.code().as_u16()), (ClosedBy::Local, 4429));
        } else {
            assert_retry(&answer_to(&handler, &request()).await, TOO_MANY, "5");
            let closed = told.recv().await.expect("on_close");
            assert_eq!(closed.phase(), Phase::Opening);
            assert!(matches!(closed.cause(), Some(Cause::TooManyOfUser)), "{closed:?}");
        }
        assert_eq!((handler.stats().open, handler.stats().refused), (1, 1));
        open.bye().await;
        assert_eq!(told.recv().await.expect("on_close").code().as_u16(), 1000);
        drop(handler);
        assert!(told.recv().await.is_none(), "once for each");
    }
}

#[tokio::test(start_paused = true)]
async fn new_connections_come_at_a_pace_after_a_burst() {
    let handler = guests().max_new_connections(2, 3);
    for _ in 0..3 {
        assert_eq!(answer_to(&handler, &request()).await.status, LET_IN);
    }
    assert_retry(&answer_to(&handler, &request()).await, FULL, "1");
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(answer_to(&handler, &request()).await.status, LET_IN);
    assert_retry(&answer_to(&handler, &request()).await, FULL, "1");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_want_of_a_place_does_not_use_up_the_pace() {
    let handler = guests().max_connections(1).max_new_connections(1, 2);
    let mut open = connect(&handler).await;
    for _ in 0..10 {
        assert_retry(&answer_to(&handler, &request()).await, FULL, "5");
    }
    open.bye().await;
    until_nobody_is_open(&handler).await;
    assert_eq!(answer_to(&handler, &request()).await.status, LET_IN);
}

// Whatever happens to a connection, its places come back.

/// A handler with one place of each kind.
fn one_place() -> Handler {
    guests()
        .max_connections(1)
        .max_connections_per_peer(1)
        .max_connections_per_user(1)
        .trust_proxy(TrustProxy::hops(1))
}

/// Opens the one connection there may be, and closes it.
async fn assert_all_places_are_free(handler: &Handler) {
    let request = request_with("/?user=alice", &["X-Forwarded-For: 192.0.2.1"]);
    // What happened before may have to be noticed first.
    for _ in 0..1000 {
        let answer = answer_to(handler, &request).await;
        if answer.status == LET_IN {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("a place was lost");
}

fn alice_does(what: &str) -> String {
    request_with(&format!("/?user=alice&do={what}"), &["X-Forwarded-For: 192.0.2.1"])
}

#[tokio::test(start_paused = true)]
async fn a_refusing_or_panicking_on_connect_loses_no_place() {
    let handler = one_place();
    assert_eq!(answer_to(&handler, &alice_does("refuse")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(answer_to(&handler, &alice_does("panic")).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer_to(&handler, &alice_does("hang")).await.status, FULL, "the handshake took too long");
    assert_all_places_are_free(&handler).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_during_the_handshake_loses_no_place() {
    let handler = one_place();
    let mut client = Client::new(serve(handler.clone()));
    client.write(alice_does("hang").as_bytes()).await;
    while answer_to(&handler, &request()).await.status != FULL {
        tokio::task::yield_now().await;
    }
    drop(client);
    assert_all_places_are_free(&handler).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_upgrade_loses_no_place() {
    let handler = one_place();
    // The answer is let in, and replaced by an outer layer: the upgrade never happens.
    let replaced = tower::ServiceBuilder::new()
        .map_response(|mut response: http::Response<gustnado::Body>| {
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response
        })
        .service(handler.clone());
    let mut client = Client::new(serve(replaced));
    client.write(alice_does("").as_bytes()).await;
    assert_eq!(client.answer().await.status, StatusCode::IM_A_TEAPOT);
    drop(client);
    until_nobody_is_open(&handler).await;
    assert_all_places_are_free(&handler).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_callback_and_a_reset_lose_no_place() {
    let handler = one_place();
    let mut client = connect_with(&handler, &alice_does("")).await;
    client.text("panic").await;
    assert_eq!(client.next().await, Frame::close(1011, ""));
    drop(client);
    until_nobody_is_open(&handler).await;
    drop(connect_with(&handler, &alice_does("")).await);
    until_nobody_is_open(&handler).await;
    assert_all_places_are_free(&handler).await;
}

#[tokio::test(start_paused = true)]
async fn under_contention_never_more_are_in_than_there_are_places() {
    let handler = guests().max_connections(10);
    let asking = (0..100).map(|_| {
        let handler = handler.clone();
        tokio::spawn(async move {
            let mut client = Client::new(serve(handler));
            client.write(request().as_bytes()).await;
            (client.answer().await.status, client)
        })
    });
    let mut let_in = Vec::new();
    for task in asking.collect::<Vec<_>>() {
        let (status, client) = task.await.expect("a client");
        if status == LET_IN {
            let_in.push(client);
        }
    }
    assert_eq!((let_in.len(), handler.stats().open), (10, 10));
}
