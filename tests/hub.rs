//! The hub: who is in it, rooms, users, sends and closes from anywhere.
//!
//! Which test covers which row of the systems that this crate replaces: rows N of Nylon, P of projectforge, T of nitric,
//! and their bugs N-B, P-B, T-B. The model (`hub_model.rs`) covers most of them once more. Not here, since one process
//! alone cannot have them: what Redis, the admin page and the TypeScript client do.
//!
//! | row | test |
//! |---|---|
//! | N8, T9, P16 | `a_message_by_id_reaches_that_connection_alone` |
//! | N9, N17, T10, P20, N-B24 | `a_close_by_id_or_by_user_keeps_its_code_and_reason` |
//! | N10, P11, P12 | `joining_and_leaving_say_what_has_changed` |
//! | N11, P17 | `only_those_who_are_left_out_get_nothing` |
//! | N12, P26 | `a_connection_is_found_by_its_id_while_it_lives` |
//! | N13, N14, P9, P14, N-B22 | `what_is_told_about_connections_and_rooms_is_complete_and_true` |
//! | N15, N16, P15, P24, P25 | `lists_come_in_pages` |
//! | P3 | `a_room_joined_at_connect_is_joined_when_on_open_is_called` and the two tests after it |
//! | P13, P-B9 | `a_user_with_two_tabs_is_online_until_the_second_is_closed` |
//! | P18 | `a_message_to_everybody_reaches_everybody` |
//! | T13 | `a_connection_is_in_the_hub_from_before_its_answer_until_after_its_on_close` |
//! | N-B1 | `a_message_to_a_room_reaches_the_other_connections_in_it` |
//! | N-B6, P-B4, T-B4 | `all_members_see_the_messages_of_many_senders_in_one_order` |
//! | N-B7 | `a_farewell_reaches_the_others_while_the_leaver_is_still_a_member` |
//! | N-B9 | `a_broadcast_waits_for_no_peer` |
//! | N-B10, P-B1 | `joins_leaves_closes_and_broadcasts_on_the_same_names_block_nobody_for_ever` |
//! | N-B17 | `who_joins_a_room_as_the_last_member_leaves_is_in_it` |
//! | N-B11 | `a_connection_that_closes_joins_no_room` |
//! | N-B20, P-B3, N-B25 | `whatever_ends_a_connection_it_leaves_nothing_behind` |
//! | N-B23 | `two_hubs_in_one_process_are_strangers` |
//! | P-B2 | `every_callback_may_ask_the_hub`, `the_join_hook_may_ask_the_hub` |
//! | P-B12 | `what_a_broadcast_costs_is_counted_for_everybody_who_got_it` |
//! | P-B14, T-B3 | `text_stays_text_and_binary_stays_binary` |
//! | T-B1 | `a_callback_that_hangs_holds_up_nobody_else` |
//! | T-B7 | `one_dead_recipient_costs_the_others_nothing` |
//! | N2, N3, N-B5 | `handshake.rs`: `each_malformed_or_hostile_request_gets_its_answer_and_no_connector` |
//! | N5 | `handler.rs`: `the_default_on_message_tells_text_from_binary_and_a_silent_connector_ignores_both` |
//! | N7, T-B2 | `session.rs`: `an_error_closes_with_1011_and_keeps_its_text_from_the_peer` |
//! | N18, N19 | `settings.rs`: `the_yaml_of_the_nylon_document_is_understood` |
//! | N23, N-B8, P-B5 | `session.rs`: `a_silent_peer_is_dead_after_sixty_seconds` |
//! | N26, N-B3 | `receiver_limit_tests.rs`: `a_large_message_is_refused_at_its_header_before_memory_is_reserved` |
//! | N-B2, N-B4 | `receiver_tests.rs`: `fragments_make_one_message`, `what_breaks_the_protocol_fails_the_connection_..` |
//! | N-B21 | `auth.rs`: `whatever_stops_the_check_keeps_the_door_shut` |
//! | N-B25 | `admission.rs`: `a_failed_upgrade_loses_no_place` and those around it |
//! | P5, P7, P8, P-B8, P-B10 | `commands.rs`: `each_frame_to_the_server_has_its_effect_in_json` |
//! | P6 | `observability.rs`: `the_connector_that_logs_tells_kind_and_length_and_not_what_a_message_says` |
//! | P19 | `commands.rs`, and the table of close codes in `docs/wire.md` |
//! | P21 | `observability.rs`: `what_callbacks_log_stands_in_a_span_with_id_peer_and_subprotocol` |
//! | P22, P-B7 | `tap.rs`: `a_tap_shows_a_connection_from_its_opening_to_its_end_and_a_broadcast_once` |
//! | P-B6 | `tap.rs`: `a_tap_that_is_not_read_misses_events_and_counts_them_and_nobody_waits` |
//! | P23 | `observability.rs`: `a_handler_s_counters_are_the_sum_over_its_connections_and_its_clones` |
//! | P27 | `shutdown.rs`: `every_reading_client_gets_its_queue_and_then_1001_..` |
//! | P28, N24, P32, T17 | `examples.rs`, `clients/`: every example is driven |
//! | P-B11 | `closing.rs`, `session.rs`: `a_peer_that_vanishes_is_told_apart_from_one_that_closes` |
//! | P-B16 | every public item's example is a doctest |
//! | T1, T11 | `handler.rs`: `a_connection_knows_the_endpoint_it_came_in_by` |
//! | T2, T4, T-B5 | `middleware.rs`: `an_empty_stack_leaves_the_connector_as_it_is`, `a_stack_that_is_extended_stays_as_it_was` |
//! | T3 | `middleware.rs`: `closures_are_called_for_each_event` |
//! | T5, T-B8 | `handler.rs`: `on_connect_sees_the_whole_request` |
//! | T6, T8 | `handler.rs`: `a_factory_and_on_connect_refuse_with_any_status_headers_and_body` |
//! | T7, T-B6 | `middleware.rs`: `a_connection_carries_data_from_one_middleware_to_another` |
//! | T14 | `a_room_joined_at_connect_is_joined_when_on_open_is_called` |

mod support;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, SystemTime},
};

use gustnado::{
    Body, CloseFrame, Closed, Conn, Connector, Disconnect, Handler, Handshake, Hub, JoinError, Joined, Left,
    Message, Page, Phase, Reject, SendError, SlowReader, Text, async_trait,
};
use http::{Response, StatusCode};
use support::{Client, Frame, answer_to, connect_with, request, request_with, serve};
use tokio::sync::{Notify, mpsc};

/// Does what the query of its request and the text of its messages say, and tells the test.
struct Guest {
    script: String,
    events: mpsc::Sender<Event>,
    release: Arc<Notify>,
}

#[derive(Debug)]
enum Event {
    Open(Conn),
    Text(Text),
    Close(Conn, Closed, Vec<String>),
}

impl Guest {
    fn is(&self, what: &str) -> bool {
        self.script == what
    }
}

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let value = |name| handshake.query(name).map(std::borrow::Cow::into_owned);
        let (user, rooms) = (value("user"), value("rooms").unwrap_or_default());
        self.script = value("do").unwrap_or_default();
        if let Some(user) = user {
            handshake.set_user(user);
        }
        for room in rooms.split(',').filter(|room| !room.is_empty()) {
            handshake.join(room).map_err(|error| Reject::new(StatusCode::FORBIDDEN, error.to_string()))?;
        }
        match &*self.script {
            "refuse" => Err(Reject::new(StatusCode::PAYMENT_REQUIRED, "no")),
            "panic at connect" => panic!("a test panics"),
            _ => Ok(()),
        }
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = self.events.try_send(Event::Open(conn.clone()));
        if self.is("greet late") {
            self.release.notified().await;
            conn.send("welcome").await?;
        }
        if self.is("fail at open") {
            return Err(Disconnect::new(4000, "no"));
        }
        assert!(!self.is("panic at open"), "a test panics");
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let _ = self.events.try_send(Event::Text(text.clone()));
        match &*text {
            "panic" => panic!("a test panics"),
            "fail" => return Err(std::io::Error::other("a secret").into()),
            "wait" => self.release.notified().await,
            "leave me" => {
                conn.leave("room").await;
            }
            _ => {
                conn.send(text).await?;
            }
        }
        Ok(())
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        let rooms = conn.rooms();
        let _ = self.events.try_send(Event::Close(conn.clone(), closed.clone(), rooms.clone()));
        conn.hub().rooms(rooms).except(conn).send("somebody left").await;
        if self.is("close late") {
            self.release.notified().await;
        }
        assert!(!self.is("panic at close"), "a test panics");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        assert!(!self.is("panic at drop"), "a test panics");
    }
}

/// A hub, a handler of guests in it, and what they tell.
struct House {
    hub: Hub,
    handler: Handler,
    events: mpsc::Receiver<Event>,
    release: Arc<Notify>,
}

impl House {
    fn new() -> Self {
        Self::with(Hub::new(), |handler| handler)
    }

    fn with(hub: Hub, configure: impl FnOnce(Handler) -> Handler) -> Self {
        let (sender, events) = mpsc::channel(1024);
        let release = Arc::new(Notify::new());
        let handler = {
            let release = release.clone();
            Handler::new(move || Guest {
                script: String::new(),
                events: sender.clone(),
                release: release.clone(),
            })
        };
        Self { handler: configure(handler).hub(&hub), hub, events, release }
    }

    /// A client with an open connection, and the server's end of it.
    async fn enter(&mut self, query: &str) -> (Client, Conn) {
        let client = connect_with(&self.handler, &path(query)).await;
        (client, self.opened().await)
    }

    async fn opened(&mut self) -> Conn {
        loop {
            match self.events.recv().await.expect("a handler") {
                Event::Open(conn) => return conn,
                Event::Text(_) | Event::Close(..) => {}
            }
        }
    }

    async fn heard(&mut self) -> Text {
        loop {
            match self.events.recv().await.expect("a handler") {
                Event::Text(text) => return text,
                Event::Open(_) | Event::Close(..) => {}
            }
        }
    }

    /// The next connection that ends, how, and the rooms it was in when `on_close` was called.
    async fn closed(&mut self) -> (Conn, Closed, Vec<String>) {
        loop {
            match self.events.recv().await.expect("a handler") {
                Event::Close(conn, closed, rooms) => return (conn, closed, rooms),
                Event::Open(_) | Event::Text(_) => {}
            }
        }
    }

    /// Waits until so many connections are registered.
    async fn settles_at(&self, connections: usize) {
        settles_at(&self.hub, connections).await;
    }
}

/// Waits until so many connections are registered; other tasks run meanwhile.
async fn settles_at(hub: &Hub, connections: usize) {
    for _ in 0..100_000 {
        if hub.counts().connections == connections {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{:?}, not {connections} connections", hub.counts());
}

fn path(query: &str) -> String {
    request_with(&format!("/ws?{query}"), &[])
}

fn texts<const N: usize>(texts: [&str; N]) -> [Frame; N] {
    texts.map(Frame::text)
}

/// The next text and nothing else.
async fn next_is(client: &mut Client, text: &str) {
    assert_eq!(client.next().await, Frame::text(text));
}

/// That nothing came before the answer to a message of the client's own.
async fn nothing_came(client: &mut Client) {
    client.text("anything?").await;
    next_is(client, "anything?").await;
}

fn frame_of(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame::new(code, reason).expect("a code that may travel")
}

// Who is in it, from when until when.

#[tokio::test]
async fn a_connection_is_in_the_hub_from_before_its_answer_until_after_its_on_close() {
    let mut house = House::new();
    let mut client = connect_with(&house.handler, &path("user=ann&rooms=room&do=close%20late")).await;
    assert_eq!(house.hub.counts().connections, 1, "as soon as the answer is there");
    let conn = house.opened().await;
    client.bye().await;
    house.closed().await;
    // `on_close` is waiting now.
    assert!(house.hub.connection(conn.id()).is_some());
    assert_eq!((house.hub.counts().connections, house.hub.counts().users), (1, 1));
    assert_eq!(house.hub.members("room", Page::ALL).len(), 1);
    house.release.notify_one();
    house.settles_at(0).await;
    let counts = house.hub.counts();
    assert_eq!((counts.connections, counts.rooms, counts.users), (0, 0, 0));
}

#[tokio::test]
async fn a_connection_is_found_by_its_id_while_it_lives() {
    let mut house = House::new();
    let (mut client, conn) = house.enter("").await;
    let (_other, other) = house.enter("").await;
    assert_ne!(conn.id(), other.id());
    assert_eq!(house.hub.connection(conn.id()).expect("is there").id(), conn.id());
    client.bye().await;
    house.settles_at(1).await;
    assert!(house.hub.connection(conn.id()).is_none());
    assert!(!house.hub.close(conn.id(), frame_of(4000, "")));
    assert!(house.hub.close(other.id(), frame_of(4000, "")));
}

#[tokio::test]
async fn whatever_ends_a_connection_it_leaves_nothing_behind() {
    let mut house = House::new();
    let mut conns = Vec::new();
    for (script, message) in [
        ("", "panic"),
        ("", "fail"),
        ("fail%20at%20open", ""),
        ("panic%20at%20open", ""),
        ("panic%20at%20close", ""),
        ("panic%20at%20drop", ""),
        ("panic%20at%20drop", "panic"),
    ] {
        let query = format!("user=ann&rooms=room,other&do={script}");
        let (mut client, conn) = house.enter(&query).await;
        if !message.is_empty() {
            client.text(message).await;
        }
        drop(client);
        let (closed, ..) = house.closed().await;
        assert_eq!(closed.id(), conn.id(), "{script} {message}: exactly one on_close each");
        conns.push(conn);
    }
    for script in ["refuse", "panic%20at%20connect"] {
        let answer = answer_to(&house.handler, &path(&format!("user=ann&rooms=room&do={script}"))).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{answer:?}");
    }
    house.settles_at(0).await;
    let counts = house.hub.counts();
    assert_eq!((counts.connections, counts.rooms, counts.users), (0, 0, 0));
    assert_eq!(house.hub.everybody().connections().len(), 0);
    for conn in conns {
        assert_eq!(conn.rooms(), [""; 0]);
        assert_eq!(conn.join("room").await, Err(JoinError::Closing));
    }
    assert_eq!(house.hub.counts().rooms, 0);
    assert_eq!(house.handler.stats().open, 0);
}

#[tokio::test]
async fn a_refused_request_was_never_in_a_room_also_when_the_refusal_is_shown() {
    let mut house = House::with(Hub::new(), |handler| handler.visible_rejects(true));
    let (mut watcher, _conn) = house.enter("rooms=room").await;
    let mut client = connect_with(&house.handler, &path("user=ann&rooms=room&do=refuse")).await;
    assert_eq!(house.hub.members("room", Page::ALL).len(), 1);
    let counts = house.hub.counts();
    assert_eq!((counts.connections, counts.users), (1, 0));
    assert!(matches!(client.next().await, Frame::Close(Some(_))));
    nothing_came(&mut watcher).await;
}

#[tokio::test]
async fn two_hubs_in_one_process_are_strangers() {
    let (mut ours, mut theirs) = (House::new(), House::new());
    let (mut client, _conn) = ours.enter("user=ann&rooms=room").await;
    let (mut stranger, conn) = theirs.enter("user=ann&rooms=room").await;
    assert_eq!(ours.hub.room("room").send("in our room").await.recipients(), 1);
    assert_eq!(ours.hub.user("ann").send("to our user").await.recipients(), 1);
    assert_eq!(ours.hub.everybody().send("to us all").await.recipients(), 1);
    assert!(ours.hub.send_to(conn.id(), "by id").is_err());
    for text in ["in our room", "to our user", "to us all"] {
        next_is(&mut client, text).await;
    }
    nothing_came(&mut stranger).await;

    // A handler that was given none has one of its own.
    let (sender, mut conns) = mpsc::channel(2);
    let lone = |sender: mpsc::Sender<Conn>| {
        Handler::on_message(move |conn, _| {
            let sender = sender.clone();
            async move { sender.send(conn).await.map_err(Disconnect::from) }
        })
    };
    let (one, other) = (lone(sender.clone()), lone(sender));
    let (mut first, mut second) = (support::connect(&one).await, support::connect(&other).await);
    first.text("").await;
    let first = conns.recv().await.expect("a connection");
    second.text("").await;
    let second = conns.recv().await.expect("a connection");
    assert_eq!((first.hub().counts().connections, second.hub().counts().connections), (1, 1));
    assert!(first.hub().connection(second.id()).is_none());
}

#[tokio::test]
async fn two_handlers_may_share_one_hub() {
    let mut chat = House::new();
    let mut news = House::with(chat.hub.clone(), |handler| handler.max_message_size(10));
    let (mut chatter, _conn) = chat.enter("user=ann&rooms=room").await;
    let (mut reader, conn) = news.enter("user=ann&rooms=room").await;
    assert_eq!(chat.hub.connections_of("ann", Page::ALL).len(), 2);
    assert_eq!(chat.hub.room("room").send("hello").await.queued, 2);
    next_is(&mut chatter, "hello").await;
    next_is(&mut reader, "hello").await;
    assert_eq!(chat.hub.send_to(conn.id(), "by id"), Ok(()));
    next_is(&mut reader, "by id").await;
}

// Rooms.

#[tokio::test]
async fn a_message_to_a_room_reaches_the_other_connections_in_it() {
    let mut house = House::new();
    let (mut ann, conn) = house.enter("rooms=room").await;
    let (mut bob, _conn) = house.enter("rooms=room").await;
    let (mut out, _conn) = house.enter("rooms=other").await;
    let report = conn.room("room").send("hello").await;
    assert_eq!((report.queued, report.recipients()), (2, 2));
    next_is(&mut ann, "hello").await;
    next_is(&mut bob, "hello").await;
    nothing_came(&mut out).await;
}

#[tokio::test]
async fn a_room_joined_at_connect_is_joined_when_on_open_is_called() {
    let mut house = House::new();
    // The answer is read before anything else of the session has run, or after: both must do.
    let (_client, conn) = house.enter("rooms=one,two&do=greet%20late").await;
    assert_eq!(BTreeSet::from_iter(conn.rooms()), BTreeSet::from(["one".to_owned(), "two".to_owned()]));
    assert!(conn.is_in("one") && conn.is_in("two") && !conn.is_in("three"));
    assert_eq!(house.hub.room("one").send("hello").await.queued, 1);
}

#[tokio::test]
async fn what_a_room_gets_during_on_open_follows_the_greeting() {
    let mut house = House::new();
    let (mut client, conn) = house.enter("user=ann&rooms=room&do=greet%20late").await;
    assert_eq!(house.hub.room("room").send("one").await.queued, 1);
    assert_eq!(house.hub.user("ann").send("two").await.queued, 1);
    assert_eq!(house.hub.everybody().send("three").await.queued, 1);
    assert!(conn.buffered() > 0, "it is held, and counted");
    house.release.notify_one();
    let mut came = Vec::new();
    for _ in 0..4 {
        came.push(client.next().await);
    }
    assert_eq!(came, texts(["welcome", "one", "two", "three"]));
}

#[tokio::test]
async fn what_is_sent_by_id_during_on_open_follows_the_greeting_in_the_order_of_its_sender() {
    let mut house = House::new();
    let (mut client, conn) = house.enter("rooms=room&do=greet%20late").await;
    assert_eq!(house.hub.room("room").send("one").await.queued, 1);
    assert_eq!(house.hub.send_to(conn.id(), "two"), Ok(()));
    assert_eq!(house.hub.room("room").send("three").await.queued, 1);
    house.release.notify_one();
    let mut came = Vec::new();
    for _ in 0..4 {
        came.push(client.next().await);
    }
    assert_eq!(came, texts(["welcome", "one", "two", "three"]));
}

// On virtual time: only the handshake's timeout tells that no answer will come.
#[tokio::test(start_paused = true)]
async fn a_handshake_whose_answer_is_lost_was_never_in_a_room() {
    let mut house = House::new();
    let lost = tower::util::MapResponse::new(house.handler.clone(), |_: Response<Body>| {
        let mut answer = Response::new(Body::default());
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    });
    let mut client = Client::new(serve(lost));
    client.write(path("user=ann&rooms=room").as_bytes()).await;
    assert_eq!(client.answer().await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(house.hub.members("room", Page::ALL).len(), 0);
    let (conn, closed, rooms) = house.closed().await;
    assert_eq!(closed.phase(), Phase::Opening);
    assert_eq!(rooms, [""; 0]);
    assert_eq!(conn.join("room").await, Err(JoinError::Closing));
    house.settles_at(0).await;
    assert_eq!((house.hub.counts().rooms, house.hub.counts().users), (0, 0));
}

#[tokio::test]
async fn a_farewell_reaches_the_others_while_the_leaver_is_still_a_member() {
    let mut house = House::new();
    let (mut stays, _conn) = house.enter("rooms=room").await;
    let (mut leaves, conn) = house.enter("rooms=room,alone").await;
    leaves.bye().await;
    let (left, closed, rooms) = house.closed().await;
    assert_eq!((left.id(), closed.was_clean()), (conn.id(), true));
    assert_eq!(BTreeSet::from_iter(rooms), BTreeSet::from(["alone".to_owned(), "room".to_owned()]));
    next_is(&mut stays, "somebody left").await;
    house.settles_at(1).await;
    assert_eq!(house.hub.room("room").send("gone").await.recipients(), 1);
    assert_eq!(house.hub.counts().rooms, 1);
}

#[tokio::test]
async fn joining_and_leaving_say_what_has_changed() {
    let mut house = House::new();
    let (_ann, ann) = house.enter("").await;
    let (_bob, bob) = house.enter("").await;
    assert_eq!(ann.leave("room").await, Left::NotThere);
    assert_eq!(ann.join("room").await, Ok(Joined::Created));
    assert_eq!(ann.join("room").await, Ok(Joined::Already));
    assert_eq!(bob.leave("room").await, Left::NotThere);
    assert_eq!(bob.join("room").await, Ok(Joined::Joined));
    assert_eq!(ann.leave("room").await, Left::Left);
    assert_eq!(ann.leave("room").await, Left::NotThere);
    assert_eq!(bob.leave("room").await, Left::Emptied);
    assert_eq!(house.hub.counts().rooms, 0);
    assert_eq!(bob.join("room").await, Ok(Joined::Created), "an empty room leaves nothing behind");
}

#[tokio::test]
async fn who_has_left_a_room_gets_nothing_more_from_it() {
    let mut house = House::new();
    let (mut ann, _conn) = house.enter("rooms=room").await;
    let (mut bob, _conn) = house.enter("rooms=room").await;
    ann.text("leave me").await;
    assert_eq!(house.heard().await, "leave me");
    nothing_came(&mut ann).await;
    assert_eq!(house.hub.room("room").send("hello").await.recipients(), 1);
    next_is(&mut bob, "hello").await;
    nothing_came(&mut ann).await;
}

#[tokio::test]
async fn a_connection_that_closes_joins_no_room() {
    let mut house = House::new();
    let (mut client, conn) = house.enter("do=close%20late").await;
    conn.close(1000, "").expect("a code that may travel");
    assert_eq!(conn.join("room").await, Err(JoinError::Closing), "its close has begun");
    client.bye().await;
    house.closed().await;
    assert_eq!(conn.join("room").await, Err(JoinError::Closing), "its on_close runs");
    house.release.notify_one();
    house.settles_at(0).await;
    assert_eq!(conn.join("room").await, Err(JoinError::Closing), "it is gone");
    assert_eq!(house.hub.counts().rooms, 0);
    assert_eq!(conn.leave("room").await, Left::NotThere);
}

#[tokio::test]
async fn a_connection_is_in_as_many_rooms_as_it_may_be() {
    let mut house = House::with(Hub::builder().max_rooms(2).build(), |handler| handler);
    let (_client, conn) = house.enter("rooms=one").await;
    assert_eq!(conn.join("two").await, Ok(Joined::Created));
    assert_eq!(conn.join("three").await, Err(JoinError::TooManyRooms { limit: 2 }));
    assert_eq!(conn.join("two").await, Ok(Joined::Already), "it is in it already");
    assert_eq!(house.hub.counts().rooms, 2, "the refused room was not made");
    conn.leave("one").await;
    assert_eq!(conn.join("three").await, Ok(Joined::Created));

    let answer = answer_to(&house.handler, &path("rooms=one,two,three")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.body, "in 2 rooms already");
}

#[tokio::test]
async fn the_same_room_twice_at_connect_is_one_room() {
    let mut house = House::with(Hub::builder().max_rooms(2).build(), |handler| handler);
    let (_client, conn) = house.enter("rooms=one,one,two").await;
    assert_eq!(conn.rooms().len(), 2);
}

#[tokio::test]
async fn the_name_of_a_room_is_1_to_128_bytes_without_control_characters() {
    let mut house = House::new();
    let (_client, conn) = house.enter("").await;
    let longest = "x".repeat(128);
    for name in ["x", " ", "a:b/c", "Straße", &longest] {
        assert_eq!(conn.join(name).await, Ok(Joined::Created), "{name}");
    }
    let (too_long, too_wide) = ("x".repeat(129), "ß".repeat(65));
    for name in ["", &too_long, &too_wide, "a\nb", "\0", "a\u{7f}", "\u{85}"] {
        assert_eq!(conn.join(name).await, Err(JoinError::Name), "{name:?}");
    }
    assert_eq!(house.hub.counts().rooms, 5);
    assert_eq!(answer_to(&house.handler, &path("rooms=a%00b")).await.status, StatusCode::FORBIDDEN);

    let short = House::with(Hub::builder().max_room_name(3).build(), |handler| handler);
    assert_eq!(answer_to(&short.handler, &path("rooms=four")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_join_hook_may_refuse_at_connect_and_later() {
    let hub = Hub::builder()
        .on_join(|request| match (request.room, request.user) {
            ("staff", Some("ann")) | ("hall", _) => Ok(()),
            (room, user) => Err(format!("{} may not enter {room}", user.unwrap_or("a stranger"))),
        })
        .build();
    let mut house = House::with(hub, |handler| handler);
    let (_ann, ann) = house.enter("user=ann&rooms=staff,hall").await;
    assert_eq!(ann.rooms().len(), 2);
    let refused = JoinError::Refused("ann may not enter vault".to_owned());
    assert_eq!(ann.join("vault").await, Err(refused));
    assert_eq!(house.hub.counts().rooms, 2);

    let answer = answer_to(&house.handler, &path("user=bob&rooms=hall,staff")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.body, "not allowed: bob may not enter staff");
    assert_eq!(house.hub.members("hall", Page::ALL).len(), 1, "nobody was in any room");
    assert_eq!(house.hub.counts().connections, 1);
}

/// All that can be asked.
fn ask_everything(hub: &Hub) -> usize {
    let conns = hub.connections(Page::ALL);
    for conn in &conns {
        conn.set_metadata("asked", conn.info().rooms.join(","));
        assert!(hub.connection(conn.id()).is_some());
        let _ = hub.send_to(conn.id(), "asked");
    }
    hub.users(Page::ALL).iter().filter(|user| hub.is_online(user)).count()
        + hub.room_list(Page::ALL).iter().map(|room| hub.members(&room.name, Page::ALL).len()).sum::<usize>()
        + hub.counts().connections
}

#[tokio::test]
async fn the_join_hook_may_ask_the_hub() {
    let known = Arc::new(OnceLock::<Hub>::new());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let hub = {
        let (known, asked) = (known.clone(), asked.clone());
        let hook = move |request: &gustnado::JoinRequest<'_>| {
            let own = request.conn.map_or(0, |conn| conn.rooms().len() + conn.info().rooms.len());
            asked.lock().unwrap().push(ask_everything(known.get().expect("it is set")) + own);
            Ok(())
        };
        Hub::builder().on_join(hook).build()
    };
    known.set(hub.clone()).expect("it is not set");
    let mut house = House::with(hub, |handler| handler);
    let (_client, conn) = house.enter("user=ann&rooms=one,two").await;
    assert_eq!(conn.join("three").await, Ok(Joined::Created));
    // Nobody during the handshake; then one user, two members, one connection, and its own two rooms twice.
    assert_eq!(*asked.lock().unwrap(), [0, 0, 8]);
}

#[tokio::test]
async fn every_callback_may_ask_the_hub() {
    struct Curious(Hub, mpsc::Sender<usize>);
    impl Curious {
        async fn ask(&self) {
            let asked = ask_everything(&self.0);
            self.0.everybody().send("asked").await;
            self.1.send(asked).await.expect("a test");
        }
    }
    #[async_trait]
    impl Connector for Curious {
        async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
            self.ask().await;
            handshake.set_user("ann");
            handshake.join("room")?;
            Ok(())
        }
        async fn on_open(&mut self, _: &Conn) -> Result<(), Disconnect> {
            self.ask().await;
            Ok(())
        }
        async fn on_message(&mut self, conn: &Conn, _: Message) -> Result<(), Disconnect> {
            self.ask().await;
            conn.leave("room").await;
            Ok(())
        }
        async fn on_close(&mut self, _: &Conn, _: &Closed) {
            self.ask().await;
        }
    }
    let (sender, mut asked) = mpsc::channel(8);
    let hub = Hub::new();
    let handler = {
        let hub = hub.clone();
        Handler::new(move || Curious(hub.clone(), sender.clone()))
    };
    let mut client = connect_with(&handler.hub(&hub), &request()).await;
    client.text("ask").await;
    client.close(1000, "").await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(asked.recv().await.expect("an answer"));
    }
    assert_eq!(answers, [0, 3, 3, 2]);
    settles_at(&hub, 0).await;
}

// Whom a message is for.

#[tokio::test]
async fn only_those_who_are_left_out_get_nothing() {
    let mut house = House::new();
    let (mut ann, ann_conn) = house.enter("rooms=room").await;
    let (mut bob, bob_conn) = house.enter("rooms=room").await;
    let (mut cid, _conn) = house.enter("rooms=room").await;
    assert_eq!(house.hub.room("room").except(&ann_conn).send("one").await.recipients(), 2);
    let two = house.hub.everybody().except_all([ann_conn.id(), bob_conn.id()]).send("two").await;
    assert_eq!(two.recipients(), 1);
    let three = house.hub.rooms(["room", "room"]).except(&bob_conn).except(bob_conn.id()).send("three").await;
    assert_eq!(three.recipients(), 2);
    next_is(&mut ann, "three").await;
    next_is(&mut bob, "one").await;
    for text in ["one", "two", "three"] {
        next_is(&mut cid, text).await;
    }
    for client in [&mut ann, &mut bob, &mut cid] {
        nothing_came(client).await;
    }
}

#[tokio::test]
async fn a_member_of_several_rooms_gets_a_message_to_them_once() {
    let mut house = House::new();
    let (mut both, _conn) = house.enter("rooms=one,two").await;
    let (mut one, _conn) = house.enter("rooms=one").await;
    let (mut two, _conn) = house.enter("rooms=two,three").await;
    let target = house.hub.rooms(["one", "two", "one", "nobody"]);
    assert_eq!(target.connections().len(), 3);
    let report = target.send("hello").await;
    assert_eq!((report.queued, report.recipients()), (3, 3));
    for client in [&mut both, &mut one, &mut two] {
        next_is(client, "hello").await;
        nothing_came(client).await;
    }
    let rooms = house.hub.room_list(Page::ALL);
    let messages: Vec<_> = rooms.iter().map(|room| (&*room.name, room.fan_out.messages)).collect();
    assert_eq!(messages, [("one", 1), ("three", 0), ("two", 1)], "one message is one, though named twice");
}

#[tokio::test]
async fn text_stays_text_and_binary_stays_binary() {
    let mut house = House::new();
    let (mut client, conn) = house.enter("user=ann&rooms=room").await;
    let data: &[u8] = &[0, 0xff, 0x80];
    house.hub.room("room").send("text").await;
    house.hub.room("room").send(data).await;
    house.hub.user("ann").send(data).await;
    house.hub.send_to(conn.id(), data).expect("it is open");
    assert_eq!(client.next().await, Frame::text("text"));
    for _ in 0..3 {
        assert_eq!(client.next().await, Frame::Binary(data.to_vec()));
    }
}

#[tokio::test]
async fn a_message_by_id_reaches_that_connection_alone() {
    let mut house = House::new();
    let (mut ann, conn) = house.enter("user=ann").await;
    let (mut bob, _conn) = house.enter("user=ann").await;
    let id = conn.id();
    // From a task that has no connection at hand.
    let hub = house.hub.clone();
    tokio::spawn(async move { hub.send_to(id, "hello") }).await.expect("it ends").expect("it is queued");
    next_is(&mut ann, "hello").await;
    nothing_came(&mut bob).await;
    ann.bye().await;
    house.settles_at(1).await;
    let error = house.hub.send_to(id, "late").expect_err("it is gone");
    assert!(matches!(&error, SendError::Closing(_)), "{error:?}");
    assert_eq!(error.into_message(), Message::from("late"));
}

#[tokio::test]
async fn a_message_to_a_user_reaches_all_their_devices() {
    let mut house = House::new();
    let (mut phone, _conn) = house.enter("user=ann").await;
    let (mut tablet, _conn) = house.enter("user=ann").await;
    let (mut other, _conn) = house.enter("user=bob").await;
    let (mut nobody, _conn) = house.enter("").await;
    assert_eq!(house.hub.user("ann").send("hello").await.queued, 2);
    assert_eq!(house.hub.user("cid").send("hello").await.recipients(), 0);
    next_is(&mut phone, "hello").await;
    next_is(&mut tablet, "hello").await;
    nothing_came(&mut other).await;
    nothing_came(&mut nobody).await;
}

#[tokio::test]
async fn a_message_to_everybody_reaches_everybody() {
    let mut house = House::new();
    let mut clients = Vec::new();
    for query in ["user=ann", "rooms=room", "", "user=bob&rooms=a,b"] {
        clients.push(house.enter(query).await.0);
    }
    assert_eq!(house.hub.everybody().send("hello").await.queued, 4);
    for client in &mut clients {
        next_is(client, "hello").await;
        nothing_came(client).await;
    }
}

#[tokio::test]
async fn a_close_by_id_or_by_user_keeps_its_code_and_reason() {
    let mut house = House::new();
    let (mut ann, conn) = house.enter("user=ann").await;
    let (mut bob, _conn) = house.enter("user=bob&rooms=room").await;
    let (mut tab, _conn) = house.enter("user=bob").await;
    assert!(house.hub.close(conn.id(), frame_of(4001, "by id")));
    assert_eq!(ann.next().await, Frame::close(4001, "by id"));
    ann.close(4001, "").await;
    let (_, closed, _) = house.closed().await;
    assert_eq!((closed.code().as_u16(), closed.reason(), closed.was_clean()), (4001, "by id", true));

    assert_eq!(house.hub.user("bob").close(frame_of(4002, "revoked")).await.here, 2);
    assert_eq!(house.hub.user("bob").close(frame_of(4003, "again")).await.here, 0, "they are closing");
    for client in [&mut bob, &mut tab] {
        assert_eq!(client.next().await, Frame::close(4002, "revoked"));
        client.close(4002, "").await;
        let (_, closed, _) = house.closed().await;
        assert_eq!((closed.code().as_u16(), closed.reason()), (4002, "revoked"));
    }
    house.settles_at(0).await;
}

#[tokio::test]
async fn a_user_with_two_tabs_is_online_until_the_second_is_closed() {
    let mut house = House::new();
    let (mut one, _conn) = house.enter("user=ann").await;
    let (mut two, _conn) = house.enter("user=ann").await;
    assert_eq!(house.hub.counts().users, 1);
    one.bye().await;
    house.settles_at(1).await;
    assert!(house.hub.is_online("ann"));
    assert_eq!((house.hub.counts().users, house.hub.user("ann").send("hello").await.queued), (1, 1));
    next_is(&mut two, "hello").await;
    two.bye().await;
    house.settles_at(0).await;
    assert!(!house.hub.is_online("ann"));
    assert_eq!(house.hub.counts().users, 0);
}

// Looking things up.

#[tokio::test]
async fn lists_come_in_pages() {
    let mut house = House::new();
    let mut clients = Vec::new();
    let mut ids = Vec::new();
    for number in 0..5 {
        let (client, conn) = house.enter(&format!("user=u{number}&rooms=all,r{number}")).await;
        clients.push(client);
        ids.push(conn.id());
    }
    let pages = |limit| (0..5).step_by(limit).map(move |skip| Page { skip, limit });
    let seen: Vec<_> = pages(2).flat_map(|page| house.hub.connections(page)).map(|conn| conn.id()).collect();
    assert_eq!(seen, ids, "each once, in the order of their ids");
    let seen: Vec<_> = pages(3).flat_map(|page| house.hub.users(page)).collect();
    assert_eq!(seen, ["u0", "u1", "u2", "u3", "u4"]);
    let seen: BTreeSet<_> =
        pages(2).flat_map(|page| house.hub.members("all", page)).map(|conn| conn.id()).collect();
    assert_eq!(seen, BTreeSet::from_iter(ids));
    let rooms = |page| house.hub.room_list(page).into_iter().map(|room| room.name).collect::<Vec<_>>();
    assert_eq!(rooms(Page::first(2)), ["all", "r0"]);
    assert_eq!(rooms(Page { skip: 5, limit: 10 }), ["r4"]);
    assert_eq!(rooms(Page { skip: 6, limit: 10 }), [""; 0]);
    assert_eq!(house.hub.members("nobody", Page::ALL).len(), 0);
    assert_eq!(house.hub.connections(Page::first(0)).len(), 0);
}

#[tokio::test]
async fn what_is_told_about_connections_and_rooms_is_complete_and_true() {
    let before = SystemTime::now();
    let mut house = House::with(Hub::new(), |handler| handler.protocols(["chat"]));
    let request = request_with("/ws/here?user=ann&rooms=room", &["Sec-WebSocket-Protocol: chat"]);
    let mut client = connect_with(&house.handler, &request).await;
    let conn = house.opened().await;
    let opened = SystemTime::now();
    conn.join("other").await.expect("it may");
    conn.set_metadata("device", "phone");
    client.text("four").await;
    next_is(&mut client, "four").await;
    house.hub.room("room").send("four").await;
    next_is(&mut client, "four").await;

    let info = house.hub.connection(conn.id()).expect("is there").info();
    assert_eq!((info.id, info.user.as_deref(), &*info.path), (conn.id(), Some("ann"), "/ws/here"));
    assert_eq!((info.protocol.as_deref(), info.peer), (Some("chat"), None));
    assert_eq!(info.rooms, ["room", "other"]);
    assert_eq!(info.metadata.into_iter().collect::<Vec<_>>(), [("device".into(), "phone".into())]);
    assert_eq!(conn.metadata("device").as_deref(), Some("phone"));
    assert!(before <= info.since && info.since <= opened, "the time at which it was registered");
    assert_eq!((info.buffered, info.round_trip), (0, None));
    conn.leave("other").await;
    assert_eq!(conn.info().rooms, ["room"]);

    let rooms = house.hub.room_list(Page::ALL);
    assert_eq!(rooms.len(), 1);
    assert_eq!((&*rooms[0].name, rooms[0].members, rooms[0].fan_out.messages), ("room", 1, 1));
    assert!(before <= rooms[0].since && rooms[0].since <= opened, "the time at which somebody came");
}

#[tokio::test]
async fn what_a_broadcast_costs_is_counted_for_everybody_who_got_it() {
    let mut house = House::new();
    let (mut ann, ann_conn) = house.enter("rooms=room").await;
    let (mut bob, bob_conn) = house.enter("rooms=room").await;
    for _ in 0..3 {
        house.hub.room("room").send("12345678").await;
    }
    house.hub.room("room").except(&bob_conn).send("12345678").await;
    for (client, messages) in [(&mut ann, 4), (&mut bob, 3)] {
        for _ in 0..messages {
            next_is(client, "12345678").await;
        }
        client.bye().await;
    }
    house.settles_at(0).await;
    for (conn, messages) in [(ann_conn, 4), (bob_conn, 3)] {
        let traffic = conn.traffic();
        // Bob hears that Ann left, if the transport still takes it.
        assert!(traffic.messages_sent - messages <= 1, "{traffic:?}");
        assert_eq!(traffic.messages_received, 0);
    }
    assert!(house.handler.stats().traffic.messages_sent >= 7);
}

// What a broadcast waits for and costs.

#[tokio::test]
async fn a_broadcast_waits_for_no_peer() {
    let mut house = House::with(Hub::new(), |handler| handler.outbox_limits(1 << 20, 4));
    let (_deaf, deaf) = house.enter("rooms=room").await;
    let (mut hears, _conn) = house.enter("rooms=room").await;
    let message = Message::from("x".repeat(8 * 1024));
    let expected = Frame::text(message.text().expect("a text"));
    let (mut queued, mut most) = (0, 0);
    // The pipe takes two of them, the outbox four; this one is one too many at last.
    let report = loop {
        let report = house.hub.room("room").send(message.clone()).await;
        assert_eq!(hears.next().await, expected, "the others get it at once");
        most = most.max(deaf.buffered());
        if report.queued < 2 {
            break report;
        }
        queued += 1;
        assert!(queued < 10, "the outbox has a bound");
    };
    assert_eq!((report.queued, report.disconnected, report.recipients()), (1, 1, 2));
    assert!(most <= 4 * (8 * 1024 + 10), "{most} bytes are queued");
    assert!(deaf.is_closing());
    let report = house.hub.room("room").send("next").await;
    assert!(report.recipients() == 1 || report.closing == 1, "{report:?}");
    next_is(&mut hears, "next").await;
}

#[tokio::test]
async fn a_report_says_what_became_of_the_message_for_each() {
    let mut house = House::with(Hub::new(), |handler| handler.close_timeout(Duration::MAX));
    let (mut hears, _conn) = house.enter("rooms=room").await;
    let (_drops, drops) = house.enter("rooms=room").await;
    let (_small, small) = house.enter("rooms=room").await;
    let (_closes, closes) = house.enter("rooms=room").await;
    let (_full, full) = house.enter("rooms=room").await;
    // A message that waits for the pipe; then the outbox of one message is full.
    let large = "x".repeat(support::PIPE * 2);
    for conn in [&drops, &full] {
        conn.send(large.clone()).await.expect("there is room");
        while conn.buffered() > 0 {
            tokio::task::yield_now().await;
        }
        conn.set_outbox_limits(1 << 20, 1);
        conn.try_send("one").expect("there is room for one");
    }
    drops.set_slow_reader(SlowReader::DropNewest);
    small.set_outbox_limits(4, 10);
    closes.close(1000, "").expect("a code that may travel");
    let report = house.hub.room("room").send("hello").await;
    assert_eq!(
        (report.queued, report.dropped, report.disconnected, report.too_large, report.closing),
        (1, 1, 1, 1, 1)
    );
    assert_eq!(report.recipients(), 5);
    assert!(!drops.is_closing() && !small.is_closing() && full.is_closing());
    next_is(&mut hears, "hello").await;
}

#[tokio::test]
async fn a_message_is_encoded_once_however_many_get_it() {
    let mut house = House::new();
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(house.enter("user=ann&rooms=one,two").await.0);
    }
    assert_eq!(house.hub.counts().encoded, 0);
    for target in [house.hub.room("one"), house.hub.rooms(["one", "two"]), house.hub.user("ann")] {
        let before = house.hub.counts().encoded;
        assert_eq!(target.send("hello").await.queued, 50);
        assert_eq!(house.hub.counts().encoded, before + 1);
    }
    assert_eq!(house.hub.everybody().send("hello").await.queued, 50);
    assert_eq!(house.hub.room("nobody").send("hello").await.recipients(), 0);
    assert_eq!(house.hub.counts().encoded, 4, "and not at all for nobody");
}

#[tokio::test]
async fn one_dead_recipient_costs_the_others_nothing() {
    let mut house = House::new();
    let (dead, _conn) = house.enter("rooms=room&do=close%20late").await;
    let mut alive = Vec::new();
    for _ in 0..5 {
        alive.push(house.enter("rooms=room").await.0);
    }
    drop(dead);
    house.closed().await;
    // Its `on_close` runs, so it is a member still.
    for client in &mut alive {
        next_is(client, "somebody left").await;
    }
    let report = house.hub.room("room").send("hello").await;
    assert_eq!((report.queued, report.closing, report.recipients()), (5, 1, 6));
    for client in &mut alive {
        next_is(client, "hello").await;
    }
}

#[tokio::test]
async fn a_callback_that_hangs_holds_up_nobody_else() {
    let mut house = House::new();
    let (mut hangs, _conn) = house.enter("rooms=room").await;
    let (mut other, _conn) = house.enter("rooms=room").await;
    hangs.text("wait").await;
    assert_eq!(house.heard().await, "wait");
    nothing_came(&mut other).await;
    assert_eq!(house.hub.room("room").send("hello").await.queued, 2);
    next_is(&mut other, "hello").await;
    next_is(&mut hangs, "hello").await;
    house.release.notify_one();
    nothing_came(&mut hangs).await;
}

// Many at once.

/// A handler whose connections only listen, in rooms named by their requests.
fn listeners(hub: &Hub) -> Handler {
    struct Listener;
    #[async_trait]
    impl Connector for Listener {
        async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
            let room = handshake.query("room").map(std::borrow::Cow::into_owned);
            if let Some(room) = room {
                handshake.join(&room)?;
            }
            Ok(())
        }
    }
    Handler::new(|| Listener).hub(hub).ping_interval(None).pong_timeout(None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_members_see_the_messages_of_many_senders_in_one_order() {
    const SENDERS: usize = 8;
    const EACH: usize = 100;
    let hub = Hub::new();
    let handler = listeners(&hub);
    let mut members = Vec::new();
    for _ in 0..16 {
        let mut client = connect_with(&handler, &path("room=room")).await;
        members.push(tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < SENDERS * EACH {
                let Frame::Text(text) = client.next().await else { panic!("expected a text") };
                seen.push(text);
            }
            seen
        }));
    }
    while hub.members("room", Page::ALL).len() < 16 {
        tokio::task::yield_now().await;
    }
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let hub = hub.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    let report = hub.room("room").send(format!("{sender} {number}")).await;
                    assert_eq!(report.queued, 16, "{report:?}");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.expect("it sends");
    }
    let mut orders = Vec::new();
    for member in members {
        orders.push(member.await.expect("it reads"));
    }
    for sender in 0..SENDERS {
        let own: Vec<_> = orders[0].iter().filter(|text| text.starts_with(&format!("{sender} "))).collect();
        let expected: Vec<_> = (0..EACH).map(|number| format!("{sender} {number}")).collect();
        assert!(own.into_iter().eq(&expected), "what one has sent comes in its order");
    }
    for order in &orders[1..] {
        assert!(*order == orders[0], "the members see different orders");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_messages_of_a_hundred_tasks_to_one_connection_arrive_in_the_order_of_each() {
    const TASKS: usize = 100;
    const EACH: usize = 1000;
    let mut house = House::new();
    let (mut client, conn) = house.enter("").await;
    for task in 0..TASKS {
        let conn = conn.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                conn.send(format!("{task} {number}")).await.expect("there will be room");
            }
        });
    }
    let mut next = [0; TASKS];
    for _ in 0..TASKS * EACH {
        let Frame::Text(text) = client.next().await else { panic!("expected a text") };
        let (task, number) = text.split_once(' ').expect("two numbers");
        let task: usize = task.parse().expect("a number");
        assert_eq!(number, next[task].to_string(), "of task {task}");
        next[task] += 1;
    }
    nothing_came(&mut client).await;
}

#[tokio::test]
async fn a_room_may_have_ten_thousand_members() {
    const MEMBERS: usize = 10_000;
    let hub = Hub::new();
    let handler = listeners(&hub);
    let mut clients = Vec::new();
    for _ in 0..MEMBERS {
        clients.push(connect_with(&handler, &path("room=room")).await);
    }
    while hub.members("room", Page { skip: MEMBERS - 1, limit: 1 }).is_empty() {
        tokio::task::yield_now().await;
    }
    let encoded = hub.counts().encoded;
    let report = hub.room("room").send("hello").await;
    assert_eq!((report.queued, report.recipients()), (MEMBERS, MEMBERS));
    assert_eq!(hub.counts().encoded, encoded + 1);
    for client in &mut clients {
        next_is(client, "hello").await;
    }
    drop(clients);
    settles_at(&hub, 0).await;
    assert_eq!(hub.counts().rooms, 0);
}

#[tokio::test]
async fn there_may_be_ten_thousand_rooms() {
    const ROOMS: usize = 10_000;
    let mut house = House::with(Hub::builder().max_rooms(ROOMS).build(), |handler| handler);
    let mut guests = Vec::new();
    for _ in 0..4 {
        guests.push(house.enter("").await);
    }
    // A few each: guest 0 in all of them, guest 1 in every second, guest 2 in every third, guest 3 in every fourth.
    for room in 0..ROOMS {
        for (every, (_, conn)) in guests.iter().enumerate() {
            if room % (every + 1) == 0 {
                conn.join(&format!("room {room}")).await.expect("it may");
            }
        }
    }
    assert_eq!(house.hub.counts().rooms, ROOMS);
    assert_eq!(house.hub.room("room 12").send("four").await.queued, 4);
    assert_eq!(house.hub.room("room 13").send("one").await.queued, 1);
    next_is(&mut guests[0].0, "four").await;
    next_is(&mut guests[0].0, "one").await;
    let sent = house.hub.rooms((0..ROOMS).map(|room| format!("room {room}"))).send("once").await;
    assert_eq!(sent.recipients(), 4);
    drop(guests);
    house.settles_at(0).await;
    assert_eq!(house.hub.counts().rooms, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_a_room_as_the_last_member_leaves_is_in_it() {
    let mut house = House::new();
    let mut guests = Vec::new();
    for _ in 0..2 {
        guests.push(house.enter("").await);
    }
    let tasks: Vec<_> = guests
        .iter()
        .map(|(_, conn)| {
            let (hub, conn) = (house.hub.clone(), conn.clone());
            // Threads of their own, so that they meet.
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Handle::current();
                for _ in 0..100_000 {
                    runtime.block_on(conn.join("room")).expect("it may");
                    let members = hub.members("room", Page::ALL);
                    assert!(members.iter().any(|member| member.id() == conn.id()), "a member of no room");
                    assert_ne!(runtime.block_on(conn.leave("room")), Left::NotThere);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(house.hub.counts().rooms, 0);
}

#[test]
fn joins_leaves_closes_and_broadcasts_on_the_same_names_block_nobody_for_ever() {
    let (done, over) = std::sync::mpsc::channel();
    // A thread of its own: tasks that wait for each other's locks would block the clock of a runtime, too.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(hammer());
        let _ = done.send(());
    });
    over.recv_timeout(Duration::from_secs(60)).expect("no deadlock, no panic");
}

async fn hammer() {
    const ROOMS: [&str; 3] = ["one", "two", "three"];
    let hub = Hub::builder().on_join(|_| Ok(())).build();
    let handler = listeners(&hub);
    for _ in 0..10 {
        let mut clients = Vec::new();
        for number in 0..12 {
            let mut client = connect_with(&handler, &path(&format!("room={}", ROOMS[number % 3]))).await;
            clients.push(tokio::spawn(async move {
                loop {
                    match client.next().await {
                        Frame::Close(_) => client.close(1000, "").await,
                        Frame::End => return,
                        _ => {}
                    }
                }
            }));
        }
        let mut tasks = Vec::new();
        for (number, conn) in hub.connections(Page::ALL).into_iter().enumerate() {
            let hub = hub.clone();
            tasks.push(tokio::spawn(async move {
                for step in 0..150 {
                    let room = ROOMS[(number + step) % 3];
                    match (number + step) % 5 {
                        0 => _ = conn.join(room).await,
                        1 => _ = conn.leave(room).await,
                        2 => _ = hub.rooms(ROOMS).except(&conn).send("hello").await,
                        3 => _ = hub.everybody().send("hello").await,
                        _ => _ = (hub.room_list(Page::ALL), conn.info(), hub.members(room, Page::ALL)),
                    }
                }
                conn.join("one").await.ok();
                conn.close(1000, "").expect("a code that may travel");
                conn.closed().await;
            }));
        }
        for task in tasks.into_iter().chain(clients) {
            task.await.expect("it ends");
        }
        while hub.counts().connections > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hub.counts().rooms, 0);
    }
}
