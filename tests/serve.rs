//! The server: its deadlines, its limits and its end, in memory and in virtual time; `tests/ports.rs` has real ports.

#[path = "support/listener.rs"]
mod listener;
mod support;

use std::{
    convert::Infallible,
    error::Error,
    future::pending,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::poll;
use gustnado::{Body, Conn, Handler, Listener, Message, Shutdown, serve};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use listener::{Dialer, Memory, PEER, connect_over_http2, get, listen, run};
use support::{Client, Frame, asked, echo, request};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::{Service, service_fn};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Echoes for as long as it takes, without pings that a test's client would have to answer.
fn quiet_echo() -> Handler {
    echo().ping_interval(None).pong_timeout(None)
}

/// Waits until the server ends the transport, whatever it says before; returns how long that took.
async fn closed_after(client: &mut Client) -> Duration {
    let start = Instant::now();
    let _ = client.io.read_to_end(&mut Vec::new()).await;
    start.elapsed()
}

/// Sends `bytes` one by one, a second apart, until the transport ends; returns how long that took.
async fn dribbles(mut client: Client, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    for byte in bytes {
        if client.io.write_all(&[*byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    closed_after(&mut client).await;
    start.elapsed()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_cut_off_at_the_deadline() {
    let dialer = run(echo());
    assert_eq!(closed_after(&mut dialer.dial()).await, TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn who_dribbles_is_cut_off_at_the_deadline_whatever_the_protocol() {
    let dialer = run(echo());
    let more = [SETTINGS, &[0, 0, 64, 1, 5, 0, 0, 0, 1], &[0x82; 64]].concat();
    for (begun, dribbled) in [
        (&b""[..], request().as_bytes()),
        (&b"GET / HTTP/1.1\r\nx-slow: "[..], &[b'a'; 64][..]),
        (&b""[..], PREFACE),
        (PREFACE, SETTINGS),
        (PREFACE, more.as_slice()),
    ] {
        let mut client = dialer.dial();
        client.write(begun).await;
        let took = dribbles(client, dribbled).await;
        // The last byte was written before, and the second after it is not cut short.
        assert!((TIMEOUT..=TIMEOUT + Duration::from_secs(1)).contains(&took), "{begun:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preface_of_http2_alone_is_no_request() {
    let dialer = run(echo());
    let mut client = dialer.dial();
    client.write(&[PREFACE, SETTINGS].concat()).await;
    assert_eq!(closed_after(&mut client).await, TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_tls_handshake_is_part_of_the_same_deadline() {
    let (dialer, listener) = listen();
    tokio::spawn(
        serve(listener, echo())
            .tls(|mut io: DuplexStream| async move {
                assert_eq!(io.read_u8().await?, b'!');
                Ok(io)
            })
            .into_future(),
    );
    assert_eq!(closed_after(&mut dialer.dial()).await, TIMEOUT);

    let mut late = dialer.dial();
    sleep(Duration::from_secs(6)).await;
    late.write(b"!").await;
    assert_eq!(closed_after(&mut late).await, Duration::from_secs(4), "what is left of the ten seconds");

    let mut honest = dialer.dial();
    honest.write(b"!").await;
    honest.upgrade(&request()).await.bye().await;
}

#[tokio::test(start_paused = true)]
async fn an_open_websocket_has_left_the_deadlines_behind() {
    let dialer = run(quiet_echo());
    let mut one = dialer.connect().await;
    let (mut requests, _connection) = dialer.http2().await;
    let mut other = connect_over_http2(&mut requests).await;
    sleep(10 * TIMEOUT).await;
    one.echoes("hello").await;
    other.echoes("hello").await;
    one.bye().await;
    other.bye().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_transport_is_closed_after_as_long_again() {
    let dialer = run(echo());
    let mut http1 = dialer.dial();
    for _ in 0..3 {
        sleep(TIMEOUT - Duration::from_secs(1)).await;
        http1.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    }
    assert_eq!(closed_after(&mut http1).await, TIMEOUT);

    // Many, since a stream may be over before anybody has looked.
    let mut transports = Vec::new();
    for _ in 0..50 {
        transports.push(dialer.http2().await);
    }
    for _ in 0..3 {
        sleep(TIMEOUT - Duration::from_secs(1)).await;
        for (requests, _) in &mut transports {
            requests.ready().await.expect("still open");
            requests.send_request(get()).await.expect("an answer");
        }
    }
    let start = Instant::now();
    for (_requests, connection) in transports {
        connection.await.expect("no panic").expect("GOAWAY and a clean end");
    }
    assert_eq!(start.elapsed(), TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn an_http2_transport_whose_websocket_has_ended_is_idle() {
    let dialer = run(quiet_echo());
    let (mut requests, connection) = dialer.http2().await;
    let mut client = connect_over_http2(&mut requests).await;
    sleep(3 * TIMEOUT).await;
    client.bye().await;
    drop(client);
    let start = Instant::now();
    connection.await.expect("no panic").expect("GOAWAY and a clean end");
    assert_eq!(start.elapsed(), TIMEOUT);
}

/// Answers with how long the body was, once it has come.
fn upload()
-> impl Service<Request<Body>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    service_fn(|request: Request<Body>| async move {
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        Ok(Response::new(Full::from(body.len().to_string())))
    })
}

#[tokio::test(start_paused = true)]
async fn an_honest_upload_may_take_long() {
    let dialer = run(upload());
    let mut client = dialer.dial();
    client.write(b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100\r\n\r\n").await;
    for _ in 0..100 {
        sleep(Duration::from_secs(1)).await;
        client.write(b"a").await;
    }
    assert_eq!(client.answer().await.body, "100");
}

#[tokio::test]
async fn the_handler_knows_who_the_peer_is() {
    let dialer = run(asked(|handshake| {
        assert_eq!(handshake.peer(), Some(PEER.into()));
        Ok(())
    }));
    dialer.connect().await.bye().await;
}

#[tokio::test]
async fn a_router_is_served_as_it_is() {
    let page = axum::routing::get(|| async { "a page" });
    let dialer = run(axum::Router::new().route("/", page).route_service("/ws", echo()));
    let mut client = dialer.dial();
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await.body, "a page");
    client.upgrade(&request()).await.bye().await;
}

/// A listener that has `failures` errors, one after the other, before it accepts.
struct Failing {
    failures: usize,
    error: fn() -> io::Error,
    asked: Arc<AtomicUsize>,
    then: Memory,
}

impl Listener for Failing {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Option<SocketAddr>)> {
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.failures {
            return Err((self.error)());
        }
        self.then.accept().await
    }
}

async fn connects_despite(failures: usize, error: fn() -> io::Error) -> Duration {
    let (dialer, then) = listen();
    let asked = Arc::default();
    tokio::spawn(serve(Failing { failures, error, asked, then }, echo()).into_future());
    let start = Instant::now();
    dialer.connect().await.bye().await;
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_process_without_file_descriptors_does_not_spin_and_goes_on_later() {
    const EMFILE: i32 = 24;
    // 10 + 20 + .. + 640 ms, then a second each.
    let took = connects_despite(10, || io::Error::from_raw_os_error(EMFILE)).await;
    assert!((Duration::from_millis(4_270)..Duration::from_secs(5)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gave_up_in_the_backlog_costs_the_next_one_nothing() {
    assert_eq!(connects_despite(10, || io::ErrorKind::ConnectionAborted.into()).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn more_transports_than_allowed_wait_until_one_ends() {
    let (dialer, listener) = listen();
    let (gate, closing) = oneshot::channel();
    let closing = Arc::new(tokio::sync::Mutex::new(Some(closing)));
    let handler = Handler::builder().on_disconnect(move |_, _| {
        let closing = closing.clone();
        async move {
            let gate = closing.lock().await.take();
            if let Some(gate) = gate {
                let _ = gate.await;
            }
        }
    });
    tokio::spawn(serve(listener, handler.build()).max_transports(2).into_future());
    let mut websocket = dialer.connect().await;
    let silent = dialer.dial();
    let mut third = pin!(dialer.connect());
    assert!(timeout(Duration::from_secs(1), &mut third).await.is_err());
    drop(silent);
    let _third = third.await;

    let mut fourth = pin!(dialer.connect());
    websocket.bye().await;
    assert!(timeout(Duration::from_secs(1), &mut fourth).await.is_err(), "its on_close still runs");
    gate.send(()).expect("on_close waits");
    fourth.await;
}

/// A server that shuts down when it is told to, and what it reports then.
struct Stoppable {
    dialer: Dialer,
    stop: oneshot::Sender<()>,
    report: JoinHandle<gustnado::ServeReport>,
}

fn stoppable<S, B>(service: S, hub: &gustnado::Hub, plan: Shutdown) -> Stoppable
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (dialer, listener) = listen();
    let (stop, stopped) = oneshot::channel();
    let signal = async move {
        let _ = stopped.await;
    };
    let server = serve(listener, service).hub(hub).shutdown_on(signal, plan).into_future();
    Stoppable { dialer, stop, report: tokio::spawn(server) }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_everything_in_its_own_way() {
    let echo = echo();
    let hub = echo.to_hub();
    let slow = service_fn(|_| async {
        sleep(Duration::from_secs(3)).await;
        Ok(Response::new(Full::<Bytes>::from("done")))
    });
    let server = stoppable(echo.fallback(slow), &hub, Shutdown::default());
    let mut websocket = server.dialer.connect().await;
    let (mut requests, http2) = server.dialer.http2().await;
    let mut stream = connect_over_http2(&mut requests).await;
    let mut silent = server.dialer.dial();
    let mut answered = server.dialer.dial();
    answered.write(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;

    let start = Instant::now();
    server.stop.send(()).expect("it runs");
    assert_eq!(closed_after(&mut silent).await, Duration::ZERO);
    let closing = Frame::close(1001, "the server is going down");
    assert_eq!(websocket.next().await, closing);
    assert_eq!(stream.next().await, closing);
    websocket.close(1001, "").await;
    stream.close(1001, "").await;
    assert_eq!(answered.answer().await.body, "done");
    assert_eq!(stream.next().await, Frame::End);
    drop((stream, requests));
    http2.await.expect("no panic").expect("a clean end");

    let report = server.report.await.expect("no panic");
    assert_eq!((report.accepted, report.cut), (4, 0));
    assert_eq!((report.sockets.ended, report.sockets.cut), (2, 0));
    assert_eq!(start.elapsed(), Duration::from_secs(2), "as long as the slow answer takes");
    assert!(server.dialer.0.is_closed(), "nobody listens any more");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_over_at_its_deadline_whoever_does_not_end() {
    let echo = echo();
    let hub = echo.to_hub();
    let never = service_fn(|_| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let plan = Shutdown::default().deadline(Duration::from_secs(3));
    let server = stoppable(echo.fallback(never), &hub, plan);
    let _deaf = server.dialer.connect().await;
    let mut waiting = server.dialer.dial();
    waiting.write(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    sleep(Duration::from_secs(1)).await;

    let start = Instant::now();
    server.stop.send(()).expect("it runs");
    let report = server.report.await.expect("no panic");
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!((report.cut, report.sockets.cut), (1, 1));
    assert_eq!(closed_after(&mut waiting).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_dropped_takes_its_transports_along() {
    let (dialer, listener) = listen();
    let mut server = Box::pin(serve(listener, echo()).into_future());
    let mut silent = dialer.dial();
    assert!(poll!(&mut server).is_pending());
    drop(server);
    assert_eq!(closed_after(&mut silent).await, Duration::ZERO);
    assert!(dialer.0.is_closed());
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_a_listener_too() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve.sock");
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket in the target directory");
    let echo =
        Handler::on_message(|conn: Conn, message: Message| async move { Ok(conn.send(message).await?) });
    tokio::spawn(serve(listener, echo).into_future());
    let stream = tokio::net::UnixStream::connect(&path).await.expect("it listens");
    Client::new(stream).upgrade(&request()).await.bye().await;
}
