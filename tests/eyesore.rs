//! What eyesore/ws does, and what went wrong there. The numbers are those of the list of its rows and bugs.

mod support;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use gustnado::{
    Cause, Closed, ClosedBy, Conn, Connector, Disconnect, Handler, Handshake, Message, MessageMode, Phase,
    Reject, SendError, async_trait,
};
use http::{HeaderValue, StatusCode, header};
use support::{
    Client, Frame, TEXT, answer_to, asked, connect, connect_with, echo, frame, request, request_with, serve,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Handle,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

/// Tells the test what happens, and fails or panics where it was told to.
#[derive(Clone)]
struct Probe {
    events: mpsc::Sender<Event>,
    fail: &'static str,
    panic: &'static str,
}

#[derive(Debug)]
enum Event {
    Connect,
    Open(Conn),
    Message(String),
    Pong,
    Error(String),
    Close(Closed),
}

impl Probe {
    fn handler(fail: &'static str, panic: &'static str) -> (Handler, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(64);
        let probe = Self { events, fail, panic };
        let handler = Handler::new(move || {
            probe.at("factory")?;
            Ok::<_, Reject>(probe.clone())
        });
        (handler, receiver)
    }

    fn tell(&self, event: Event) {
        let _ = self.events.try_send(event);
    }

    fn at(&self, place: &str) -> io::Result<()> {
        assert!(self.panic != place, "the password is 1234");
        if self.fail == place { Err(io::Error::other("the password is 1234")) } else { Ok(()) }
    }
}

#[async_trait]
impl Connector for Probe {
    async fn on_connect(&mut self, _: &mut Handshake) -> Result<(), Reject> {
        self.tell(Event::Connect);
        Ok(self.at("on_connect")?)
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        self.tell(Event::Open(conn.clone()));
        Ok(self.at("on_open")?)
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        self.tell(Event::Message(message.text()?.to_owned()));
        self.at("on_message")?;
        conn.send(message).await?;
        Ok(())
    }

    async fn on_pong(&mut self, _: &Conn, _: Duration) -> Result<(), Disconnect> {
        self.tell(Event::Pong);
        Ok(self.at("on_pong")?)
    }

    async fn on_error(&mut self, _: &Conn, cause: &Cause) {
        self.tell(Event::Error(cause.to_string()));
        let _ = self.at("on_error");
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        self.tell(Event::Close(closed.clone()));
        let _ = self.at("on_close");
    }
}

/// Everything up to the end of the last connector.
async fn all(handler: Handler, mut events: mpsc::Receiver<Event>) -> Vec<Event> {
    drop(handler);
    let mut all = Vec::new();
    while let Some(event) = events.recv().await {
        all.push(event);
    }
    all
}

fn names(events: &[Event]) -> Vec<&str> {
    let name = |event: &Event| match event {
        Event::Connect => "on_connect",
        Event::Open(_) => "on_open",
        Event::Message(_) => "on_message",
        Event::Pong => "on_pong",
        Event::Error(_) => "on_error",
        Event::Close(_) => "on_close",
    };
    events.iter().map(name).collect()
}

async fn opened(events: &mut mpsc::Receiver<Event>) -> Conn {
    loop {
        match events.recv().await.expect("the connection opens") {
            Event::Open(conn) => return conn,
            _ => continue,
        }
    }
}

async fn closed(events: &mut mpsc::Receiver<Event>) -> Closed {
    loop {
        match events.recv().await.expect("on_close is called") {
            Event::Close(closed) => return closed,
            _ => continue,
        }
    }
}

/// Applies `change` in `on_open`, and echoes.
struct OnOpen<F>(F);

#[async_trait]
impl<F: Fn(&Conn) + Send + Sync + 'static> Connector for OnOpen<F> {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        (self.0)(conn);
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}

// What it does.

/// E12.
#[tokio::test]
async fn callbacks_come_in_their_order() {
    let (handler, events) = Probe::handler("", "");
    let mut client = connect(&handler).await;
    client.echoes("one").await;
    client.echoes("two").await;
    client.bye().await;
    let events = all(handler, events).await;
    assert_eq!(names(&events), ["on_connect", "on_open", "on_message", "on_message", "on_close"]);
    let [_, _, Event::Message(one), Event::Message(two), _] = &events[..] else { panic!("five events") };
    assert_eq!((one.as_str(), two.as_str()), ("one", "two"));
}

/// E5, E14.
#[tokio::test(start_paused = true)]
async fn a_ping_with_a_payload_of_its_own_goes_out_every_30_seconds() {
    let mut client = connect(&echo()).await;
    let start = Instant::now();
    let mut payloads = Vec::new();
    for count in 1..=5 {
        let Frame::Ping(payload) = client.next().await else { panic!("no ping") };
        assert_eq!(start.elapsed().as_secs(), 30 * count);
        client.pong(&payload).await;
        assert!(!payloads.contains(&payload), "it tells one ping from another");
        payloads.push(payload);
    }
    client.bye().await;
}

/// E5.
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_dead_after_60_seconds() {
    let (handler, mut events) = Probe::handler("", "");
    let mut client = connect(&handler).await;
    let start = Instant::now();
    while client.next().await != Frame::End {}
    assert_eq!(start.elapsed().as_secs(), 60);
    let closed = closed(&mut events).await;
    assert!(matches!(closed.cause(), Some(Cause::PongTimeout)), "{closed:?}");
}

/// E5.
#[tokio::test]
async fn a_message_of_64_kibibytes_is_taken_and_a_larger_one_is_not() {
    let mut client = connect(&echo()).await;
    client.echoes(&"x".repeat(64 * 1024)).await;
    client.text(&"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(client.next().await, Frame::close(1009, "a message of more than 65536 bytes"));
}

/// E6.
#[tokio::test]
async fn a_limit_of_one_connection_is_not_that_of_another() {
    let handler = Handler::new(|| {
        OnOpen(|conn: &Conn| {
            if conn.request().query() == Some("small") {
                conn.set_max_message_size(10);
            }
        })
    });
    let mut small = connect_with(&handler, &request_with("/ws?small", &[])).await;
    let mut other = connect(&handler).await;
    small.text("more than ten bytes").await;
    assert_eq!(small.next().await, Frame::close(1009, "a message of more than 10 bytes"));
    other.echoes("more than ten bytes").await;
}

/// E13: there only a pong counted.
#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_but_answers_no_ping_is_alive() {
    let (handler, events) = Probe::handler("", "");
    let mut client = connect(&handler).await;
    for _ in 0..20 {
        sleep(Duration::from_secs(45)).await;
        client.text("busy").await;
    }
    client.bye().await;
    let events = all(handler, events).await;
    assert_eq!(names(&events).iter().filter(|name| **name == "on_message").count(), 20);
}

/// E17.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_send_at_once_and_each_ones_messages_stay_in_order() {
    let handler = Handler::new(|| {
        OnOpen(|conn: &Conn| {
            for sender in 0..10 {
                let conn = conn.clone();
                tokio::spawn(async move {
                    for number in 0..200_usize {
                        conn.send(format!("{sender} {number}")).await.expect("the client reads");
                    }
                });
            }
        })
    });
    let mut client = connect(&handler.outbox_limits(1000, 10)).await;
    let mut next = [0; 10];
    for _ in 0..2000 {
        let Frame::Text(text) = client.next().await else { panic!("no text") };
        let (sender, number) = text.split_once(' ').unwrap();
        let next = &mut next[sender.parse::<usize>().unwrap()];
        assert_eq!(number.parse(), Ok(*next), "of {sender}");
        *next += 1;
    }
    assert_eq!(next, [200; 10]);
}

/// E18.
#[tokio::test]
async fn text_and_binary_are_told_apart_by_type() {
    let mut client = connect(&echo()).await;
    client.text("text").await;
    client.binary(b"text").await;
    assert_eq!(client.next().await, Frame::text("text"));
    assert_eq!(client.next().await, Frame::Binary(b"text".to_vec()));
}

/// E21.
#[tokio::test]
async fn an_error_of_any_callback_ends_its_connection_and_its_text_stays_here() {
    for place in ["on_open", "on_message", "on_pong"] {
        let (handler, mut events) = Probe::handler(place, "");
        let mut client = connect(&handler).await;
        opened(&mut events).await.ping();
        if place == "on_message" {
            client.text("hello").await;
        }
        let close = loop {
            match client.next().await {
                Frame::Ping(payload) => client.pong(&payload).await,
                other => break other,
            }
        };
        assert_eq!(close, Frame::close(1011, ""), "{place}");
        client.close(1011, "").await;
        assert_eq!(client.next().await, Frame::End, "{place}");
        let events = all(handler, events).await;
        let [.., Event::Error(error), Event::Close(closed)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(error, "a callback failed");
        let Some(Cause::Callback(source)) = closed.cause() else { panic!("{closed:?}") };
        assert_eq!(source.to_string(), "the password is 1234");
    }
}

// The examples of its README (E23).

#[tokio::test]
async fn its_first_example_a_plain_connector() {
    struct Plain;

    #[async_trait]
    impl Connector for Plain {
        async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
            conn.send(format!("you said: {}", message.text()?)).await?;
            Ok(())
        }
    }

    let app = axum::Router::new().route_service("/", Handler::new(|| Plain));
    let mut client = Client::new(serve(app)).upgrade(&request_with("/", &[])).await;
    client.text("hello").await;
    assert_eq!(client.next().await, Frame::text("you said: hello"));
    client.bye().await;
}

#[tokio::test]
async fn its_second_example_a_limit_that_is_set_in_on_open() {
    let handler = Handler::new(|| OnOpen(|conn: &Conn| conn.set_max_message_size(1024)));
    let mut client = connect(&handler).await;
    client.echoes(&"x".repeat(1024)).await;
    client.text(&"x".repeat(1025)).await;
    assert_eq!(client.next().await, Frame::close(1009, "a message of more than 1024 bytes"));
}

#[tokio::test]
async fn its_third_example_a_subprotocol_and_a_header_from_on_connect() {
    let handler = asked(|handshake| match handshake.select_protocol(["json", "xml"]) {
        Some(_) => Ok(handshake.header(header::SERVER, "example")?),
        None => Err(Reject::new(StatusCode::BAD_REQUEST, "json or xml?")),
    });
    for (offer, chosen) in [("xml, json", "json"), ("xml", "xml")] {
        let offer = format!("Sec-WebSocket-Protocol: {offer}");
        let answer = answer_to(&handler, &request_with("/ws", &[&offer])).await;
        assert_eq!(answer.status, 101);
        assert_eq!(answer.header("sec-websocket-protocol"), Some(chosen));
        assert_eq!(answer.header("server"), Some("example"));
    }
    assert_eq!(answer_to(&handler, &request()).await.status, 400);
    // It read the header by hand, and found "json" in "jsonp" too.
    let jsonp = request_with("/ws", &["Sec-WebSocket-Protocol: jsonp, xmlrpc"]);
    assert_eq!(answer_to(&handler, &jsonp).await.body, "json or xml?");
}

// What went wrong.

/// E-B1: the error was overwritten, and the missing connector panicked.
#[tokio::test]
async fn an_error_of_the_factory_refuses_the_upgrade() {
    let (handler, events) = Probe::handler("factory", "");
    let mut client = Client::new(serve(handler.clone()));
    for _ in 0..2 {
        let answer = client.ask(&request()).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (500, &b"Internal Server Error"[..]));
    }
    drop(client);
    assert_eq!(names(&all(handler, events).await), [""; 0], "no callback");
}

/// E-B2: the connection stayed open for ever, without a reader, a writer or an end.
#[tokio::test]
async fn an_error_of_on_open_closes_with_1011_and_on_close_is_called_once() {
    let (handler, events) = Probe::handler("on_open", "");
    let mut client = Client::new(serve(handler.clone()));
    // Sent before the close, and not to be answered.
    client.write(&[request().as_bytes(), &frame(TEXT, b"hello")].concat()).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.next().await, Frame::close(1011, ""));
    client.close(1011, "").await;
    assert_eq!(client.next().await, Frame::End);
    let events = all(handler, events).await;
    assert_eq!(names(&events), ["on_connect", "on_open", "on_error", "on_close"]);
}

/// E-B3: the writer was started after `OnOpen`, so that a write in it waited 15 s for nothing.
#[tokio::test(start_paused = true)]
async fn a_greeting_sent_in_on_open_is_the_first_frame() {
    struct Greets;

    #[async_trait]
    impl Connector for Greets {
        async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
            for number in 0..2000 {
                conn.send(format!("welcome {number}")).await?;
            }
            Ok(())
        }

        async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
            conn.send(message).await?;
            Ok(())
        }
    }

    let start = Instant::now();
    let mut client = Client::new(serve(Handler::new(|| Greets).outbox_limits(1000, 10)));
    client.write(&[request().as_bytes(), &frame(TEXT, b"hello")].concat()).await;
    assert_eq!(client.answer().await.status, 101);
    for number in 0..2000 {
        assert_eq!(client.next().await, Frame::text(&format!("welcome {number}")));
    }
    assert_eq!(client.next().await, Frame::text("hello"));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// E-B4: the limit had been handed to the reader before `OnOpen`.
#[tokio::test]
async fn a_limit_that_is_set_in_on_open_holds_for_the_first_message() {
    struct Waits(usize);

    #[async_trait]
    impl Connector for Waits {
        async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
            // Long enough for the session to read ahead.
            for _ in 0..self.0 {
                tokio::task::yield_now().await;
            }
            conn.set_max_message_size(1024);
            Ok(())
        }

        async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
            conn.send(message.len().to_string()).await?;
            Ok(())
        }
    }

    for yields in [0, 1, 10] {
        let handler = Handler::new(move || Waits(yields));
        for (size, expected) in
            [(1024, Frame::text("1024")), (1025, Frame::close(1009, "a message of more than 1024 bytes"))]
        {
            let mut client = Client::new(serve(handler.clone()));
            let message = frame(TEXT, &vec![b'x'; size]);
            client.write(&[request().as_bytes(), &message, &frame(TEXT, b"?")].concat()).await;
            assert_eq!(client.answer().await.status, 101);
            assert_eq!(client.next().await, expected, "{size} bytes, after {yields} turns");
        }
        let mut client = connect(&handler).await;
        client.text(&"x".repeat(1025)).await;
        assert_eq!(client.next().await, Frame::close(1009, "a message of more than 1024 bytes"));
    }
}

/// E-B4, the other way round.
#[tokio::test]
async fn a_limit_may_be_raised_in_on_open_and_in_on_connect() {
    let on_open = Handler::new(|| OnOpen(|conn: &Conn| conn.set_max_message_size(100_000)));
    let on_connect = asked(|handshake| {
        handshake.set_max_message_size(100_000);
        Ok(())
    });
    for handler in [on_open, on_connect] {
        let mut client = connect(&handler).await;
        client.echoes(&"x".repeat(100_000)).await;
        client.text(&"x".repeat(100_001)).await;
        assert_eq!(client.next().await, Frame::close(1009, "a message of more than 100000 bytes"));
    }
}

/// E-B5: it told 1000, clean and without a reason, for nearly everything.
#[tokio::test]
async fn on_close_gets_who_closed_with_which_code_and_reason_and_why() {
    async fn end(handler: &Handler, events: &mut mpsc::Receiver<Event>, bytes: &[u8]) -> Closed {
        let mut client = connect(handler).await;
        client.write(bytes).await;
        if !bytes.is_empty() {
            let Frame::Close(_) = client.next().await else { panic!("no close frame") };
            // An answer to a close of ours; the transport may be gone already.
            let _ = client.io.write_all(&support::close_frame(1000, "")).await;
        }
        drop(client);
        closed(events).await
    }
    let (handler, mut events) = Probe::handler("on_message", "");

    let by_peer = end(&handler, &mut events, &support::close_frame(4001, "übrig")).await;
    assert_eq!((by_peer.by(), by_peer.code().as_u16(), by_peer.reason()), (ClosedBy::Peer, 4001, "übrig"));
    assert!(by_peer.was_clean() && by_peer.cause().is_none(), "{by_peer:?}");
    assert_eq!(by_peer.phase(), Phase::Closing);

    let without_code = end(&handler, &mut events, &frame(support::CLOSE, b"")).await;
    assert_eq!((without_code.by(), without_code.code().as_u16()), (ClosedBy::Peer, 1005));
    assert!(without_code.was_clean(), "{without_code:?}");

    let vanished = end(&handler, &mut events, b"").await;
    assert_eq!((vanished.by(), vanished.code().as_u16()), (ClosedBy::Transport, 1006));
    assert!(!vanished.was_clean() && matches!(vanished.cause(), Some(Cause::Eof)), "{vanished:?}");
    assert_eq!(vanished.phase(), Phase::Open);

    let broken = end(&handler, &mut events, &[0x81, 0x05, b'h', b'e', b'l', b'l', b'o']).await;
    assert_eq!((broken.by(), broken.code().as_u16()), (ClosedBy::Local, 1002));
    assert!(!broken.was_clean() && matches!(broken.cause(), Some(Cause::Protocol(_))), "{broken:?}");

    let failed = end(&handler, &mut events, &frame(TEXT, b"hello")).await;
    assert_eq!((failed.by(), failed.code().as_u16()), (ClosedBy::Local, 1011));
    assert!(matches!(failed.cause(), Some(Cause::Callback(_))), "{failed:?}");
}

/// E-B6: it sent an empty close and closed TCP at once.
#[tokio::test(start_paused = true)]
async fn the_closing_handshake_waits_for_the_peers_close() {
    let (handler, mut events) = Probe::handler("", "");
    let mut client = connect(&handler).await;
    opened(&mut events).await.close(4000, "enough").unwrap();
    assert_eq!(client.next().await, Frame::close(4000, "enough"));
    assert!(timeout(Duration::from_secs(4), client.next()).await.is_err(), "the transport is still open");
    client.text("too late to matter").await;
    client.close(4000, "").await;
    assert_eq!(client.next().await, Frame::End);
    let closed = closed(&mut events).await;
    assert_eq!((closed.by(), closed.code().as_u16(), closed.reason()), (ClosedBy::Local, 4000, "enough"));
    assert!(closed.was_clean(), "{closed:?}");
}

/// E-B6.
#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_a_close_is_given_up_after_5_seconds() {
    let (handler, mut events) = Probe::handler("", "");
    let mut client = connect(&handler).await;
    let start = Instant::now();
    opened(&mut events).await.close(4000, "enough").unwrap();
    assert_eq!(client.next().await, Frame::close(4000, "enough"));
    assert_eq!(client.next().await, Frame::End);
    assert_eq!(start.elapsed().as_secs(), 5);
    let closed = closed(&mut events).await;
    assert!(!closed.was_clean() && matches!(closed.cause(), Some(Cause::CloseTimeout)), "{closed:?}");
}

/// E-B7: the reader stayed for another 30 s, for each connection.
#[tokio::test(start_paused = true)]
async fn no_task_is_left_when_a_connection_has_ended_however_it_did() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let base = tasks();
    let stream = Handler::stream(|_, mut incoming| async move {
        while incoming.next().await.is_some() {}
        Ok(())
    });
    for (handler, in_stream) in [(Probe::handler("on_message", "").0, false), (stream, true)] {
        for end in ["a close", "a vanished peer", "garbage", "an error", "a peer that does not read"] {
            let mut client = connect(&handler).await;
            assert!(tasks() > base);
            match end {
                "a close" => client.bye().await,
                "a vanished peer" => drop(client),
                "garbage" => client.write(&[0xFF; 100]).await,
                _ if in_stream => client.close(1000, "").await,
                "an error" => client.text("hello").await,
                _ => client.write(&frame(support::PING, b"?").repeat(1000)).await,
            }
            // Whoever has not gone yet does so before the close timeout, or is cut off by the pong timeout.
            sleep(Duration::from_millis(if end == "a peer that does not read" { 66_000 } else { 5001 }))
                .await;
            assert_eq!(tasks(), base, "after {end}");
        }
    }
}

/// E-B8: each write waited 15 s, and a second close 30 s.
#[tokio::test(start_paused = true)]
async fn sending_after_the_close_fails_at_once() {
    let (handler, mut events) = Probe::handler("", "");
    let mut client = connect(&handler).await;
    let conn = opened(&mut events).await;
    let start = Instant::now();
    conn.close(1000, "").unwrap();
    // First with the closing handshake under way, then with all over.
    for is_over in [false, true] {
        if is_over {
            assert_eq!(client.next().await, Frame::close(1000, ""));
            client.close(1000, "").await;
            conn.closed().await;
        }
        assert!(conn.is_closing());
        assert_eq!(conn.send("late").await, Err(SendError::Closing("late".into())));
        assert_eq!(conn.try_send("late"), Err(SendError::Closing("late".into())));
        assert!(conn.close(4000, "again").is_ok(), "and does nothing");
        conn.ping();
    }
    assert_eq!(conn.closed().await.code(), 1000);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// E-B9: `OnClose` ran beside `OnMessage`, a data race on the connector.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_of_one_connection_never_overlap_and_on_close_is_last() {
    struct Alone {
        running: Arc<AtomicUsize>,
        told: mpsc::Sender<&'static str>,
    }

    impl Alone {
        async fn run(&self, name: &'static str) {
            assert_eq!(self.running.fetch_add(1, SeqCst), 0, "{name} begins while another callback runs");
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            self.running.fetch_sub(1, SeqCst);
            let _ = self.told.send(name).await;
        }
    }

    #[async_trait]
    impl Connector for Alone {
        async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
            conn.ping();
            self.run("on_open").await;
            Ok(())
        }

        async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
            conn.ping();
            self.run("on_message").await;
            if message.text()? == "close" {
                conn.close(1000, "")?;
            }
            self.run("on_message").await;
            Ok(())
        }

        async fn on_pong(&mut self, _: &Conn, _: Duration) -> Result<(), Disconnect> {
            self.run("on_pong").await;
            Ok(())
        }

        async fn on_error(&mut self, _: &Conn, _: &Cause) {
            self.run("on_error").await;
        }

        async fn on_close(&mut self, _: &Conn, _: &Closed) {
            self.run("on_close").await;
        }
    }

    for last in ["close", "vanish"] {
        for _ in 0..20 {
            let (told, mut names) = mpsc::channel(1000);
            let running = Arc::new(AtomicUsize::new(0));
            let handler = Handler::new(move || Alone { running: running.clone(), told: told.clone() });
            let mut client = connect(&handler).await;
            for _ in 0..20 {
                client.text("hello").await;
                if let Frame::Ping(payload) = client.next().await {
                    client.pong(&payload).await;
                }
            }
            if last == "close" {
                client.text("close").await;
                client.bye().await;
            } else {
                client.text("hello").await;
                drop(client);
            }
            drop(handler);
            let mut all = Vec::new();
            while let Some(name) = names.recv().await {
                all.push(name);
            }
            assert_eq!(all.first(), Some(&"on_open"));
            assert_eq!(all.last(), Some(&"on_close"), "{all:?}");
            assert_eq!(all.iter().filter(|name| **name == "on_close").count(), 1);
            assert!(all.contains(&"on_pong"), "{all:?}");
        }
    }
}

/// E-B10: no pong was read while `OnMessage` ran, and the peer was taken for dead.
#[tokio::test(start_paused = true)]
async fn a_slow_on_message_does_not_cost_a_live_peer_its_connection() {
    let handler = Handler::on_message(|conn: Conn, message: Message| async move {
        sleep(Duration::from_secs(600)).await;
        conn.send(message).await?;
        Ok(())
    });
    let mut client = connect(&handler).await;
    let start = Instant::now();
    client.text("take your time").await;
    let mut pings = 0;
    let reply = loop {
        match client.next().await {
            Frame::Ping(payload) => {
                pings += 1;
                client.pong(&payload).await;
            }
            reply => break reply,
        }
    };
    assert_eq!(reply, Frame::text("take your time"));
    assert_eq!(start.elapsed().as_secs(), 600, "ten pong timeouts");
    assert!(pings >= 19, "{pings}");
    client.bye().await;
}

/// E-B10: nor does a peer wait for its own pongs meanwhile.
#[tokio::test(start_paused = true)]
async fn a_slow_on_message_does_not_delay_the_answer_to_a_ping_or_to_a_close() {
    let (release, released) = tokio::sync::watch::channel(());
    let handler = Handler::on_message(move |_, _| {
        let mut released = released.clone();
        async move { Ok(released.changed().await?) }
    });
    let mut client = connect(&handler).await;
    let start = Instant::now();
    client.text("hello").await;
    client.ping(b"still there?").await;
    assert_eq!(client.next().await, Frame::Pong(b"still there?".to_vec()));
    client.bye().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(release);
}

/// E-B11: the rest of a message was dropped, and reading after the end crashed.
#[tokio::test]
async fn a_read_with_a_short_buffer_loses_nothing_and_one_after_the_end_is_the_end() {
    let (told, mut read) = mpsc::channel(1);
    let handler = Handler::stream(move |conn, incoming| {
        let told = told.clone();
        async move {
            let mut io = conn.io(incoming, MessageMode::Text);
            let (mut all, mut short) = (Vec::new(), [0; 3]);
            loop {
                match io.read(&mut short).await? {
                    0 => break,
                    count => all.extend_from_slice(&short[..count]),
                }
            }
            assert_eq!(io.read(&mut short).await?, 0);
            told.send(all).await?;
            Ok(())
        }
    });
    let mut client = connect(&handler).await;
    for text in ["a long message", "b", "another one"] {
        client.text(text).await;
    }
    client.bye().await;
    assert_eq!(read.recv().await.unwrap(), b"a long messagebanother one");
}

/// E-B12: it could only answer 500.
#[tokio::test]
async fn on_connect_may_refuse_with_any_status() {
    for status in [200, 204, 302, 400, 401, 403, 404, 410, 418, 429, 500, 502, 503, 599] {
        let handler = asked(move |_| {
            Err(Reject::new(StatusCode::from_u16(status)?, if status == 204 { "" } else { "no" })
                .header(header::LOCATION, HeaderValue::from_static("/elsewhere")))
        });
        let answer = answer_to(&handler, &request()).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (status, Some("/elsewhere")));
    }
}

/// E-B13: a global of the package, read and written without a lock.
#[tokio::test]
async fn debug_is_per_handler() {
    let (quiet, _events) = Probe::handler("on_connect", "");
    let talkative = quiet.clone().debug(true);
    assert_eq!(answer_to(&talkative, &request()).await.body, "the password is 1234");
    assert_eq!(answer_to(&quiet, &request()).await.body, "Internal Server Error");
    assert_eq!(answer_to(&talkative.debug(false), &request()).await.body, "Internal Server Error");
}

/// E-B14.
#[tokio::test]
async fn a_panic_in_any_callback_ends_its_connection_and_no_other() {
    for place in ["on_open", "on_message", "on_pong", "on_error", "on_close"] {
        let (panicking, mut events) =
            Probe::handler(if place == "on_error" { "on_message" } else { "" }, place);
        let bystanders = echo();
        let mut bystander = connect(&bystanders).await;
        let mut client = connect(&panicking).await;
        opened(&mut events).await.ping();
        if place == "on_close" {
            client.bye().await;
        } else {
            client.text("hello").await;
            let close = loop {
                match client.next().await {
                    Frame::Ping(payload) => client.pong(&payload).await,
                    Frame::Text(_) => {}
                    other => break other,
                }
            };
            assert_eq!(close, Frame::close(1011, ""), "{place}");
            client.close(1011, "").await;
            assert_eq!(client.next().await, Frame::End, "{place}");
        }
        let closed = closed(&mut events).await;
        match place {
            "on_close" => assert!(closed.cause().is_none(), "{closed:?}"),
            "on_error" => assert!(matches!(closed.cause(), Some(Cause::Callback(_))), "{closed:?}"),
            _ => assert!(matches!(closed.cause(), Some(Cause::Panic)), "{closed:?}"),
        }
        bystander.echoes("unharmed").await;
        bystander.bye().await;
        // The same handler goes on too, and counts this one as gone.
        let events = all(panicking.clone(), events);
        drop(panicking);
        assert!(events.await.is_empty(), "on_close was the last one");
    }
}

/// E-B14: there were no counts.
#[tokio::test]
async fn a_panic_releases_what_the_connection_was_counted_for() {
    let (handler, mut events) = Probe::handler("", "on_close");
    connect(&handler).await.bye().await;
    closed(&mut events).await;
    while handler.stats().open > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(handler.stats().accepted, 1);
}
