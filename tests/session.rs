//! The session: keepalive, closing, slow callbacks and slow readers, in memory and on virtual time.

mod support;

use std::{sync::Arc, time::Duration};

use gustnado::{
    Cause, CloseCode, Closed, ClosedBy, Conn, Connector, Disconnect, Handler, MessageMode, Phase, SendError,
    SlowReader, Text, async_trait,
};
use support::{CLOSE, Frame, TEXT, close_frame, connect, fragment, frame};
use tokio::{
    io::AsyncWriteExt,
    sync::{Notify, mpsc},
    time::Instant,
};

const SECOND: Duration = Duration::from_secs(1);

/// Tells the test what happens, and does what the text of a message says.
struct Probe {
    events: mpsc::Sender<Event>,
    release: Arc<Notify>,
}

#[derive(Debug)]
enum Event {
    Open(Conn),
    Text(Text),
    Pong(Duration),
    Error(String),
    Close(Closed),
}

#[async_trait]
impl Connector for Probe {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = self.events.try_send(Event::Open(conn.clone()));
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let _ = self.events.try_send(Event::Text(text.clone()));
        match &*text {
            "wait" => self.release.notified().await,
            "fail" => return Err(std::io::Error::other("a secret").into()),
            "kick" => return Err(Disconnect::new(4003, "kicked")),
            "bad code" => return Err(Disconnect::new(1006, "")),
            "panic" => panic!("a test panics"),
            _ => conn.send(text).await?,
        }
        Ok(())
    }

    async fn on_pong(&mut self, _: &Conn, round_trip: Duration) -> Result<(), Disconnect> {
        let _ = self.events.try_send(Event::Pong(round_trip));
        Ok(())
    }

    async fn on_error(&mut self, _: &Conn, cause: &Cause) {
        let _ = self.events.try_send(Event::Error(cause.to_string()));
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        let _ = self.events.try_send(Event::Close(closed.clone()));
    }
}

/// A handler of probes, what they tell, and what lets go of one that waits.
fn probe() -> (Handler, mpsc::Receiver<Event>, Arc<Notify>) {
    let (events, receiver) = mpsc::channel(1024);
    let release = Arc::new(Notify::new());
    let handler = {
        let release = release.clone();
        Handler::new(move || Probe { events: events.clone(), release: release.clone() })
    };
    (handler, receiver, release)
}

type Events = mpsc::Receiver<Event>;

/// The connection that has just been opened.
async fn opened(events: &mut Events) -> Conn {
    match events.recv().await {
        Some(Event::Open(conn)) => conn,
        other => panic!("expected an open connection, got {other:?}"),
    }
}

/// How the connection ended, and what went wrong before, whatever else happened.
async fn ended(events: &mut Events) -> (Closed, Option<String>) {
    let mut error = None;
    loop {
        match events.recv().await {
            Some(Event::Close(closed)) => return (closed, error),
            Some(Event::Error(cause)) => error = Some(cause),
            Some(_) => {}
            None => panic!("the connection's task went away"),
        }
    }
}

/// Waits until the callback has a message, so that it is busy from then on.
async fn text(events: &mut Events) -> Text {
    loop {
        match events.recv().await {
            Some(Event::Text(text)) => return text,
            Some(_) => {}
            None => panic!("the connection's task went away"),
        }
    }
}

// Keepalive.

#[tokio::test(start_paused = true)]
async fn a_ping_goes_out_every_thirty_seconds_and_its_pong_tells_the_round_trip() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    opened(&mut events).await;
    let start = Instant::now();
    for round in 1..=3 {
        let Frame::Ping(payload) = client.next().await else { panic!("expected a ping") };
        assert_eq!(start.elapsed().as_secs(), round * 30);
        tokio::time::advance(Duration::from_millis(70)).await;
        client.pong(&payload).await;
        let Some(Event::Pong(round_trip)) = events.recv().await else { panic!("expected a pong") };
        assert_eq!(round_trip.as_millis(), 70);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_dead_after_sixty_seconds() {
    let (handler, mut events, _) = probe();
    let _client = connect(&handler).await;
    opened(&mut events).await;
    let start = Instant::now();
    let (closed, error) = ended(&mut events).await;
    assert_eq!(start.elapsed().as_secs(), 60);
    assert!(matches!(closed.cause(), Some(Cause::PongTimeout)), "{closed:?}");
    assert_eq!(
        (closed.code(), closed.was_clean(), closed.by()),
        (CloseCode::ABNORMAL, false, ClosedBy::Local)
    );
    assert_eq!(error.as_deref(), Some("the peer is not heard any more"));
    assert_eq!(handler.stats().open, 0);
}

#[tokio::test(start_paused = true)]
async fn any_byte_counts_as_alive() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    opened(&mut events).await;
    // A message of twenty bytes, one byte every 50 seconds, and no pong.
    for byte in frame(TEXT, b"fourteen bytes") {
        tokio::time::sleep(50 * SECOND).await;
        client.write(&[byte]).await;
    }
    assert_eq!(text(&mut events).await, "fourteen bytes");
}

#[tokio::test(start_paused = true)]
async fn with_both_timers_off_a_silent_peer_stays() {
    let (handler, mut events, _) = probe();
    let handler = handler.ping_interval(None).pong_timeout(Duration::ZERO);
    let mut client = connect(&handler).await;
    opened(&mut events).await;
    tokio::time::sleep(Duration::from_secs(1_000_000)).await;
    client.text("still here").await;
    assert_eq!(client.next().await, Frame::text("still here"), "and no ping before it");
}

#[tokio::test(start_paused = true)]
async fn timers_changed_on_an_open_connection_apply_at_once() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let start = Instant::now();
    conn.set_ping_interval(SECOND);
    conn.set_pong_timeout(10 * SECOND);
    assert!(matches!(client.next().await, Frame::Ping(_)));
    assert_eq!(start.elapsed(), SECOND);
    ended(&mut events).await;
    assert_eq!(start.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn timers_changed_while_the_peer_reads_nothing_apply_at_once() {
    let (handler, mut events, _) = probe();
    let _client = connect(&handler).await;
    let conn = opened(&mut events).await;
    fill(&conn, &"x".repeat(1000)).await;
    tokio::time::sleep(SECOND).await;
    let start = Instant::now();
    conn.set_pong_timeout(3 * SECOND);
    ended(&mut events).await;
    assert!(start.elapsed() <= 3 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn pings_that_a_peer_does_not_read_do_not_pile_up() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler.pong_timeout(None)).await;
    let conn = opened(&mut events).await;
    let queued = fill(&conn, &"x".repeat(1000)).await;
    for _ in 0..10_000 {
        conn.ping();
        tokio::time::sleep(10 * SECOND).await;
    }
    let (mut texts, mut pings) = (0, 0);
    while texts < queued {
        match client.next().await {
            Frame::Text(_) => texts += 1,
            Frame::Ping(_) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!((1..=4096 / 10 + 2).contains(&pings), "{pings} pings");
}

#[tokio::test(start_paused = true)]
async fn a_ping_can_be_asked_for() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    opened(&mut events).await.ping();
    let Frame::Ping(payload) = client.next().await else { panic!("expected a ping") };
    client.pong(b"something else").await;
    client.pong(&payload).await;
    assert!(matches!(events.recv().await, Some(Event::Pong(_))));
    client.pong(&payload).await;
    client.text("no second pong").await;
    assert!(matches!(events.recv().await, Some(Event::Text(_))));
}

// A callback that takes its time.

#[tokio::test(start_paused = true)]
async fn pings_are_answered_and_messages_kept_in_order_while_a_callback_is_busy() {
    let (handler, mut events, release) = probe();
    let mut client = connect(&handler).await;
    client.text("wait").await;
    assert_eq!(text(&mut events).await, "wait");
    client.text("one").await;
    client.ping(b"are you there").await;
    client.text("two").await;
    assert_eq!(client.next().await, Frame::Pong(b"are you there".to_vec()));
    release.notify_one();
    assert_eq!(client.next().await, Frame::text("one"));
    assert_eq!(client.next().await, Frame::text("two"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_callback_can_see_that_the_peer_has_closed() {
    let (handler, mut events, release) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    client.text("wait").await;
    assert_eq!(text(&mut events).await, "wait");
    client.text("before the close").await;
    client.close(4001, "bye").await;
    assert_eq!(client.next().await, Frame::close(4001, "bye"), "the answer does not wait for the callback");
    assert_eq!(client.next().await, Frame::End);
    let closed = conn.closed().await;
    assert_eq!((closed.code(), closed.reason(), closed.was_clean()), (4001.into(), "bye", true));
    assert_eq!(conn.send("too late").await, Err(SendError::Closing("too late".into())));

    release.notify_one();
    assert_eq!(text(&mut events).await, "before the close", "what came before is still handled");
    let (closed, _) = ended(&mut events).await;
    assert_eq!(closed.by(), ClosedBy::Peer);
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_sends_to_a_peer_who_has_just_left_is_no_error() {
    let (handler, mut events, release) = probe();
    let mut client = connect(&handler).await;
    client.text("wait").await;
    assert_eq!(text(&mut events).await, "wait");
    client.text("answered by nobody").await;
    client.close(1001, "").await;
    assert_eq!(client.next().await, Frame::close(1001, ""));
    release.notify_one();
    let (closed, error) = ended(&mut events).await;
    assert_eq!((closed.code(), closed.was_clean()), (CloseCode::GOING_AWAY, true));
    assert!(closed.cause().is_none() && error.is_none(), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_byte_stream_that_writes_after_somebody_has_closed_is_no_error() {
    let (opened, mut conns) = mpsc::channel(1);
    let closed = Arc::new(Notify::new());
    let handler = {
        let closed = closed.clone();
        Handler::stream(move |conn, incoming| {
            let (opened, closed) = (opened.clone(), closed.clone());
            async move {
                let mut io = conn.io(incoming, MessageMode::Text);
                opened.send(conn).await?;
                closed.notified().await;
                io.write_all(b"too late").await?;
                Ok(())
            }
        })
    };
    let mut client = connect(&handler).await;
    let conn = conns.recv().await.expect("a connection");
    conn.close(1000, "").expect("a code that may travel");
    assert_eq!(client.next().await, Frame::close(1000, ""));
    closed.notify_one();
    // On virtual time: until the function has tried to write.
    tokio::time::sleep(Duration::from_millis(1)).await;
    client.close(1000, "").await;
    let closed = conn.closed().await;
    assert!(closed.was_clean() && closed.cause().is_none(), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_fails_to_send_to_another_connection_is_an_error() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let other = opened(&mut events).await;
    client.bye().await;
    ended(&mut events).await;

    let (opened, mut conns) = mpsc::channel(1);
    let relay = Handler::on_message(move |conn: Conn, message| {
        let (other, opened) = (other.clone(), opened.clone());
        async move {
            opened.send(conn).await?;
            Ok(other.send(message).await?)
        }
    });
    let mut client = connect(&relay).await;
    client.text("to the other").await;
    assert_eq!(client.next().await, Frame::close(1011, ""));
    client.close(1011, "").await;
    let closed = conns.recv().await.expect("a connection").closed().await;
    assert!(matches!(closed.cause(), Some(Cause::Callback(_))), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_pushed_back_is_not_taken_for_dead() {
    let (handler, mut events, release) = probe();
    let mut client = connect(&handler.read_ahead(1024)).await;
    client.text("wait").await;
    assert_eq!(text(&mut events).await, "wait");
    // More than is read ahead: from here on the session does not read, and hears nothing.
    let message = "x".repeat(1000);
    for _ in 0..3 {
        client.text(&message).await;
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    release.notify_one();
    for _ in 0..3 {
        assert_eq!(text(&mut events).await, message.as_str());
    }
    // Skips the pings.
    client.bye().await;
    assert!(ended(&mut events).await.0.was_clean());
}

// Closing.

#[tokio::test(start_paused = true)]
async fn what_was_queued_before_a_close_arrives_before_it() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    for i in 0..100 {
        conn.send(i.to_string()).await.expect("room");
    }
    conn.close(4000, "that was all").expect("a code that may travel");
    for i in 0..100 {
        assert_eq!(client.next().await, Frame::text(&i.to_string()));
    }
    assert_eq!(client.next().await, Frame::close(4000, "that was all"));
}

#[tokio::test(start_paused = true)]
async fn the_server_waits_for_the_peer_s_close_and_then_ends_the_transport() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    conn.close(4000, "").expect("a code that may travel");
    conn.close(4999, "the second does nothing").expect("a code that may travel");
    assert_eq!(client.next().await, Frame::close(4000, ""));
    client.close(4000, "").await;
    assert_eq!(client.next().await, Frame::End);
    let (closed, error) = ended(&mut events).await;
    assert_eq!((closed.by(), closed.phase()), (ClosedBy::Local, Phase::Closing));
    assert_eq!((closed.code(), closed.was_clean(), error), (4000.into(), true, None));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_not_answered_times_out_after_five_seconds() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let start = Instant::now();
    conn.close(1000, "").expect("a code that may travel");
    assert_eq!(client.next().await, Frame::close(1000, ""));
    // A peer that goes on talking is no reason to wait longer.
    client.text("but").await;
    let (closed, _) = ended(&mut events).await;
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert!(matches!(closed.cause(), Some(Cause::CloseTimeout)), "{closed:?}");
    assert_eq!((closed.code(), closed.was_clean()), (1000.into(), false));
    assert_eq!(closed.traffic().ignored, 1, "what came after our close is counted");
    assert_eq!(client.next().await, Frame::End);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_cannot_hold_up_a_close_either() {
    let (handler, mut events, _) = probe();
    let client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let start = Instant::now();
    for _ in 0..10 {
        conn.try_send("x".repeat(10_000)).expect("room");
    }
    conn.close(1000, "").expect("a code that may travel");
    let (closed, _) = ended(&mut events).await;
    assert_eq!(start.elapsed(), 5 * SECOND);
    let traffic = closed.traffic();
    assert_eq!(traffic.messages_sent + traffic.unsent, 10, "{traffic:?}");
    assert!(traffic.unsent > 0);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_close_is_answered_with_its_code_and_one_without_a_code_without_one() {
    for (sent, answer) in [
        (close_frame(1000, ""), Frame::close(1000, "")),
        (close_frame(4999, "why"), Frame::close(4999, "why")),
        (frame(CLOSE, b""), Frame::Close(None)),
    ] {
        let (handler, mut events, _) = probe();
        let mut client = connect(&handler).await;
        client.write(&sent).await;
        assert_eq!(client.next().await, answer);
        assert_eq!(client.next().await, Frame::End);
        let (closed, error) = ended(&mut events).await;
        assert!(closed.was_clean() && error.is_none());
        let expected = if let Frame::Close(Some((code, _))) = answer { code } else { 1005 };
        assert_eq!(closed.code(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_with_half_a_code_is_a_protocol_error_and_is_not_echoed() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    client.write(&frame(CLOSE, b"\x03")).await;
    assert_eq!(client.next().await, Frame::close(1002, "a close frame of one byte"));
    assert_eq!(client.next().await, Frame::End);
    drop(client);
    let (closed, _) = ended(&mut events).await;
    assert!(matches!(closed.cause(), Some(Cause::Protocol(_))));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_is_told_apart_from_one_that_closes() {
    let (handler, mut events, _) = probe();
    drop(connect(&handler).await);
    let (closed, error) = ended(&mut events).await;
    assert!(matches!(closed.cause(), Some(Cause::Eof)), "{closed:?}");
    assert_eq!((closed.by(), closed.phase()), (ClosedBy::Transport, Phase::Open));
    assert_eq!((closed.code(), closed.was_clean()), (CloseCode::ABNORMAL, false));
    assert_eq!(error.as_deref(), Some("the peer vanished without a close frame"));
}

#[tokio::test(start_paused = true)]
async fn replies_to_good_messages_go_out_before_the_connection_fails_for_a_bad_one() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let good = frame(TEXT, b"good");
    let reserved = fragment(true, 3, b"");
    client.write(&[good.as_slice(), &reserved, &good].concat()).await;
    assert_eq!(client.next().await, Frame::text("good"));
    assert_eq!(client.next().await, Frame::close(1002, "unknown opcode 0x3"));
    // What follows is not understood any more, and the peer's answer is not waited for.
    assert_eq!(client.next().await, Frame::End);
    drop(client);
    let (closed, _) = ended(&mut events).await;
    assert_eq!((closed.by(), closed.code(), closed.was_clean()), (ClosedBy::Local, 1002.into(), false));
    assert_eq!(closed.traffic().messages_received, 1);
}

// Errors of the application.

#[tokio::test(start_paused = true)]
async fn an_error_closes_with_1011_and_keeps_its_text_from_the_peer() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    client.text("fail").await;
    client.text("never handled").await;
    assert_eq!(client.next().await, Frame::close(1011, ""));
    client.close(1011, "").await;
    let (closed, error) = ended(&mut events).await;
    assert_eq!(error.as_deref(), Some("a callback failed"));
    let Some(Cause::Callback(cause)) = closed.cause() else { panic!("{closed:?}") };
    assert_eq!(cause.to_string(), "a secret");
    assert_eq!((closed.was_clean(), closed.traffic().ignored), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_callback_chooses_code_and_reason() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    client.text("kick").await;
    assert_eq!(client.next().await, Frame::close(4003, "kicked"));
    client.close(4003, "kicked").await;
    let (closed, error) = ended(&mut events).await;
    assert_eq!((closed.code(), closed.reason(), error), (4003.into(), "kicked", None));
}

#[tokio::test(start_paused = true)]
async fn a_code_that_may_not_travel_is_refused_and_not_sent() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert!(conn.close(code, "").is_err(), "{code}");
    }
    assert!(!conn.is_closing(), "the connection stays as it is");
    client.text("bad code").await;
    assert_eq!(client.next().await, Frame::close(1011, ""));
    client.close(1011, "").await;
    let (closed, _) = ended(&mut events).await;
    assert!(matches!(closed.cause(), Some(Cause::InvalidCloseCode(_))), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_closes_its_connection_and_no_other() {
    let (handler, mut events, _) = probe();
    let mut other = connect(&handler).await;
    opened(&mut events).await;
    let mut client = connect(&handler).await;
    client.text("panic").await;
    assert_eq!(client.next().await, Frame::close(1011, ""));
    client.close(1011, "").await;
    let (closed, error) = ended(&mut events).await;
    assert!(matches!(closed.cause(), Some(Cause::Panic)), "{closed:?}");
    assert_eq!(error.as_deref(), Some("a callback panicked"));
    other.text("still here").await;
    assert_eq!(other.next().await, Frame::text("still here"));
}

// A peer that reads slowly.

/// Fills the transport and then the outbox of a peer that does not read, up to the last message that fits.
async fn fill(conn: &Conn, message: &str) -> u64 {
    let mut queued = 0;
    conn.set_slow_reader(SlowReader::DropNewest);
    loop {
        let before = queued;
        while conn.try_send(message).is_ok() {
            queued += 1;
        }
        if queued == before {
            return queued;
        }
        // On virtual time: until there is nothing left that the session can do.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pong_overtakes_a_full_outbox() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let message = "x".repeat(1000);
    let queued = fill(&conn, &message).await;
    client.ping(b"hello?").await;
    let mut before = 0;
    while client.next().await != Frame::Pong(b"hello?".to_vec()) {
        before += 1;
    }
    // What the transport had taken already comes before it, and what it takes until the ping is read.
    assert!(
        queued > 1000 && before <= 2 * support::PIPE / 1000 + 1,
        "{before} of {queued} came before the pong"
    );
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_for_room_and_gets_it_in_the_order_in_which_it_was_asked_for() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let queued = fill(&conn, &"x".repeat(1000)).await;
    let senders: Vec<_> = (0..50)
        .map(|i| {
            let conn = conn.clone();
            tokio::spawn(async move { conn.send(i.to_string()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for _ in 0..queued {
        assert!(matches!(client.next().await, Frame::Text(text) if text.len() == 1000));
    }
    for i in 0..50 {
        assert_eq!(client.next().await, Frame::text(&i.to_string()));
    }
    for sender in senders {
        assert_eq!(sender.await.expect("no panic"), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_gives_its_message_back_after_the_write_timeout() {
    let (handler, mut events, _) = probe();
    let _client = connect(&handler).await;
    let conn = opened(&mut events).await;
    fill(&conn, &"x".repeat(1000)).await;
    let start = Instant::now();
    assert_eq!(conn.send("y".repeat(1000)).await, Err(SendError::Full("y".repeat(1000).into())));
    assert_eq!(start.elapsed(), 15 * SECOND);
    conn.set_write_timeout(SECOND);
    conn.set_slow_reader(SlowReader::DropOldest);
    assert_eq!(conn.send("z".repeat(1000)).await, Ok(()), "the oldest made room for it");
    assert_eq!(start.elapsed(), 16 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_disconnected_with_1013_ahead_of_what_is_queued() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let mut queued: u64 = 0;
    let refused = loop {
        match conn.try_send("x".repeat(1000)) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, SendError::Full(_)));
    assert!(conn.is_closing());
    let mut received = 0;
    loop {
        match client.next().await {
            Frame::Text(_) => received += 1,
            other => {
                assert_eq!(other, Frame::close(1013, "the reader is too slow"));
                break;
            }
        }
    }
    client.close(1013, "").await;
    let (closed, _) = ended(&mut events).await;
    assert!(matches!(closed.cause(), Some(Cause::SlowReader)), "{closed:?}");
    let traffic = closed.traffic();
    assert_eq!(traffic.messages_sent, received);
    assert_eq!(traffic.messages_sent + traffic.unsent, queued);
    assert_eq!(traffic.dropped_newest, 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_senders_fail_at_once_when_the_connection_closes() {
    let (handler, mut events, _) = probe();
    let _client = connect(&handler).await;
    let conn = opened(&mut events).await;
    fill(&conn, &"x".repeat(1000)).await;
    let start = Instant::now();
    let waiting = conn.clone();
    let sender = tokio::spawn(async move { waiting.send("z".repeat(1000)).await });
    tokio::task::yield_now().await;
    conn.close(1000, "").expect("a code that may travel");
    assert!(matches!(sender.await.expect("no panic"), Err(SendError::Closing(_))));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_outbox_is_refused_and_the_connection_stays() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler.outbox_limits(100, 10)).await;
    let conn = opened(&mut events).await;
    assert!(matches!(conn.send("x".repeat(99)).await, Err(SendError::TooLarge(_))));
    assert!(matches!(conn.try_send("x".repeat(1000)), Err(SendError::TooLarge(_))));
    conn.send("x".repeat(98)).await.expect("100 bytes with its header");
    assert_eq!(client.next().await, Frame::text(&"x".repeat(98)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_pings_and_does_not_read_gets_the_answer_to_its_latest_ping() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    opened(&mut events).await;
    for i in 0..2_000_u32 {
        client.ping(&[&i.to_be_bytes()[..], &[0; 100]].concat()).await;
    }
    client.text("done").await;
    assert_eq!(text(&mut events).await, "done");
    let mut last = None;
    loop {
        match client.next().await {
            Frame::Pong(payload) => {
                let number = u32::from_be_bytes(payload[..4].try_into().expect("four bytes"));
                assert!(last < Some(number), "in order");
                last = Some(number);
            }
            Frame::Text(_) if last == Some(1_999) => break,
            Frame::Text(_) => {}
            other => panic!("{other:?}"),
        }
        if last == Some(1_999) {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_tasks_sending_into_one_connection_keep_their_own_order() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let senders: Vec<_> = (0..100_usize)
        .map(|sender| {
            let conn = conn.clone();
            tokio::spawn(async move {
                for number in 0..1000_usize {
                    conn.send(format!("{sender} {number}")).await.expect("the peer reads");
                }
            })
        })
        .collect();
    let mut next = [0; 100];
    for _ in 0..100_000 {
        let Frame::Text(text) = client.next().await else { panic!("expected a text") };
        let (sender, number) = text.split_once(' ').expect("two numbers");
        let sender: usize = sender.parse().expect("a number");
        assert_eq!(number.parse(), Ok(next[sender]));
        next[sender] += 1;
    }
    for sender in senders {
        sender.await.expect("no panic");
    }
}

#[tokio::test(start_paused = true)]
async fn a_conn_kept_after_the_end_fails_at_once_and_tells_how_it_ended() {
    let (handler, mut events, _) = probe();
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    client.bye().await;
    ended(&mut events).await;
    let start = Instant::now();
    assert!(matches!(conn.send("x").await, Err(SendError::Closing(_))));
    assert!(matches!(conn.try_send("x"), Err(SendError::Closing(_))));
    conn.ping();
    conn.close(1000, "").expect("a code that may travel");
    assert_eq!(conn.closed().await.code(), 1000);
    assert_eq!((conn.buffered(), start.elapsed()), (0, Duration::ZERO));
}
