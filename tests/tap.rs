//! Taps: what they show, and that they slow nobody down.

mod support;

use gustnado::{
    Conn, Connector, Disconnect, Event, EventKind, Handler, Handshake, Hub, Message, Reject, Tap, TapFilter,
    async_trait,
};
use support::{Frame, connect, connect_with, request_with};

/// Joins the room of its query and sends everything to everybody there.
struct Chat;

#[async_trait]
impl Connector for Chat {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        if let Some(user) = handshake.query("user").map(std::borrow::Cow::into_owned) {
            handshake.set_user(user);
        }
        handshake.join("lobby")?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        match message.text()? {
            "private" => conn.send("only for you").await?,
            _ => drop(conn.room("lobby").send(message).await),
        }
        Ok(())
    }
}

fn hub() -> (Hub, Handler) {
    let hub = Hub::new();
    (hub.clone(), Handler::new(|| Chat).hub(&hub))
}

/// What has happened so far, in short.
fn events(tap: &mut Tap) -> Vec<String> {
    let short = |event: Event| {
        let who = event.user.unwrap_or("-".into());
        let what = match event.kind {
            EventKind::Opened => "opened".into(),
            EventKind::Closed { code, reason, .. } => format!("closed {code} {reason}"),
            EventKind::Joined { room, created } => format!("joined {room} {created}"),
            EventKind::Left { room, emptied } => format!("left {room} {emptied}"),
            EventKind::Received(preview) => format!("received {}", preview.text),
            EventKind::Sent(preview) => format!("sent {}", preview.text),
            EventKind::Broadcast { rooms, preview, report, .. } => {
                format!("to {rooms:?} {} x{}", preview.text, report.queued)
            }
            other => format!("{other:?}"),
        };
        format!("{who}: {what}")
    };
    std::iter::from_fn(|| tap.try_next()).map(short).collect()
}

#[tokio::test(start_paused = true)]
async fn a_tap_shows_a_connection_from_its_opening_to_its_end_and_a_broadcast_once() {
    let (hub, handler) = hub();
    let mut tap = hub.tap(TapFilter::default());
    let mut ada = connect_with(&handler, &request_with("/?user=ada", &[])).await;
    let mut grace = connect_with(&handler, &request_with("/?user=grace", &[])).await;
    ada.text("hello").await;
    assert_eq!(ada.next().await, Frame::text("hello"));
    assert_eq!(grace.next().await, Frame::text("hello"));
    grace.text("private").await;
    assert_eq!(grace.next().await, Frame::text("only for you"));
    ada.bye().await;
    grace.bye().await;
    while hub.counts().connections > 0 {
        tokio::task::yield_now().await;
    }
    let mut seen = events(&mut tap);
    // The two may end in any order.
    seen[10..].sort();
    assert_eq!(
        seen,
        [
            "ada: opened",
            "ada: joined lobby true",
            "grace: opened",
            "grace: joined lobby false",
            "ada: received hello",
            "-: to [\"lobby\"] hello x2",
            "grace: received private",
            "grace: sent only for you",
            "ada: left lobby false",
            "ada: closed 1000 ",
            "grace: closed 1000 ",
            "grace: left lobby true",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn filters_narrow_down_by_room_user_connection_and_text() {
    let (hub, handler) = hub();
    let mut ada = connect_with(&handler, &request_with("/?user=ada", &[])).await;
    let mut grace = connect_with(&handler, &request_with("/?user=grace", &[])).await;
    tokio::task::yield_now().await;
    let id = hub.connections_of("grace", gustnado::Page::ALL)[0].id();
    let mut of_ada = hub.tap(TapFilter::default().user("ada"));
    let mut of_grace = hub.tap(TapFilter::default().conn(id));
    let mut of_lobby = hub.tap(TapFilter::default().room("lobby"));
    let mut elsewhere = hub.tap(TapFilter::default().room("elsewhere"));
    let mut about_tea = hub.tap(TapFilter::default().contains("tea"));
    ada.text("tea?").await;
    assert_eq!(grace.next().await, Frame::text("tea?"));
    grace.text("coffee").await;
    assert_eq!(grace.next().await, Frame::text("coffee"));
    assert_eq!(events(&mut of_ada), ["ada: received tea?"]);
    assert_eq!(events(&mut of_grace), ["grace: received coffee"]);
    assert_eq!(events(&mut of_lobby).len(), 4);
    assert_eq!(events(&mut elsewhere), [""; 0]);
    assert_eq!(events(&mut about_tea), ["ada: received tea?", "-: to [\"lobby\"] tea? x2"]);
}

#[tokio::test(start_paused = true)]
async fn previews_are_cut_and_redacted_before_they_leave() {
    let (hub, handler) = hub();
    let mut client = connect(&handler).await;
    let redact = |text: &mut String| *text = text.replace("secret", "***");
    let mut tap = hub.tap(TapFilter::default().preview(12).redact(redact));
    client.text("my secret is long").await;
    client.next().await;
    assert_eq!(events(&mut tap)[0], "-: received my *** is");
}

#[tokio::test(start_paused = true)]
async fn a_tap_that_is_not_read_misses_events_and_counts_them_and_nobody_waits() {
    let (hub, handler) = hub();
    let mut client = connect(&handler).await;
    let mut tap = hub.tap(TapFilter::default().capacity(10));
    for i in 0..1000 {
        client.text(&i.to_string()).await;
        assert_eq!(client.next().await, Frame::text(&i.to_string()));
    }
    assert_eq!(events(&mut tap).len(), 10, "the oldest ones");
    assert_eq!(tap.missed(), 2000 - 10, "each message came in and went out");
}

#[tokio::test(start_paused = true)]
async fn a_tap_that_is_read_on_sees_what_comes_then_and_still_knows_what_it_has_missed() {
    let (hub, handler) = hub();
    let mut client = connect(&handler).await;
    let mut tap = hub.tap(TapFilter::default().capacity(2));
    for round in 1..=10 {
        for text in ["private", "hello"] {
            client.text(text).await;
            client.next().await;
        }
        assert_eq!(events(&mut tap), ["-: received private", "-: sent only for you"]);
        assert_eq!(tap.missed(), 2 * round, "the message to the room came in and went out");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tap_without_room_counts_by_its_filter_while_another_one_is_read_and_every_message_otherwise() {
    let (hub, handler) = hub();
    let mut ada = connect_with(&handler, &request_with("/?user=ada", &[])).await;
    let mut grace = connect_with(&handler, &request_with("/?user=grace", &[])).await;
    let of_ada = hub.tap(TapFilter::default().user("ada").capacity(1));
    let mut all = hub.tap(TapFilter::default());
    for client in [&mut ada, &mut grace] {
        client.text("private").await;
        client.next().await;
    }
    assert_eq!((of_ada.missed(), events(&mut all).len()), (1, 4));
    drop(all);
    // The first one finds that nobody but a tap without room is left.
    grace.text("private").await;
    grace.next().await;
    let before = of_ada.missed();
    grace.text("private").await;
    grace.next().await;
    assert_eq!(of_ada.missed(), before + 2, "nobody is asked any more");
    let late = hub.tap(TapFilter::default());
    assert_eq!(late.missed(), 0);
}

/// However a reader and those who tell it race, it is never left asleep with room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tap_that_is_read_always_wakes_up() {
    let hub = Hub::new();
    let mut tap = hub.tap(TapFilter::default().capacity(1));
    const EVENTS: u64 = 100_000;
    let sender = hub.clone();
    let sent = tokio::spawn(async move {
        for _ in 0..EVENTS {
            sender.everybody().send("x").await;
        }
    });
    let mut read = 0;
    while !sent.is_finished() {
        read += u64::from(tap.try_next().is_some());
    }
    sent.await.expect("no panic");
    read += std::iter::from_fn(|| tap.try_next()).count() as u64;
    assert_eq!(read + tap.missed(), EVENTS);
    hub.everybody().send("y").await;
    assert!(tap.try_next().is_some(), "awake");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_tap_is_forgotten() {
    let (hub, handler) = hub();
    let mut client = connect(&handler).await;
    let stopped = hub.tap(TapFilter::default());
    let mut tap = hub.tap(TapFilter::default());
    drop(stopped);
    client.text("still here").await;
    assert_eq!(client.next().await, Frame::text("still here"));
    assert_eq!(events(&mut tap).len(), 2);
}
