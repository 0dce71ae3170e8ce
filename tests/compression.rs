//! permessage-deflate (RFC 7692): what is agreed, what is compressed, and for whom.

mod support;

use std::sync::Arc;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use gustnado::{
    Compression, Conn, Connector, Disconnect, Handler, Handshake, Hub, Message, Reject, SlowReader, Traffic,
    async_trait,
};
use http::StatusCode;
use support::{BINARY, Client, Frame, TEXT, answer_to, asked, connect, echo, fragment, request_with};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};

const OFFER: &str = "permessage-deflate";
const NONE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn takeover() -> Compression {
    Compression::new().server_context_takeover(true).client_context_takeover(true).min_size(1)
}

fn offering(offer: &str) -> String {
    request_with("/ws", &[&format!("Sec-WebSocket-Extensions: {offer}")])
}

/// What is answered to an offer.
async fn agreed(handler: &Handler, offer: &str) -> Option<String> {
    let answer = answer_to(handler, &offering(offer)).await;
    assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
    answer.header("sec-websocket-extensions").map(Into::into)
}

/// A client that compresses, with or without context takeover.
struct Peer<T = DuplexStream> {
    client: Client<T>,
    takeover: bool,
    inflate: Decompress,
    deflate: Compress,
}

const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

impl Peer {
    async fn connect(handler: &Handler, offer: &str) -> Self {
        Self::open(Client::new(support::serve(handler.clone())), &offering(offer)).await
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    async fn open(mut client: Client<T>, request: &str) -> Self {
        let answer = client.ask(request).await;
        let extensions = answer.header("sec-websocket-extensions").expect("an agreement");
        let takeover = !extensions.contains("no_context_takeover");
        let inflate = Decompress::new(false);
        Self { client, takeover, inflate, deflate: Compress::new(flate2::Compression::new(6), false) }
    }

    fn compressed(&mut self, content: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.deflate.reset();
        }
        let mut out = Vec::with_capacity(content.len() + 100);
        self.deflate.compress_vec(content, &mut out, FlushCompress::Sync).unwrap();
        out.strip_suffix(&TAIL).expect("a whole flush").to_vec()
    }

    async fn send(&mut self, content: &str) {
        let mut frame = support::frame(TEXT, &self.compressed(content.as_bytes()));
        frame[0] |= 0x40;
        self.client.write(&frame).await;
    }

    /// The next message, whether it was compressed, and its payload's bytes on the wire.
    async fn next(&mut self) -> (String, bool, usize) {
        match self.client.next().await {
            Frame::Text(text) => (text.clone(), false, text.len()),
            Frame::Odd(0xC1, payload) => (self.inflated(&payload), true, payload.len()),
            other => panic!("{other:?}"),
        }
    }

    fn inflated(&mut self, payload: &[u8]) -> String {
        if !self.takeover {
            self.inflate.reset(false);
        }
        let mut out = Vec::with_capacity(1 << 20);
        let payload = [payload, &TAIL].concat();
        self.inflate.decompress_vec(&payload, &mut out, FlushDecompress::Sync).unwrap();
        String::from_utf8(out).unwrap()
    }

    async fn echoes(&mut self, text: &str) -> (bool, usize) {
        self.send(text).await;
        let (back, compressed, len) = self.next().await;
        assert_eq!(back, text);
        (compressed, len)
    }
}

fn words(len: usize) -> String {
    "the quick brown fox jumps over the lazy dog, ".chars().cycle().take(len).collect()
}

#[tokio::test]
async fn an_offer_is_taken_up_by_default_and_without_one_nothing_is_answered() {
    assert_eq!(agreed(&echo(), OFFER).await.as_deref(), Some(NONE));
    assert_eq!(agreed(&echo(), "x-other").await, None);
    let answer = answer_to(&echo(), &support::request()).await;
    assert_eq!(answer.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn a_server_without_compression_answers_nothing_and_takes_nothing_compressed() {
    let handler = echo().compression(None);
    assert_eq!(agreed(&handler, OFFER).await, None);
    let mut client = support::connect_with(&handler, &offering(OFFER)).await;
    client.write(&[0xC1, 0x80, 0, 0, 0, 0]).await;
    assert_eq!(client.next().await, Frame::close(1002, "a reserved bit is set"));
}

#[tokio::test]
async fn a_malformed_list_of_extensions_is_answered_with_400() {
    for malformed in ["permessage-deflate;", "a b", "permessage-deflate; server_max_window_bits=\"10"] {
        let answer = answer_to(&echo(), &offering(malformed)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{malformed}");
        assert_eq!(answer.header("sec-websocket-extensions"), None);
    }
}

#[tokio::test]
async fn offers_on_several_lines_are_one_list() {
    let lines = [
        "Sec-WebSocket-Extensions: permessage-deflate; nonsense",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10",
    ];
    let answer = answer_to(&echo(), &request_with("/ws", &lines)).await;
    let expected = format!("{NONE}; server_max_window_bits=10");
    assert_eq!(answer.header("sec-websocket-extensions"), Some(&*expected));
}

#[tokio::test]
async fn messages_come_back_compressed_from_512_bytes_on() {
    let mut peer = Peer::connect(&echo(), OFFER).await;
    assert_eq!(peer.echoes(&words(511)).await, (false, 511));
    let (compressed, len) = peer.echoes(&words(512)).await;
    assert!(compressed && len < 100, "{len}");
    assert_eq!(peer.echoes("").await, (false, 0));
    let (compressed, len) = peer.echoes(&words(60_000)).await;
    assert!(compressed && len < 1000, "{len}");
}

#[tokio::test]
async fn what_does_not_become_smaller_is_sent_as_it_is() {
    let handler = echo().compression(Compression::new().min_size(1));
    let mut peer = Peer::connect(&handler, OFFER).await;
    assert_eq!(peer.echoes("short").await, (false, 5));
    assert!(peer.echoes(&words(100)).await.0);
}

#[tokio::test]
async fn a_higher_level_makes_smaller_messages() {
    let text: String = (0..2000).map(|n| format!("{{\"id\":{},\"x\":{}}},", n * n % 997, n % 13)).collect();
    let mut sizes = Vec::new();
    for level in [1, 6, 9] {
        let mut peer = Peer::connect(&echo().compression(Compression::new().level(level)), OFFER).await;
        sizes.push(peer.echoes(&text).await.1);
    }
    assert!(sizes[0] > sizes[1] && sizes[1] >= sizes[2], "{sizes:?}");
}

#[tokio::test]
async fn with_context_takeover_a_repeated_message_is_a_few_bytes_in_both_directions() {
    let mut peer = Peer::connect(&echo().compression(takeover()), OFFER).await;
    assert!(peer.takeover);
    let text: String = (0..100).map(|n| format!("{} ", n * 7919)).collect();
    let (_, first) = peer.echoes(&text).await;
    let (compressed, second) = peer.echoes(&text).await;
    assert!(compressed && second < first / 10, "{first}, then {second}");
    assert!(peer.compressed(text.as_bytes()).len() < 20, "the client's own way is as short");
}

#[tokio::test]
async fn a_client_that_wants_no_context_takeover_gets_none() {
    let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let handler = echo().compression(takeover());
    assert_eq!(agreed(&handler, offer).await.as_deref(), Some(NONE));
    let mut peer = Peer::connect(&handler, offer).await;
    let (_, first) = peer.echoes(&words(600)).await;
    assert_eq!(peer.echoes(&words(600)).await.1, first);
}

#[tokio::test]
async fn messages_in_flight_with_context_takeover_come_back_in_order() {
    let mut peer = Peer::connect(&echo().compression(takeover()), OFFER).await;
    for round in 0..5 {
        let texts: Vec<_> = (0..300).map(|n| format!("message {n} of round {round}, {}", words(n))).collect();
        let mut batch = Vec::new();
        for text in &texts {
            let mut frame = support::frame(TEXT, &peer.compressed(text.as_bytes()));
            frame[0] |= 0x40;
            batch.extend(frame);
        }
        // Both directions at once: the transport takes less than all of it.
        let (mut read, mut write) =
            tokio::io::split(std::mem::replace(&mut peer.client.io, tokio::io::duplex(1).0));
        let writing = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut write, &batch).await.unwrap();
            write
        });
        let mut frames = Client::new(tokio::io::join(&mut read, tokio::io::sink()));
        for text in &texts {
            let Frame::Odd(0xC1, payload) = frames.next().await else { panic!("not compressed") };
            assert_eq!(peer.inflated(&payload), *text);
        }
        peer.client.io = read.unsplit(writing.await.unwrap());
    }
}

/// Turns compression off, or a limit down, where there is a say.
struct Turned {
    connect: bool,
    open: bool,
    limit: Option<usize>,
}

#[async_trait]
impl Connector for Turned {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        if self.connect {
            handshake.set_compression(None);
        }
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        if self.open {
            conn.set_compression(false);
        }
        if let Some(limit) = self.limit {
            conn.set_max_message_size(limit);
        }
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        match message.text()? {
            "on" => conn.set_compression(true),
            "agreed?" => conn.send(conn.is_compressed().to_string()).await?,
            _ => conn.send(message).await?,
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_connection_may_refuse_compression_in_its_handshake() {
    let handler = Handler::new(|| Turned { connect: true, open: false, limit: None });
    assert_eq!(agreed(&handler, OFFER).await, None);
    connect(&handler).await.text("agreed?").await;
}

#[tokio::test]
async fn a_connection_may_turn_its_own_compression_off_and_on_again() {
    for options in [Compression::new(), takeover()] {
        let handler =
            Handler::new(|| Turned { connect: false, open: true, limit: None }).compression(options);
        let mut peer = Peer::connect(&handler, OFFER).await;
        assert!(!peer.echoes(&words(1000)).await.0, "what the client sends is its own affair");
        peer.send("agreed?").await;
        assert_eq!(peer.next().await.0, "true");
        peer.send("on").await;
        assert!(peer.echoes(&words(1000)).await.0);
    }
}

#[tokio::test]
async fn a_limit_that_on_open_sets_holds_for_what_is_inflated() {
    let handler = Handler::new(|| Turned { connect: false, open: false, limit: Some(1000) });
    let mut peer = Peer::connect(&handler, OFFER).await;
    peer.echoes(&words(1000)).await;
    peer.send(&words(1001)).await;
    assert_eq!(peer.client.next().await, Frame::close(1009, "a message of more than 1000 bytes"));
}

#[tokio::test]
async fn a_message_in_compressed_fragments_is_one_message() {
    let mut peer = Peer::connect(&echo(), OFFER).await;
    let payload = peer.compressed(words(3000).as_bytes());
    let mut first = fragment(false, TEXT, &payload[..10]);
    first[0] |= 0x40;
    peer.client.write(&first).await;
    peer.client.ping(b"between").await;
    peer.client.write(&fragment(false, 0, b"")).await;
    peer.client.write(&fragment(true, 0, &payload[10..])).await;
    assert_eq!(peer.client.next().await, Frame::Pong(b"between".to_vec()));
    assert_eq!(peer.next().await.0, words(3000));
}

#[tokio::test]
async fn what_cannot_be_inflated_closes_with_1007() {
    let mut peer = Peer::connect(&echo(), OFFER).await;
    let mut frame = support::frame(BINARY, b"this is no stream of blocks");
    frame[0] |= 0x40;
    peer.client.write(&frame).await;
    assert_eq!(peer.client.next().await, Frame::close(1007, "a compressed message that cannot be inflated"));
}

/// Joins a room and says so.
struct Member;

#[async_trait]
impl Connector for Member {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.join("room").map_err(|_| Reject::new(StatusCode::FORBIDDEN, ""))
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        Ok(conn.send("joined").await?)
    }
}

#[tokio::test]
async fn a_broadcast_is_compressed_once_for_each_set_of_parameters_however_many_get_it() {
    let hub = Hub::new();
    let shared = Handler::new(|| Member).hub(&hub);
    let own = shared.clone().compression(takeover());
    let mut peers = Vec::new();
    let mut plain = Vec::new();
    for _ in 0..5 {
        plain.push(connect(&shared).await);
        for offer in [
            OFFER,
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=12",
        ] {
            peers.push(Peer::connect(&shared, offer).await);
        }
        peers.push(Peer::connect(&own, OFFER).await);
    }
    for client in &mut plain {
        assert_eq!(client.next().await, Frame::text("joined"));
    }
    for peer in &mut peers {
        assert_eq!(peer.next().await.0, "joined");
    }
    // What fits into the smallest window is the same for all of them.
    for (len, times) in [(100, 0), (512, 1), (4096, 2), (20_000, 3)] {
        let before = hub.counts();
        let text = words(len);
        let report = hub.room("room").send(&*text).await;
        assert_eq!(report.queued, 25);
        let after = hub.counts();
        assert_eq!(
            (after.encoded - before.encoded, after.compressed - before.compressed),
            (1, times),
            "{len}"
        );
        for client in &mut plain {
            assert_eq!(client.next().await, Frame::text(&text));
        }
        for peer in &mut peers {
            let (got, compressed, _) = peer.next().await;
            assert_eq!(got, text);
            assert_eq!(compressed, peer.takeover || len >= 512);
        }
    }
    // Nobody is left who has agreed to it.
    drop(peers);
    while hub.counts().connections > 5 {
        tokio::task::yield_now().await;
    }
    let before = hub.counts().compressed;
    hub.everybody().send(&*words(4096)).await;
    assert_eq!(hub.counts().compressed, before);
}

#[tokio::test]
async fn a_room_over_tcp_reaches_members_with_and_without_a_context_in_order() {
    let hub = Hub::new();
    let shared = Handler::new(|| Member).hub(&hub);
    let own = shared.clone().compression(takeover());
    let app = axum::Router::new().route_service("/ws", shared).route_service("/own", own);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut peers = Vec::new();
    for path in ["/ws", "/own"].repeat(5) {
        let client = Client::new(TcpStream::connect(address).await.unwrap());
        let mut peer = Peer::open(client, &offering(OFFER).replacen("/ws", path, 1)).await;
        assert_eq!(peer.takeover, path == "/own");
        assert_eq!(peer.next().await.0, "joined");
        peers.push(peer);
    }
    for round in 0..50 {
        for number in 0..3 {
            hub.room("room").send(format!("{round}.{number}: {}", words(600))).await;
        }
        for peer in &mut peers {
            for number in 0..3 {
                let (text, compressed, len) = peer.next().await;
                assert_eq!(text, format!("{round}.{number}: {}", words(600)));
                assert!(compressed && (len < 40 || !peer.takeover || round == 0), "{len}");
            }
        }
    }
}

#[tokio::test]
async fn one_who_has_turned_compression_off_gets_a_broadcast_as_it_is() {
    let hub = Hub::new();
    let handler = Handler::new(|| Turned { connect: false, open: true, limit: None }).hub(&hub);
    let mut peer = Peer::connect(&handler, OFFER).await;
    peer.echoes("open").await;
    hub.everybody().send(&*words(1000)).await;
    assert_eq!(peer.next().await, (words(1000), false, 1000));
}

#[tokio::test]
async fn what_a_room_sends_during_on_open_is_compressed_behind_the_greeting() {
    struct Slow(Arc<Semaphore>);
    #[async_trait]
    impl Connector for Slow {
        async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
            conn.hub().everybody().send(words(700)).await;
            drop(self.0.acquire().await);
            Ok(conn.send(words(600)).await?)
        }
    }
    for options in [Compression::new(), takeover()] {
        let gate = Arc::new(Semaphore::new(0));
        let handler = {
            let gate = gate.clone();
            Handler::new(move || Slow(gate.clone())).compression(options)
        };
        let mut peer = Peer::connect(&handler, OFFER).await;
        gate.add_permits(1);
        for len in [600, 700] {
            let (text, compressed, _) = peer.next().await;
            assert_eq!((text.len(), compressed), (len, true));
        }
    }
}

/// Gives the test its connection, and how it ended.
struct Probe(mpsc::Sender<Conn>, mpsc::Sender<Traffic>);

#[async_trait]
impl Connector for Probe {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = self.0.send(conn.clone()).await;
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, closed: &gustnado::Closed) {
        let _ = self.1.send(*closed.traffic()).await;
    }
}

fn probe() -> (Handler, mpsc::Receiver<Conn>, mpsc::Receiver<Traffic>) {
    let (opened, conns) = mpsc::channel(1);
    let (closed, traffic) = mpsc::channel(1);
    let handler = Handler::new(move || Probe(opened.clone(), closed.clone())).compression(takeover());
    (handler, conns, traffic)
}

/// Each one different, and hard to compress.
fn numbers(number: u64) -> String {
    let mut x = number + 1;
    let mut text = format!("{number}:");
    while text.len() < 8000 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += &format!("{x:x}");
    }
    text
}

#[tokio::test]
async fn what_is_dropped_for_newer_ones_leaves_a_context_that_both_sides_know() {
    let (handler, mut conns, mut traffic) = probe();
    let mut peer = Peer::connect(&handler.slow_reader(SlowReader::DropOldest), OFFER).await;
    let conn = conns.recv().await.expect("on_open");
    conn.set_outbox_limits(200_000, 1024);
    for number in 0..1000 {
        conn.try_send(numbers(number)).expect("the oldest makes room");
        if number % 3 == 0 {
            tokio::task::yield_now().await;
        }
        assert!(conn.buffered() <= 200_000);
    }
    conn.close(1000, "").unwrap();
    let mut received = Vec::new();
    loop {
        match peer.client.next().await {
            Frame::Odd(0xC1, payload) => {
                let text = peer.inflated(&payload);
                let number: u64 = text.split_once(':').unwrap().0.parse().unwrap();
                assert_eq!(text, numbers(number));
                received.push(number);
            }
            Frame::Close(Some((1000, _))) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(received.is_sorted() && received.last() == Some(&999), "{received:?}");
    peer.client.close(1000, "").await;
    let traffic = traffic.recv().await.expect("on_close");
    assert_eq!(traffic.messages_sent, received.len() as u64);
    assert!(traffic.dropped_oldest > 0);
    assert_eq!(traffic.messages_sent + traffic.dropped_oldest, 1000, "{traffic:?}");
}

#[tokio::test]
async fn every_message_of_a_peer_that_does_not_read_is_counted() {
    let (handler, mut conns, mut traffic) = probe();
    let peer = Peer::connect(&handler, OFFER).await;
    let conn = conns.recv().await.expect("on_open");
    let mut queued = 0;
    let mut number = 0;
    while conn.try_send(numbers(number)).is_ok() {
        queued += 1;
        number += 1;
        tokio::task::yield_now().await;
    }
    assert!(conn.is_closing(), "too slow");
    drop(peer);
    let traffic = traffic.recv().await.expect("on_close");
    assert_eq!((traffic.messages_sent + traffic.unsent, traffic.dropped_newest), (queued, 1), "{traffic:?}");
}

#[tokio::test]
async fn a_close_goes_out_behind_what_was_queued_for_compression() {
    let (handler, mut conns, _traffic) = probe();
    let mut peer = Peer::connect(&handler, OFFER).await;
    let conn = conns.recv().await.expect("on_open");
    let texts: Vec<_> = (0..100).map(numbers).collect();
    for text in &texts {
        conn.try_send(&**text).unwrap();
    }
    conn.close(4000, "enough").unwrap();
    for text in &texts {
        assert_eq!(peer.next().await.0, *text);
    }
    assert_eq!(peer.client.next().await, Frame::close(4000, "enough"));
}

#[tokio::test]
async fn one_who_refuses_in_on_connect_answers_without_extensions() {
    let handler = asked(|_| Err(Reject::new(StatusCode::FORBIDDEN, "no")));
    let answer = answer_to(&handler, &offering(OFFER)).await;
    assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (StatusCode::FORBIDDEN, None));
}
