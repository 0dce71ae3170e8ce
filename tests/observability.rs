//! What a log and the counters tell about a connection, and what they never tell.

mod support;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use gustnado::{
    Closed, Conn, Connector, Disconnect, Handler, Handshake, PeerAddr, Reject, SlowReader, Stats, Text,
    Traffic, async_trait,
};
use http::{
    HeaderName, Request, StatusCode,
    header::{AUTHORIZATION, COOKIE},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use support::{Client, Frame, answer_to, connect, connect_with, fragment, request, request_with, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::{filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt};

/// What was logged on this thread by this crate, and by the callbacks of this file.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects until the guard is dropped, at every level.
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_writer(log.clone());
        let ours = filter_fn(|event| event.target().starts_with("gustnado") || event.target() == "app");
        let subscriber = tracing_subscriber::registry().with(LevelFilter::TRACE).with(ours).with(lines);
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("a log is text")
    }

    /// The lines that hold `part`.
    fn lines(&self, part: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// The only line that holds `part`.
    fn line(&self, part: &str) -> String {
        let lines = self.lines(part);
        assert_eq!(lines.len(), 1, "one line with {part:?} expected in\n{}", self.text());
        lines[0].clone()
    }

    /// What follows the message of the only event about a closed connection.
    fn closed(&self) -> String {
        let line = self.line(": closed ");
        line.split_once(": closed ").expect("the message").1.to_owned()
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const FORGED: &str = "x\r\n ERROR gustnado: forged \u{1b}[31m\u{7}\u{9b}31m\u{2028}\u{202e}\0";

/// Logs in its callbacks, and does what the text of a message says.
struct Probe {
    opened: mpsc::Sender<Conn>,
    closed: mpsc::Sender<Closed>,
}

#[async_trait]
impl Connector for Probe {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.select_protocol(["json"]);
        match handshake.query("refuse").as_deref() {
            Some("status") => Err(Reject::new(StatusCode::UNAUTHORIZED, "who are you?")),
            Some("error") => Err(io::Error::other(FORGED).into()),
            Some("panic") => panic!("{FORGED}"),
            _ => Ok(()),
        }
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        tracing::info!(target: "app", ?conn, request = ?conn.request(), "on_open");
        let _ = self.opened.try_send(conn.clone());
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        tracing::info!(target: "app", "on_text");
        match &*text {
            "fail" => return Err(io::Error::other(FORGED).into()),
            "kick" => return Err(Disconnect::new(4003, FORGED)),
            "panic" => panic!("{FORGED}"),
            _ => conn.send(text).await?,
        }
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        tracing::info!(target: "app", "on_close");
        let _ = self.closed.try_send(closed.clone());
    }
}

struct Events {
    opened: mpsc::Receiver<Conn>,
    closed: mpsc::Receiver<Closed>,
}

impl Events {
    async fn opened(&mut self) -> Conn {
        self.opened.recv().await.expect("the handler is there")
    }

    async fn closed(&mut self) -> Closed {
        self.closed.recv().await.expect("the handler is there")
    }
}

fn probe() -> (Handler, Events) {
    let (opened, opened_receiver) = mpsc::channel(10);
    let (closed, closed_receiver) = mpsc::channel(10);
    let handler = Handler::new(move || Probe { opened: opened.clone(), closed: closed.clone() });
    (handler, Events { opened: opened_receiver, closed: closed_receiver })
}

// The span.

#[tokio::test(start_paused = true)]
async fn what_callbacks_log_stands_in_a_span_with_id_peer_and_subprotocol() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let service = tower::ServiceBuilder::new()
        .map_request(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr(SocketAddr::from(([203, 0, 113, 7], 443))));
            request
        })
        .service(handler);
    let mut client = Client::new(serve(service));
    client.write(request_with("/ws", &["Sec-WebSocket-Protocol: xml, json"]).as_bytes()).await;
    client.answer().await;
    client.text("hello").await;
    assert_eq!(client.next().await, Frame::text("hello"));
    client.bye().await;
    events.closed().await;

    let id = events.opened().await.id();
    let span = format!("connection{{id={id} peer=203.0.113.7:443 protocol=\"json\"}}:");
    for event in ["app: on_open", "app: on_text", "gustnado::session: closed", "app: on_close"] {
        assert!(log.line(event).contains(&span), "{span} expected around {event} in\n{}", log.text());
    }
}

/// A line of the log, with what is the same of every connection.
fn words(line: &str) -> Vec<&str> {
    let words = line.split([' ', '\n', '{', '}']).filter(|word| !word.is_empty());
    words.map(|word| word.split('=').next().unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_line_that_the_guide_shows_is_what_is_logged() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let peer = PeerAddr(SocketAddr::from(([192, 0, 2, 4], 50312)));
    let service = tower::ServiceBuilder::new().layer(axum::Extension(peer)).service(handler);
    let mut client = Client::new(serve(service));
    client.write(request_with("/ws", &["Sec-WebSocket-Protocol: json"]).as_bytes()).await;
    client.answer().await;
    client.close(1001, "").await;
    events.closed().await;
    let guide = include_str!("../docs/guide/observability.md");
    let (_, shown) = guide.split_once("```text\n").expect("a line of the log");
    let (shown, _) = shown.split_once("```").expect("the end of the block");
    assert_eq!(words(shown.trim()), words(&log.line(": closed ")));
}

#[tokio::test(start_paused = true)]
async fn a_span_without_peer_and_subprotocol_has_the_id_alone() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    connect(&handler).await.bye().await;
    events.closed().await;
    let id = events.opened().await.id();
    assert!(log.line("app: on_open").contains(&format!("connection{{id={id}}}:")), "{}", log.text());
}

/// One connection over TCP, whose handler is told of `peer` by an outer layer; gives the client's address.
async fn over_tcp(handler: Handler, events: &mut Events, peer: Option<PeerAddr>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut app = axum::Router::new().route_service("/ws", handler);
    if let Some(peer) = peer {
        app = app.layer(axum::Extension(peer));
    }
    let server = tokio::spawn(axum::serve(listener, app).into_future());
    let mut client = TcpStream::connect(address).await.expect("a server");
    let address = client.local_addr().expect("an address");
    client.write_all(request().as_bytes()).await.expect("a server");
    events.opened().await;
    client.write_all(&support::close_frame(1000, "")).await.expect("a server");
    client.read_to_end(&mut Vec::new()).await.expect("an answer and the end");
    events.closed().await;
    server.abort();
    address
}

#[tokio::test]
async fn the_address_of_plain_tcp_comes_into_the_span_with_the_upgrade() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let client = over_tcp(handler, &mut events, None).await;
    for event in ["app: on_open", "gustnado::session: closed", "app: on_close"] {
        let line = log.line(event);
        assert!(line.contains(&format!(" peer={client}}}:")), "{line}");
    }
}

#[tokio::test]
async fn an_address_that_an_outer_layer_named_is_not_overwritten_by_the_proxy_s() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let named = PeerAddr(SocketAddr::from(([203, 0, 113, 7], 443)));
    let proxy = over_tcp(handler, &mut events, Some(named)).await;
    assert!(log.line("closed").contains(" peer=203.0.113.7:443}:"), "{}", log.text());
    assert!(!log.text().contains(&proxy.to_string()), "{}", log.text());
}

// One event per close, one per reject.

#[tokio::test(start_paused = true)]
async fn a_close_of_the_peer_is_one_event_with_its_code_reason_and_counts() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let mut client = connect(&handler).await;
    client.text("hello").await;
    assert_eq!(client.next().await, Frame::text("hello"));
    client.close(4001, "bye").await;
    events.closed().await;
    assert_eq!(
        log.closed(),
        "by=Peer phase=Closing code=4001 reason=\"bye\" was_clean=true \
         messages_received=1 messages_sent=1 bytes_received=22 bytes_sent=14 \
         dropped_newest=0 dropped_oldest=0 unsent=0 ignored=0 rate_limited=0"
    );
    assert_eq!(log.lines("gustnado::").len(), 1, "and nothing else is logged:\n{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn each_way_to_end_is_one_event_that_tells_it_apart() {
    let ways: [(&str, &str, &str); 7] = [
        ("close", " INFO", "by=Local phase=Closing code=1000 reason=\"done\" was_clean=true messages"),
        (
            "vanish",
            " INFO",
            "by=Transport phase=Open code=1006 reason=\"\" was_clean=false \
             cause=the peer vanished without a close frame messages",
        ),
        (
            "silence",
            " INFO",
            "by=Local phase=Open code=1006 reason=\"\" was_clean=false \
             cause=the peer is not heard any more messages",
        ),
        (
            "bad frame",
            " INFO",
            "by=Local phase=Closing code=1002 reason=\"unknown opcode 0x3\" was_clean=false \
             cause=the peer broke the protocol cause.sources=[unknown opcode 0x3] messages",
        ),
        ("kick", " INFO", "by=Local phase=Closing code=4003 reason=\"x\\r\\n "),
        (
            "fail",
            "ERROR",
            "by=Local phase=Closing code=1011 reason=\"\" was_clean=true \
             cause=a callback failed cause.sources=[x\\r\\n ERROR",
        ),
        (
            "panic",
            "ERROR",
            "by=Local phase=Closing code=1011 reason=\"\" was_clean=true cause=a callback panicked messages",
        ),
    ];
    for (way, level, event) in ways {
        let (log, _guard) = Log::start();
        let (handler, mut events) = probe();
        let mut client = connect(&handler).await;
        let conn = events.opened().await;
        match way {
            "close" => conn.close(1000, "done").expect("a code that may travel"),
            "bad frame" => client.write(&fragment(true, 3, b"")).await,
            "kick" | "fail" | "panic" => client.text(way).await,
            _ => {}
        }
        match way {
            "silence" => {}
            "vanish" => drop(client),
            "bad frame" => {
                client.next().await;
                drop(client);
            }
            _ => {
                client.next().await;
                client.close(1000, "").await;
            }
        }
        events.closed().await;
        assert!(log.closed().starts_with(event), "{event} expected in\n{}", log.text());
        assert!(log.line(": closed ").starts_with(level), "{level} expected in\n{}", log.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_http_server_does_not_hand_over_is_one_event() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let (client, server) = duplex(support::PIPE);
    // Without `with_upgrades`.
    tokio::spawn(
        http1::Builder::new().serve_connection(TokioIo::new(server), TowerToHyperService::new(handler)),
    );
    let mut client = Client::new(client);
    client.write(request().as_bytes()).await;
    events.closed().await;
    assert!(
        log.closed().starts_with(
            "by=Transport phase=Opening code=1006 reason=\"\" was_clean=false \
             cause=the connection was not upgraded cause.sources=["
        ),
        "{}",
        log.text()
    );
    assert_eq!(log.lines("gustnado::").len(), 1, "{}", log.text());
}

#[test]
fn a_connection_that_the_runtime_drops_is_one_event_too() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (_client, conn) = runtime.block_on(async {
        let client = connect(&handler).await;
        (client, events.opened().await)
    });
    drop(runtime);
    let closed = log.closed();
    assert!(closed.contains(" code=1006 ") && closed.contains(" cause=the connection's task was dropped "));
    assert!(log.line(": closed ").contains(&format!("connection{{id={}}}:", conn.id())), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_reject_is_one_event_and_an_error_or_a_panic_of_ours_is_an_error() {
    for (request, event) in [
        (request_with("/ws?refuse=status", &[]), "DEBUG gustnado::handler::open: refused status=401"),
        (
            request_with("/ws", &["Origin: https://evil.com"]),
            "DEBUG gustnado::handler::open: refused status=403",
        ),
        (
            request_with("/ws?refuse=error", &[]),
            "ERROR gustnado::handler::open: refused status=500 error=x\\r\\n ERROR gustnado: forged ",
        ),
        (
            request_with("/ws?refuse=panic", &[]),
            "ERROR gustnado::handler::open: refused status=500 error=a callback panicked",
        ),
    ] {
        let (log, _guard) = Log::start();
        let (handler, _events) = probe();
        answer_to(&handler, &request).await;
        assert!(log.line("").starts_with(event), "{event} expected in\n{}", log.text());
        assert_eq!((handler.stats().refused, handler.stats().accepted), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_visible_reject_is_a_reject_and_a_close() {
    let (log, _guard) = Log::start();
    let (handler, _events) = probe();
    let handler = handler.visible_rejects(true);
    let mut client = connect_with(&handler, &request_with("/ws?refuse=status", &[])).await;
    assert_eq!(client.next().await, Frame::close(4401, "who are you?"));
    client.close(4401, "").await;
    assert_eq!(client.next().await, Frame::End);
    tokio::task::yield_now().await;
    assert!(log.line(": refused ").ends_with("status=401"));
    assert!(log.closed().starts_with("by=Local phase=Closing code=4401"));
    assert_eq!(log.lines("").len(), 2, "{}", log.text());
}

// What must not be in a log.

#[tokio::test(start_paused = true)]
async fn nothing_that_somebody_else_chose_breaks_a_line() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    for text in ["kick", "fail", "panic"] {
        let mut client = connect(&handler).await;
        client.text(text).await;
        client.next().await;
        client.close(1000, FORGED).await;
        events.closed().await;
    }
    let mut client = connect_with(&handler, &request_with("/ws?a=%0d%0a", &["X: %1b[31m"])).await;
    client.close(4000, FORGED).await;
    events.closed().await;
    for refuse in ["/ws?refuse=error", "/ws?refuse=panic"] {
        answer_to(&handler, &request_with(refuse, &[])).await;
    }

    assert_eq!(log.lines(": closed ").len(), 4);
    assert_eq!(log.lines(": refused ").len(), 2);
    for line in log.text().lines() {
        assert!(
            line.starts_with(" INFO ") || line.starts_with("ERROR "),
            "a line of somebody else: {line:?}"
        );
        let odd = line.chars().find(|char| char.is_control() || matches!(char, '\u{2028}' | '\u{202e}'));
        assert_eq!(odd, None, "{line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn queries_tokens_credentials_and_payloads_are_not_logged_at_any_level() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let handler =
        handler.debug(true).keep_headers([AUTHORIZATION, COOKIE, HeaderName::from_static("x-token")]);
    let secrets = &[
        "Authorization: Bearer SECRET",
        "Cookie: session=SECRET",
        "X-Token: SECRET",
        "Origin: http://SECRET",
    ];
    let secrets_of_the_same_host = &secrets[..3];

    for way in ["hello", "fail", "panic"] {
        let request = request_with("/ws?token=SECRET", secrets_of_the_same_host);
        let mut client = connect_with(&handler, &request).await;
        client.text("SECRET").await;
        assert_eq!(client.next().await, Frame::text("SECRET"));
        client.text(way).await;
        client.next().await;
        client.close(1000, "").await;
        events.closed().await;
        let conn = events.opened().await;
        assert_eq!(conn.request().query(), Some("token=SECRET"), "the application has it");
        assert_eq!(conn.request().headers().count(), 3);
    }
    let mut client =
        connect_with(&handler, &request_with("/ws?token=SECRET", secrets_of_the_same_host)).await;
    client.write(&fragment(true, 3, b"SECRET")).await;
    client.next().await;
    drop(client);
    events.closed().await;
    for path in ["/ws?token=SECRET", "/ws?token=SECRET&refuse=status", "/ws?token=SECRET&refuse=panic"] {
        let headers = if path.contains("refuse") { &secrets[..3] } else { &secrets[..] };
        assert!(!answer_to(&handler, &request_with(path, headers)).await.status.is_informational());
    }
    let key = "Sec-WebSocket-Protocol: SECRET, SECRET@";
    answer_to(&handler, &request_with("/ws?token=SECRET", &[key])).await;

    assert_eq!(log.lines(": closed ").len(), 4);
    assert_eq!(log.lines(": refused ").len(), 4);
    assert!(!log.text().contains("SECRET"), "{}", log.text());
    assert!(!log.text().contains(support::KEY), "{}", log.text());
}

// Counters.

#[tokio::test(start_paused = true)]
async fn the_counters_of_a_known_exchange_are_its_messages_and_its_bytes_on_the_wire() {
    let (handler, mut events) = probe();
    let mut client = connect(&handler).await;
    let conn = events.opened().await;
    // A client's frame is 6 bytes longer than a short payload, a server's 2; from 126 bytes on 2 more each.
    client.text("hello").await;
    assert_eq!(client.next().await, Frame::text("hello"));
    client.text(&"x".repeat(1000)).await;
    assert_eq!(client.next().await, Frame::text(&"x".repeat(1000)));
    client.write(&fragment(false, support::TEXT, b"in two ")).await;
    client.write(&fragment(true, 0, b"parts")).await;
    assert_eq!(client.next().await, Frame::text("in two parts"));
    client.ping(b"1234").await;
    assert_eq!(client.next().await, Frame::Pong(b"1234".to_vec()));

    let open = conn.traffic();
    assert_eq!((open.messages_received, open.messages_sent), (3, 3));
    assert_eq!(open.bytes_received, (6 + 5) + (8 + 1000) + (6 + 7) + (6 + 5) + (6 + 4));
    assert_eq!(open.bytes_sent, (2 + 5) + (4 + 1000) + (2 + 12) + (2 + 4));
    assert_eq!((handler.stats().open, handler.stats().traffic), (1, open));

    client.bye().await;
    let closed = events.closed().await;
    let mut expected = Traffic::default();
    (expected.messages_received, expected.messages_sent) = (3, 3);
    (expected.bytes_received, expected.bytes_sent) = (open.bytes_received + 8, open.bytes_sent + 4);
    assert_eq!(*closed.traffic(), expected);
    assert_eq!(conn.traffic(), expected);
    let mut stats = Stats::default();
    (stats.accepted, stats.traffic) = (1, expected);
    assert_eq!(handler.stats(), stats);
}

#[tokio::test(start_paused = true)]
async fn a_handler_s_counters_are_the_sum_over_its_connections_and_its_clones() {
    let (handler, mut events) = probe();
    for clone in [handler.clone(), handler.clone()] {
        let mut client = connect(&clone).await;
        client.text("hello").await;
        client.next().await;
        client.bye().await;
        events.closed().await;
    }
    let _open = connect(&handler).await;
    answer_to(&handler, &request_with("/ws?refuse=status", &[])).await;
    let stats = handler.stats();
    assert_eq!((stats.open, stats.accepted, stats.refused), (1, 3, 1));
    assert_eq!((stats.traffic.messages_received, stats.traffic.messages_sent), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn drops_are_counted_by_their_reason() {
    for (choice, sent, newest, oldest, unsent) in [
        (SlowReader::DropNewest, 2, 1, 0, 0),
        (SlowReader::DropOldest, 2, 0, 1, 0),
        (SlowReader::Disconnect, 0, 1, 0, 2),
    ] {
        let (handler, mut events) = probe();
        let handler = handler.outbox_limits(1024, 2).slow_reader(choice);
        let mut client = connect(&handler).await;
        let conn = events.opened().await;
        // The session has no turn between these.
        for text in ["one", "two", "three"] {
            let _ = conn.try_send(text);
        }
        // Also lets the session write.
        client.close(1000, "").await;
        let closed = events.closed().await;
        let dropped = |traffic: Traffic| (traffic.dropped_newest, traffic.dropped_oldest, traffic.unsent);
        assert_eq!(dropped(*closed.traffic()), (newest, oldest, unsent), "{choice:?}");
        assert_eq!(dropped(handler.stats().traffic), (newest, oldest, unsent), "{choice:?}");
        assert_eq!(closed.traffic().messages_sent, sent, "{choice:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_after_a_close_of_ours_are_counted_as_ignored() {
    let (log, _guard) = Log::start();
    let (handler, mut events) = probe();
    let mut client = connect(&handler).await;
    events.opened().await.close(1000, "").expect("a code that may travel");
    assert_eq!(client.next().await, Frame::close(1000, ""));
    client.text("too late").await;
    client.text("much too late").await;
    client.close(1000, "").await;
    let closed = events.closed().await;
    assert_eq!((closed.traffic().messages_received, closed.traffic().ignored), (2, 2));
    assert_eq!(handler.stats().traffic.ignored, 2);
    assert!(log.closed().contains(" ignored=2 "), "{}", log.text());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(log.lines(": closed ").len(), 1);
}
