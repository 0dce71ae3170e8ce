//! Authentication: where credentials are found, how long they hold, and that nobody else gets to see them, in memory
//! and on virtual time.

mod support;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use gustnado::{
    Authenticate, Cause, Closed, Conn, Connector, Disconnect, Handler, Handshake, Hub, Identity, Reject,
    Source, Text, Tickets, Token, async_trait,
};
use http::StatusCode;
use support::{Client, Frame, TEXT, answer_to, connect, connect_with, frame, request, request_with, serve};
use tokio::{sync::mpsc, time::Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Everybody's credential: the user, a dot, `s3cret`; and perhaps one more dot and the seconds it holds.
async fn whose(token: Token) -> Result<Identity, Reject> {
    let mut parts = token.expose().split('.');
    let (user, secret, seconds) = (parts.next(), parts.next(), parts.next());
    match (user, secret, seconds.map(str::parse)) {
        (Some("slow"), ..) => std::future::pending().await,
        (Some("broken"), ..) => Err(io::Error::other("the database is gone").into()),
        (Some(user), Some("s3cret"), None) => Ok(Identity::new(user)),
        (Some(user), Some("s3cret"), Some(Ok(seconds))) => {
            Ok(Identity::new(user).expires_in(SECOND * seconds))
        }
        _ => Err(Reject::unauthorized("a bad credential")),
    }
}

/// Says who it is, echoes, refreshes, and tells how it ended.
struct Private {
    auth: Option<Authenticate>,
    refresher: Authenticate,
    closed: mpsc::Sender<Closed>,
}

#[async_trait]
impl Connector for Private {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        match &self.auth {
            Some(auth) => auth.check(handshake).await.map(drop),
            None => Ok(()),
        }
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.send(format!("hello, {}", conn.user().unwrap_or("nobody"))).await?;
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        if let Some(token) = text.strip_prefix("refresh ") {
            self.refresher.refresh(conn, Token::new(token)).await?;
        }
        conn.send(text).await?;
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        let _ = self.closed.try_send(closed.clone());
    }
}

fn everywhere() -> Authenticate {
    Authenticate::new(whose)
        .from(Source::Bearer)
        .from(Source::Cookie("session"))
        .from(Source::Subprotocol("bearer."))
        .from(Source::Query("token"))
}

fn private() -> (Handler, mpsc::Receiver<Closed>) {
    let (closed, receiver) = mpsc::channel(16);
    let auth = everywhere();
    let handler = Handler::new(move || Private {
        auth: Some(auth.clone()),
        refresher: auth.clone(),
        closed: closed.clone(),
    });
    (handler, receiver)
}

/// A handler whose peers show their credential in the first message.
fn by_first_message() -> (Handler, mpsc::Receiver<Closed>) {
    let (closed, receiver) = mpsc::channel(16);
    let auth = everywhere().deadline(5 * SECOND);
    let handler = Handler::new(move || {
        auth.first_message(Private { auth: None, refresher: auth.clone(), closed: closed.clone() })
    });
    (handler, receiver)
}

async fn ended(closed: &mut mpsc::Receiver<Closed>) -> Closed {
    closed.recv().await.expect("on_close is called")
}

// Where a credential is found.

#[tokio::test(start_paused = true)]
async fn a_credential_is_found_wherever_it_may_be() {
    let (handler, _closed) = private();
    for (path, header) in [
        ("/", "Authorization: Bearer alice.s3cret"),
        ("/", "authorization: bearer  alice.s3cret"),
        ("/", "Cookie: theme=dark; session=alice.s3cret; x=y"),
        ("/", "Cookie: session=\"alice.s3cret\""),
        ("/", "Sec-WebSocket-Protocol: bearer.alice.s3cret"),
        ("/?a=b&token=alice%2Es3cret", "X-Nothing: here"),
        ("/?token=bob.wrong", "Authorization: Bearer alice.s3cret"),
        ("/", "Cookie: session=alice.s3cret; session=alice.s3cret"),
    ] {
        let mut client = connect_with(&handler, &request_with(path, &[header])).await;
        assert_eq!(client.next().await, Frame::text("hello, alice"), "{path} {header}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_good_credential_nobody_comes_in() {
    let (handler, _closed) = private();
    for (path, header) in [
        ("/", "X-Nothing: here"),
        ("/?token=", "X-Nothing: here"),
        ("/?token=alice.wrong", "X-Nothing: here"),
        ("/", "Authorization: Basic alice.s3cret"),
        ("/", "Authorization: Bearer"),
        ("/", "Cookie: sessions=alice.s3cret"),
        // The first that is there decides.
        ("/?token=alice.s3cret", "Authorization: Bearer alice.wrong"),
        // Which of two that differ is meant, nobody knows.
        ("/", "Cookie: session=alice.s3cret; session=mallory.s3cret"),
        ("/?token=alice.s3cret&token=mallory.s3cret", "X-Nothing: here"),
        ("/", "Sec-WebSocket-Protocol: bearer.alice.s3cret, bearer.mallory.s3cret"),
    ] {
        let answer = answer_to(&handler, &request_with(path, &[header])).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {header}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_stops_the_check_keeps_the_door_shut() {
    let (handler, _closed) = private();
    let answer = answer_to(&handler, &request_with("/?token=broken", &[])).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (500, &b"Internal Server Error"[..]));
    let answer = answer_to(&handler, &request_with("/?token=slow", &[])).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(handler.stats().accepted, 0);
}

#[tokio::test(start_paused = true)]
async fn a_browser_gets_one_of_its_subprotocols_back_and_not_the_credential_if_it_can_be_helped() {
    let (handler, _closed) = private();
    let chosen = async |handler: &Handler, offered: &str| {
        let header = format!("Sec-WebSocket-Protocol: {offered}");
        let answer = answer_to(handler, &request_with("/", &[&header])).await;
        assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
        answer.header("sec-websocket-protocol").expect("browsers fail without one").to_owned()
    };
    assert_eq!(chosen(&handler, "chat, bearer.alice.s3cret").await, "chat");
    assert_eq!(chosen(&handler, "bearer.alice.s3cret, chat").await, "chat");
    assert_eq!(chosen(&handler, "bearer.alice.s3cret").await, "bearer.alice.s3cret");
    let handler = handler.protocols(["json"]);
    assert_eq!(chosen(&handler, "bearer.alice.s3cret, chat, json").await, "json");
    let shown = handler.visible_rejects(true);
    assert_eq!(chosen(&shown, "bearer.alice.wrong, chat").await, "chat", "a refusal shows it no more");
}

// The first message.

#[tokio::test(start_paused = true)]
async fn the_first_message_opens_the_connection_and_names_the_user() {
    let hub = Hub::new();
    let (handler, mut closed) = by_first_message();
    let handler = handler.hub(&hub);
    let mut client = connect(&handler).await;
    hub.everybody().send("held back").await;
    client.text("alice.s3cret").await;
    assert_eq!(client.next().await, Frame::text("hello, alice"));
    assert_eq!(client.next().await, Frame::text("held back"));
    client.text("echo").await;
    assert_eq!(client.next().await, Frame::text("echo"));
    hub.user("alice").send("to alice").await;
    assert_eq!(client.next().await, Frame::text("to alice"));
    tokio::time::sleep(20 * SECOND).await;
    client.bye().await;
    assert!(ended(&mut closed).await.was_clean(), "the deadline is over with the credential");
    while handler.stats().open > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(hub.user("alice").connections().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_first_message_the_connection_closes_at_the_deadline() {
    let hub = Hub::new();
    let (handler, mut closed) = by_first_message();
    let mut client = connect(&handler.hub(&hub)).await;
    let start = Instant::now();
    hub.everybody().send("not for strangers").await;
    assert_eq!(client.next().await, Frame::close(4401, "expired"));
    assert_eq!(start.elapsed(), 5 * SECOND);
    client.close(4401, "").await;
    assert!(matches!(ended(&mut closed).await.cause(), Some(Cause::Expired)));
}

#[tokio::test(start_paused = true)]
async fn a_bad_first_message_closes_and_what_follows_it_is_never_seen() {
    let (handler, mut closed) = by_first_message();
    for (bad, code, reason) in [
        (frame(TEXT, b"alice.wrong"), 4401, "a bad credential"),
        (frame(TEXT, b"broken"), 4500, "Internal Server Error"),
        (frame(support::BINARY, b"alice.s3cret"), 4401, "a credential is text"),
        // The check takes longer than the deadline.
        (frame(TEXT, b"slow"), 4401, "expired"),
    ] {
        let mut client = connect(&handler).await;
        client.write(&[bad, frame(TEXT, b"alice.s3cret")].concat()).await;
        assert_eq!(client.next().await, Frame::close(code, reason));
        drop(client);
        if reason != "expired" {
            assert_eq!(ended(&mut closed).await.traffic().messages_sent, 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_named_by_the_first_message_has_the_same_limit() {
    let (handler, mut closed) = by_first_message();
    let handler = handler.max_connections_per_user(1);
    let mut first = connect(&handler).await;
    first.text("alice.s3cret").await;
    assert_eq!(first.next().await, Frame::text("hello, alice"));
    let mut second = connect(&handler).await;
    second.text("alice.s3cret").await;
    assert_eq!(second.next().await, Frame::close(4429, "too many connections of this user"));
    drop((first, second));
    ended(&mut closed).await;
    ended(&mut closed).await;
    while handler.stats().open > 0 {
        tokio::task::yield_now().await;
    }
    let mut third = connect(&handler).await;
    third.text("alice.s3cret").await;
    assert_eq!(third.next().await, Frame::text("hello, alice"));
}

// On a live connection.

#[tokio::test(start_paused = true)]
async fn a_credential_that_expires_takes_its_connection_along() {
    let (handler, mut closed) = private();
    let mut client = connect_with(&handler, &request_with("/?token=alice.s3cret.7", &[])).await;
    let start = Instant::now();
    assert_eq!(client.next().await, Frame::text("hello, alice"));
    assert_eq!(client.next().await, Frame::close(4401, "expired"));
    assert_eq!(start.elapsed(), 7 * SECOND);
    client.close(4401, "").await;
    let closed = ended(&mut closed).await;
    assert!(closed.was_clean() && matches!(closed.cause(), Some(Cause::Expired)), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_credential_lets_it_live_on() {
    let (handler, _closed) = private();
    let mut client = connect_with(&handler, &request_with("/?token=alice.s3cret.7", &[])).await;
    let start = Instant::now();
    client.next().await;
    tokio::time::sleep(5 * SECOND).await;
    client.text("refresh alice.s3cret.10").await;
    assert!(matches!(client.next().await, Frame::Text(_)));
    assert_eq!(client.next().await, Frame::close(4401, "expired"));
    assert_eq!(start.elapsed(), 15 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_by_another_user_or_a_bad_credential_closes() {
    for (token, reason) in
        [("bob.s3cret", "this is another user's credential"), ("alice.wrong", "a bad credential")]
    {
        let (handler, _closed) = private();
        let mut client = connect_with(&handler, &request_with("/?token=alice.s3cret", &[])).await;
        client.next().await;
        client.text(&format!("refresh {token}")).await;
        assert_eq!(client.next().await, Frame::close(4401, reason));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_sends_after_the_expiry_is_not_seen() {
    let (handler, mut closed) = private();
    let mut client = connect_with(&handler, &request_with("/?token=alice.s3cret.7", &[])).await;
    client.next().await;
    // Both wake the session at once: the message is there when the time is up.
    tokio::time::advance(7 * SECOND).await;
    client.text("too late").await;
    assert_eq!(client.next().await, Frame::close(4401, "expired"));
    client.close(4401, "").await;
    let closed = ended(&mut closed).await;
    assert_eq!((closed.traffic().ignored, closed.traffic().messages_sent), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_time_that_has_passed_is_now_and_one_too_far_is_never() {
    let past = Identity::new("alice").expires_at(SystemTime::UNIX_EPOCH);
    assert_eq!(past, Identity::new("alice").expires_in(Duration::ZERO));
    assert_eq!(Identity::new("alice").expires_in(Duration::MAX), Identity::new("alice"));
}

#[tokio::test(start_paused = true)]
async fn revoking_a_user_closes_all_connections_of_that_user_and_no_other() {
    let hub = Hub::new();
    let (handler, _closed) = private();
    let handler = handler.hub(&hub);
    let mut clients = Vec::new();
    for user in ["alice", "alice", "bob"] {
        let path = format!("/?token={user}.s3cret");
        let mut client = connect_with(&handler, &request_with(&path, &[])).await;
        client.next().await;
        clients.push(client);
    }
    assert_eq!(hub.revoke("alice").await.here, 2);
    assert_eq!(clients[0].next().await, Frame::close(4401, "revoked"));
    assert_eq!(clients[1].next().await, Frame::close(4401, "revoked"));
    clients[2].text("still here").await;
    assert_eq!(clients[2].next().await, Frame::text("still here"));
}

#[tokio::test(start_paused = true)]
async fn a_ticket_opens_one_connection() {
    let tickets = Tickets::new(30 * SECOND);
    let auth = {
        let tickets = tickets.clone();
        Authenticate::new(move |token| {
            let user = tickets.redeem(token.expose());
            async move { user.map(Identity::new).ok_or_else(|| Reject::unauthorized("no such ticket")) }
        })
        .from(Source::Query("ticket"))
    };
    let (closed, _receiver) = mpsc::channel(16);
    let handler = Handler::new(move || Private {
        auth: Some(auth.clone()),
        refresher: auth.clone(),
        closed: closed.clone(),
    });
    let request = request_with(&format!("/?ticket={}", tickets.issue("alice")), &[]);
    let mut client = connect_with(&handler, &request).await;
    assert_eq!(client.next().await, Frame::text("hello, alice"));
    assert_eq!(answer_to(&handler, &request).await.status, StatusCode::UNAUTHORIZED);
}

// Nobody else gets to see a credential.

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn no_credential_gets_into_the_log() {
    let log = Log::default();
    let subscriber = {
        let log = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_writer(move || log.clone())
            .finish()
    };
    // Of every test here, since what a thread logs first decides for all threads whether it is logged at all.
    tracing::subscriber::set_global_default(subscriber).expect("nobody else sets one");
    let (handler, _closed) = private();
    for handler in [handler.clone().visible_rejects(true), handler.debug(true)] {
        for token in ["alice.s3cret", "alice.s3cret.1", "s3cret"] {
            for (path, header) in [
                (format!("/?token={token}"), "X-Nothing: here".into()),
                ("/".into(), format!("Authorization: Bearer {token}")),
                ("/".into(), format!("Cookie: session={token}")),
                ("/".into(), format!("Sec-WebSocket-Protocol: bearer.{token}")),
                ("/".into(), format!("Sec-WebSocket-Protocol: bearer.{token}, bearer.other.{token}")),
            ] {
                let mut client = Client::new(serve(handler.clone()));
                client.write(request_with(&path, &[&header]).as_bytes()).await;
                if client.answer().await.status == StatusCode::SWITCHING_PROTOCOLS {
                    client.next().await;
                    client.text(&format!("refresh {token}")).await;
                    client.next().await;
                }
            }
        }
    }
    let (handler, mut closed) = by_first_message();
    for token in ["alice.s3cret", "s3cret", "broken.s3cret"] {
        let mut client = connect_with(&handler, &request()).await;
        client.text(token).await;
        client.next().await;
        drop(client);
        ended(&mut closed).await;
    }
    let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    assert!(log.contains("connection{") && log.contains("closed"), "it is the library's log:\n{log}");
    assert!(!log.contains("s3cret"), "{log}");
    let auth = everywhere();
    assert!(!format!("{auth:?} {:?}", Token::new("s3cret")).contains("s3cret"));
}
