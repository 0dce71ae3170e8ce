//! Shutting a hub down: queues first, then a close, and every `on_close` before it returns.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use gustnado::{
    Cause, Closed, Conn, Connector, Disconnect, Handler, Hub, Message, Phase, Shutdown, async_trait,
};
use http::StatusCode;
use support::{Client, Frame, answer_to, connect, request, serve};
use tokio::{sync::Notify, time::Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Counts farewells, and takes as long over them and over a message `wait` as the test wants.
#[derive(Clone, Default)]
struct Member {
    farewells: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
    unopened: Arc<AtomicUsize>,
    release: Arc<Notify>,
}

#[async_trait]
impl Connector for Member {
    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        if message.text()? == "wait" {
            self.release.notified().await;
        }
        conn.send(message).await?;
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        self.farewells.fetch_add(1, SeqCst);
        if matches!(closed.cause(), Some(Cause::Shutdown)) {
            self.cut.fetch_add(1, SeqCst);
        }
        if closed.phase() == Phase::Opening {
            self.unopened.fetch_add(1, SeqCst);
        }
    }
}

fn hub_of(member: &Member) -> (Hub, Handler) {
    let hub = Hub::new();
    let member = member.clone();
    (hub.clone(), Handler::new(move || member.clone()).hub(&hub))
}

#[tokio::test(start_paused = true)]
async fn every_reading_client_gets_its_queue_and_then_1001_and_the_call_returns_after_the_last_on_close() {
    let member = Member::default();
    let (hub, handler) = hub_of(&member);
    let mut readers = Vec::new();
    for _ in 0..1000 {
        let mut client = connect(&handler).await;
        readers.push(tokio::spawn(async move {
            let mut received = 0;
            loop {
                match client.next().await {
                    Frame::Text(text) => {
                        assert_eq!(text, received.to_string());
                        received += 1;
                    }
                    Frame::Close(frame) => {
                        assert_eq!(frame, Some((1001, "the server is going down".into())));
                        client.close(1001, "").await;
                    }
                    Frame::End => return received,
                    other => panic!("{other:?}"),
                }
            }
        }));
    }
    // Messages flow up to the moment of the shutdown.
    for number in 0..100 {
        assert_eq!(hub.everybody().send(number.to_string()).await.queued, 1000);
    }
    let report = hub.shutdown(Shutdown::default()).await;
    assert_eq!((report.ended, report.cut), (1000, 0));
    assert_eq!(member.farewells.load(SeqCst), 1000);
    assert_eq!((hub.counts().connections, handler.stats().open), (0, 0));
    for reader in readers {
        assert_eq!(reader.await.expect("no panic"), 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_costs_its_close_timeout_and_no_more() {
    let member = Member::default();
    let (hub, handler) = hub_of(&member);
    let _client = connect(&handler).await;
    let start = Instant::now();
    let report = hub.shutdown(Shutdown::default()).await;
    assert_eq!((report.ended, report.cut), (1, 0));
    assert_eq!(start.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_what_is_left_is_cut_and_reported() {
    let member = Member::default();
    let (hub, handler) = hub_of(&member);
    let mut busy = connect(&handler).await;
    busy.text("wait").await;
    let mut silent = connect(&handler).await;
    let start = Instant::now();
    let report = hub.shutdown(Shutdown::default().deadline(2 * SECOND)).await;
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!((report.ended, report.cut), (0, 2));
    for client in [&mut busy, &mut silent] {
        assert!(matches!(client.next().await, Frame::Close(Some((1001, _)))));
        assert_eq!(client.next().await, Frame::End, "long before the close timeout");
    }
    // The callback goes on, and its farewell still comes.
    member.release.notify_one();
    while hub.counts().connections > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((member.farewells.load(SeqCst), member.cut.load(SeqCst)), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn new_requests_are_told_when_to_come_back_and_clients_within_which_window() {
    let member = Member::default();
    let (hub, handler) = hub_of(&member);
    let mut client = connect(&handler).await;
    let plan = Shutdown::default()
        .close_with(1012, "restart")
        .expect("a code that may travel")
        .announce("see you")
        .reconnect_within(Duration::from_millis(30_500));
    let down = tokio::spawn({
        let hub = hub.clone();
        async move { hub.shutdown(plan).await }
    });
    assert_eq!(client.next().await, Frame::text("see you"));
    assert_eq!(client.next().await, Frame::close(1012, "reconnect within 30500 ms"));
    let answer = answer_to(&handler, &request()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("31"));
    client.close(1012, "").await;
    assert_eq!(down.await.expect("no panic").ended, 1);
    assert_eq!(answer_to(&handler, &request()).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn closes_can_be_spread_over_time() {
    let member = Member::default();
    let (hub, handler) = hub_of(&member);
    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut client = connect(&handler).await;
        clients.push(tokio::spawn(async move {
            assert!(matches!(client.next().await, Frame::Close(_)));
            let at = start.elapsed();
            client.close(1001, "").await;
            at
        }));
    }
    hub.shutdown(Shutdown::default().spread(10 * SECOND)).await;
    let mut per_second = [0; 11];
    for client in clients {
        per_second[client.await.expect("no panic").as_secs() as usize] += 1;
    }
    assert!(per_second[..10].iter().all(|&closes| (5..=20).contains(&closes)), "{per_second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_in_progress_is_refused_and_its_connector_told() {
    struct Slow(Member);

    #[async_trait]
    impl Connector for Slow {
        async fn on_connect(&mut self, _: &mut gustnado::Handshake) -> Result<(), gustnado::Reject> {
            self.0.release.notified().await;
            Ok(())
        }

        async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
            self.0.on_close(conn, closed).await;
        }
    }

    let member = Member::default();
    let hub = Hub::new();
    let factory = member.clone();
    let handler = Handler::new(move || Slow(factory.clone())).hub(&hub);
    let mut client = Client::new(serve(handler.clone()));
    client.write(request().as_bytes()).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(hub.shutdown(Shutdown::default()).await.ended, 0);
    member.release.notify_one();
    assert_eq!(client.answer().await.status, StatusCode::SERVICE_UNAVAILABLE);
    tokio::task::yield_now().await;
    assert_eq!((member.farewells.load(SeqCst), member.unopened.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn axum_s_graceful_shutdown_waits_for_the_hub() {
    let member = Member::default();
    let (hub, handler) = hub_of(&member);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = Arc::new(Notify::new());
    let stopped = stop.clone();
    let server = tokio::spawn(async move {
        let app = axum::Router::new().route_service("/ws", handler);
        let signal = async move {
            stopped.notified().await;
            hub.shutdown(Shutdown::default()).await;
        };
        axum::serve(listener, app).with_graceful_shutdown(signal).await
    });
    let url = format!("ws://{address}/ws");
    let stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let (mut client, _) = tokio_tungstenite::client_async(url, stream).await.expect("a WebSocket");
    stop.notify_one();
    use futures_util::StreamExt;
    let close = client.next().await.expect("a close").expect("no error");
    assert!(close.is_close());
    // Reading on answers the close.
    while client.next().await.is_some() {}
    server.await.expect("no panic").expect("a clean end");
    assert_eq!(member.farewells.load(SeqCst), 1);
}
