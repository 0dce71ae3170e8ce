//! Message rates: what happens to a peer that sends too much, in memory and on virtual time.

mod support;

use std::time::Duration;

use gustnado::{
    Cause, Closed, Conn, Connector, Disconnect, Handler, Message, Phase, RateAction, RateLimit, async_trait,
};
use support::{Client, Frame, TEXT, connect, frame};
use tokio::{sync::mpsc, time::Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Echoes, and tells how it ended.
struct Echo {
    limit: Option<RateLimit>,
    closed: mpsc::Sender<Closed>,
}

#[async_trait]
impl Connector for Echo {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        if let Some(limit) = self.limit {
            conn.set_message_rate(limit);
        }
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        if message == Message::from("no limit") {
            conn.set_message_rate(None);
        }
        conn.send(message).await?;
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        let _ = self.closed.try_send(closed.clone());
    }
}

fn echo(limit: Option<RateLimit>) -> (Handler, mpsc::Receiver<Closed>) {
    let (closed, receiver) = mpsc::channel(16);
    (Handler::new(move || Echo { limit, closed: closed.clone() }), receiver)
}

async fn send_numbers(client: &mut Client, numbers: std::ops::Range<u32>) {
    let frames: Vec<u8> = numbers.flat_map(|number| frame(TEXT, number.to_string().as_bytes())).collect();
    client.write(&frames).await;
}

/// The next echo, and when it came.
async fn echoed(client: &mut Client, since: Instant) -> (String, Duration) {
    loop {
        match client.next().await {
            Frame::Text(text) => return (text, since.elapsed()),
            Frame::Ping(_) => {}
            other => panic!("expected an echo, got {other:?}"),
        }
    }
}

/// The timer's grain is a millisecond.
fn assert_about(time: Duration, expected: Duration) {
    assert!(time >= expected && time <= expected + Duration::from_millis(5), "{time:?}, not {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_too_fast_has_to_wait_and_loses_nothing() {
    let (handler, _closed) = echo(None);
    let handler = handler.message_rate(RateLimit::new(2).burst(3));
    let mut client = connect(&handler).await;
    let start = Instant::now();
    send_numbers(&mut client, 0..7).await;
    for number in 0..7_u32 {
        let (text, time) = echoed(&mut client, start).await;
        assert_eq!(text, number.to_string());
        assert_about(time, SECOND / 2 * number.saturating_sub(2));
    }
    client.bye().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_are_limited_as_messages_are() {
    let (handler, _closed) = echo(None);
    let handler = handler.message_rate(RateLimit::new(1000).bytes(1000));
    let mut client = connect(&handler).await;
    let start = Instant::now();
    for _ in 0..4 {
        client.text(&"x".repeat(1000)).await;
    }
    // The second is taken as soon as one byte is there again; those after it wait until it is paid for.
    let millis = [0, 1, 1001, 2001];
    for expected in millis.map(Duration::from_millis) {
        assert_about(echoed(&mut client, start).await.1, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn while_we_do_not_read_tcp_pushes_back_and_the_peer_is_not_taken_for_dead() {
    let (handler, mut closed) = echo(None);
    // One message, then ten minutes of nothing: ten times the pong timeout.
    let limit = RateLimit::new(1).bytes(1).bytes_burst(1);
    let mut client = connect(&handler.message_rate(limit)).await;
    let start = Instant::now();
    client.text(&"x".repeat(600)).await;
    assert_about(echoed(&mut client, start).await.1, Duration::ZERO);
    let too_much = frame(TEXT, &[b'x'; 4 * support::PIPE]);
    let written = tokio::time::timeout(300 * SECOND, client.write(&too_much[..3 * support::PIPE])).await;
    assert!(written.is_err(), "the transport is full");
    tokio::time::sleep_until(start + 599 * SECOND).await;
    assert!(closed.try_recv().is_err(), "the connection lives");
    drop(client);
    let closed = closed.recv().await.expect("an end");
    assert!(start.elapsed() >= 600 * SECOND, "read again, and only then seen to be gone");
    assert!(matches!(closed.cause(), Some(Cause::Eof | Cause::Transport(_))), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_dropped_and_counted() {
    let (handler, mut closed) = echo(None);
    let handler = handler.message_rate(RateLimit::new(1).burst(2).action(RateAction::Drop));
    let mut client = connect(&handler).await;
    send_numbers(&mut client, 0..5).await;
    client.ping(b"all read").await;
    // The pong overtakes the echoes, or not; after it all five were read.
    let mut frames = [client.next().await, client.next().await, client.next().await];
    frames.sort_by_key(|frame| matches!(frame, Frame::Pong(_)));
    assert_eq!(frames[..2], [Frame::text("0"), Frame::text("1")]);
    tokio::time::sleep(SECOND).await;
    send_numbers(&mut client, 5..7).await;
    assert_eq!(echoed(&mut client, Instant::now()).await.0, "5");
    client.bye().await;
    let traffic = *closed.recv().await.expect("an end").traffic();
    assert_eq!((traffic.messages_received, traffic.messages_sent, traffic.rate_limited), (7, 3, 4));
    assert_eq!(handler.stats().traffic.rate_limited, 4);
    assert_eq!(handler.to_hub().stats().handlers.traffic.rate_limited, 4);
}

#[tokio::test(start_paused = true)]
async fn a_limit_set_in_on_open_counts_from_the_first_message_and_can_close() {
    let (handler, mut closed) = echo(Some(RateLimit::new(1).burst(2).action(RateAction::Close)));
    let mut client = connect(&handler).await;
    send_numbers(&mut client, 0..3).await;
    assert_eq!(client.next().await, Frame::text("0"));
    assert_eq!(client.next().await, Frame::text("1"));
    assert_eq!(client.next().await, Frame::close(1008, "too many messages"));
    client.close(1008, "").await;
    let closed = closed.recv().await.expect("an end");
    assert!(matches!(closed.cause(), Some(Cause::RateLimited)), "{closed:?}");
    assert!(closed.was_clean());
}

#[tokio::test(start_paused = true)]
async fn a_limit_can_be_lifted() {
    let (handler, _closed) = echo(Some(RateLimit::new(1)));
    let mut client = connect(&handler).await;
    let start = Instant::now();
    client.text("no limit").await;
    send_numbers(&mut client, 0..100).await;
    for _ in 0..101 {
        assert_about(echoed(&mut client, start).await.1, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_of_ours_gets_its_answer_even_while_the_peer_has_to_wait() {
    let (conns, mut opened) = mpsc::channel(1);
    let handler = Handler::on_message(move |conn: Conn, _| {
        let _ = conns.try_send(conn);
        async { Ok(()) }
    })
    .message_rate(RateLimit::new(1).bytes(1));
    let mut client = connect(&handler).await;
    client.text(&"x".repeat(1000)).await;
    client.text("never read").await;
    let conn = opened.recv().await.expect("a message");
    tokio::task::yield_now().await;
    conn.close(4000, "enough").expect("4000 may travel");
    assert_eq!(client.next().await, Frame::close(4000, "enough"));
    client.close(4000, "").await;
    let start = Instant::now();
    let closed = conn.closed().await;
    assert!(closed.was_clean() && start.elapsed() < SECOND, "{closed:?}");
    assert_eq!((closed.phase(), closed.traffic().ignored), (Phase::Closing, 1));
}
