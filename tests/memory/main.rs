//! Memory has bounds: what a peer can do, and what an application can offer it, costs what is configured.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod broadcast;
#[cfg(feature = "deflate")]
mod compressed;
mod counting;
#[path = "../support/mod.rs"]
mod support;

use std::{sync::Arc, time::Duration};

use counting::{GIB, KIB, MIB, Meter, alone};
use gustnado::{
    Cause, Closed, Conn, Connector, Disconnect, Handler, Message, SendError, SlowReader, Traffic, async_trait,
};
use support::{BINARY, Client, Frame, PING, PIPE, connect, fragment, frame};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::{Semaphore, mpsc},
};

/// What a test may use beside what is configured.
const SLACK: usize = 2 * MIB;

/// The outbox of the default configuration.
const OUTBOX: usize = MIB;

const READ_AHEAD: usize = 64 * KIB;
const MAX_MESSAGE: usize = 64 * KIB;
const ONE_READ: usize = 64 * KIB;

/// Gives the test its connection and the end of it, and counts what comes.
struct Probe {
    opened: mpsc::Sender<Conn>,
    closed: mpsc::Sender<Closed>,
    /// A message is counted once there is a permit.
    gate: Arc<Semaphore>,
    counts: mpsc::Sender<u64>,
    expected: u64,
    count: u64,
    pings: bool,
}

struct Test {
    handler: Handler,
    opened: mpsc::Receiver<Conn>,
    closed: mpsc::Receiver<Closed>,
    counts: mpsc::Receiver<u64>,
    gate: Arc<Semaphore>,
}

#[async_trait]
impl Connector for Probe {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = self.opened.send(conn.clone()).await;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        drop(self.gate.acquire().await);
        if let Some(number) = message.as_bytes().first_chunk() {
            assert_eq!(u64::from_be_bytes(*number), self.count, "in order");
        }
        self.count += 1;
        if self.pings {
            conn.ping();
        }
        if self.count == self.expected {
            let _ = self.counts.send(self.count).await;
        }
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        let _ = self.closed.send(closed.clone()).await;
    }
}

/// A handler whose connector counts up to `expected` messages; the gate is shut.
fn probe(expected: u64, pings: bool) -> Test {
    let (opened, opened_) = mpsc::channel(1);
    let (closed, closed_) = mpsc::channel(1);
    let (counts, counts_) = mpsc::channel(1);
    let gate = Arc::new(Semaphore::new(0));
    let handler = {
        let gate = gate.clone();
        Handler::new(move || Probe {
            opened: opened.clone(),
            closed: closed.clone(),
            gate: gate.clone(),
            counts: counts.clone(),
            expected,
            count: 0,
            pings,
        })
    };
    Test { handler, opened: opened_, closed: closed_, counts: counts_, gate }
}

const OFFERED: u64 = (GIB / (64 * KIB)) as u64;

/// A fresh buffer, so that one that is kept shows.
fn fresh() -> Message {
    Message::from(vec![0; 64 * KIB])
}

/// Offers 1 GiB to a peer that does not read; how often a send was taken, refused as full, and as closing.
async fn offer(conn: &Conn, wait: bool) -> [u64; 3] {
    let [mut queued, mut full, mut closing] = [0; 3];
    for _ in 0..OFFERED {
        let sent = if wait { conn.send(fresh()).await } else { conn.try_send(fresh()) };
        match sent {
            Ok(()) => queued += 1,
            Err(SendError::Full(_)) => full += 1,
            Err(SendError::Closing(_)) => closing += 1,
            Err(error) => panic!("{error}"),
        }
        if !wait {
            tokio::task::yield_now().await;
        }
    }
    [queued, full, closing]
}

fn assert_bounded(meter: &Meter, bound: usize) {
    let peak = meter.peak();
    println!("peak {} KiB of {} KiB", peak / KIB, bound / KIB);
    assert!(peak <= bound, "{} KiB at the peak, {} KiB allowed", peak / KIB, bound / KIB);
}

async fn closed_by_reset(client: Client, test: &mut Test) -> Traffic {
    drop(client);
    *test.closed.recv().await.expect("on_close").traffic()
}

#[test]
fn a_peer_that_does_not_read_is_disconnected_at_the_outbox_limit() {
    alone(async {
        let mut test = probe(0, false);
        let client = connect(&test.handler).await;
        let conn = test.opened.recv().await.expect("on_open");
        let meter = Meter::start();
        let [queued, full, closing] = offer(&conn, false).await;
        assert_bounded(&meter, OUTBOX + SLACK);
        let closed = test.closed.recv().await.expect("on_close");
        assert_eq!(closed.code(), 1013);
        assert!(matches!(closed.cause(), Some(Cause::SlowReader)), "{closed:?}");
        let traffic = closed.traffic();
        assert_eq!((full, traffic.dropped_newest), (1, 1));
        assert_eq!(traffic.messages_sent + traffic.unsent, queued);
        assert_eq!(queued + full + closing, OFFERED);
        drop(client);
    });
}

#[test]
fn dropping_the_newest_keeps_the_outbox_within_its_limit() {
    alone(async {
        let mut test = probe(0, false);
        let client = connect(&test.handler).await;
        let conn = test.opened.recv().await.expect("on_open");
        conn.set_slow_reader(SlowReader::DropNewest);
        let meter = Meter::start();
        let [queued, full, closing] = offer(&conn, false).await;
        assert_bounded(&meter, OUTBOX + SLACK);
        let traffic = closed_by_reset(client, &mut test).await;
        assert_eq!((queued + full, closing), (OFFERED, 0));
        assert_eq!(traffic.dropped_newest, full);
        assert_eq!(traffic.messages_sent + traffic.unsent, queued);
        assert!(queued <= 17, "one is half written, 15 fit: {queued}");
    });
}

#[test]
fn dropping_the_oldest_keeps_the_outbox_within_its_limit() {
    alone(async {
        let mut test = probe(0, false);
        let client = connect(&test.handler).await;
        let conn = test.opened.recv().await.expect("on_open");
        conn.set_slow_reader(SlowReader::DropOldest);
        let meter = Meter::start();
        let [queued, full, closing] = offer(&conn, false).await;
        assert_bounded(&meter, OUTBOX + SLACK);
        let traffic = closed_by_reset(client, &mut test).await;
        assert_eq!((queued, full, closing), (OFFERED, 0, 0));
        assert_eq!(traffic.dropped_newest, 0);
        assert_eq!(traffic.messages_sent + traffic.unsent + traffic.dropped_oldest, OFFERED);
        assert!(traffic.dropped_oldest >= OFFERED - 17, "{traffic:?}");
    });
}

#[test]
fn waiting_for_a_peer_that_does_not_read_holds_no_more_than_the_outbox() {
    alone(async {
        let mut test = probe(0, false);
        let client = connect(&test.handler).await;
        let conn = test.opened.recv().await.expect("on_open");
        conn.set_slow_reader(SlowReader::DropNewest);
        conn.set_pong_timeout(None);
        conn.set_write_timeout(Duration::from_millis(10));
        let meter = Meter::start();
        let [queued, full, closing] = offer(&conn, true).await;
        assert_bounded(&meter, OUTBOX + SLACK);
        let traffic = closed_by_reset(client, &mut test).await;
        assert_eq!((queued + full, closing), (OFFERED, 0));
        assert_eq!(traffic.dropped_newest, full);
        assert_eq!(traffic.messages_sent + traffic.unsent, queued);
    });
}

#[test]
fn waiting_in_vain_disconnects_and_frees_the_outbox() {
    alone(async {
        let mut test = probe(0, false);
        let client = connect(&test.handler).await;
        let conn = test.opened.recv().await.expect("on_open");
        conn.set_write_timeout(Duration::from_millis(10));
        let meter = Meter::start();
        let [queued, full, closing] = offer(&conn, true).await;
        assert_bounded(&meter, OUTBOX + SLACK);
        let closed = test.closed.recv().await.expect("on_close");
        assert_eq!(closed.code(), 1013);
        assert!(matches!(closed.cause(), Some(Cause::SlowReader)), "{closed:?}");
        assert_eq!((queued + full + closing, full), (OFFERED, 1));
        assert_eq!(closed.traffic().messages_sent + closed.traffic().unsent, queued);
        drop(client);
    });
}

#[test]
fn many_tiny_messages_cost_little_more_than_their_bytes() {
    alone(async {
        let mut test = probe(0, false);
        let client = connect(&test.handler).await;
        let conn = test.opened.recv().await.expect("on_open");
        conn.set_slow_reader(SlowReader::DropOldest);
        let meter = Meter::start();
        for _ in 0..1_000_000 {
            conn.try_send("x").expect("the oldest makes room");
        }
        assert_bounded(&meter, 256 * KIB);
        let traffic = closed_by_reset(client, &mut test).await;
        assert_eq!(traffic.messages_sent + traffic.unsent + traffic.dropped_oldest, 1_000_000);
    });
}

/// Sends `count` messages while the callback waits at the gate, then opens it.
async fn push_back(count: u64, message: impl Fn(u64) -> Vec<u8>) {
    let mut test = probe(count, false);
    let mut client = connect(&test.handler).await;
    let _conn = test.opened.recv().await.expect("on_open");
    let meter = Meter::start();
    let mut written = 0;
    {
        let mut write = std::pin::pin!(async {
            for number in 0..count {
                client.io.write_all(&message(number)).await.expect("the server reads");
                written = number + 1;
            }
        });
        // Virtual time passes once nothing else can happen: the client is stuck by then.
        let stuck = tokio::time::timeout(Duration::from_secs(1), &mut write).await.is_err();
        assert!(stuck, "the client was not pushed back");
        assert_bounded(&meter, READ_AHEAD + MAX_MESSAGE + ONE_READ + PIPE + SLACK);
        test.gate.add_permits(1);
        write.await;
    }
    assert_eq!(written, count);
    assert_eq!(test.counts.recv().await, Some(count));
    assert_bounded(&meter, READ_AHEAD + MAX_MESSAGE + ONE_READ + PIPE + SLACK);
    client.bye().await;
    let traffic = *test.closed.recv().await.expect("on_close").traffic();
    assert_eq!((traffic.messages_received, traffic.ignored), (count, 0));
}

/// A frame of `size` bytes whose payload begins with `number`; its mask is zero, which costs nothing.
fn numbered(size: usize, number: u64) -> Vec<u8> {
    let mut bytes = vec![0x82, 0xFF];
    bytes.extend_from_slice(&(size as u64).to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.resize(bytes.len() + size, 0);
    bytes[14..22].copy_from_slice(&number.to_be_bytes());
    bytes
}

#[test]
fn a_slow_callback_pushes_a_gigabyte_back_and_gets_it_in_order() {
    alone(async {
        push_back(OFFERED, |number| numbered(64 * KIB, number)).await;
    });
}

#[test]
fn a_slow_callback_pushes_small_messages_back_and_gets_them_in_order() {
    alone(async {
        push_back(200_000, |number| numbered(8, number)).await;
    });
}

#[test]
fn a_slow_callback_pushes_a_million_empty_messages_back() {
    alone(async {
        push_back(1_000_000, |_| frame(BINARY, b"")).await;
    });
}

#[test]
fn a_million_pings_of_a_peer_that_does_not_read_are_bounded() {
    alone(async {
        let mut test = probe(0, false);
        let mut client = connect(&test.handler).await;
        let _conn = test.opened.recv().await.expect("on_open");
        let batch = frame(PING, &[7; 125]).repeat(1000);
        let meter = Meter::start();
        for _ in 0..1000 {
            client.write(&batch).await;
        }
        assert_bounded(&meter, 256 * KIB);
        let traffic = closed_by_reset(client, &mut test).await;
        assert_eq!(traffic.messages_received, 0);
    });
}

#[test]
fn pings_for_every_message_of_a_peer_that_does_not_read_are_bounded() {
    alone(async {
        let mut test = probe(500_000, true);
        test.gate.add_permits(1);
        let mut client = connect(&test.handler).await;
        let _conn = test.opened.recv().await.expect("on_open");
        let one = frame(BINARY, b"");
        let meter = Meter::start();
        for _ in 0..500_000 {
            client.write(&one).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(test.counts.recv().await, Some(500_000));
        assert_bounded(&meter, 256 * KIB);
        closed_by_reset(client, &mut test).await;
    });
}

#[test]
fn a_frame_over_the_limit_reserves_nothing() {
    alone(async {
        let test = probe(0, false);
        let mut client = connect(&test.handler).await;
        let meter = Meter::start();
        let header = [&[0x82, 0xFF][..], &(GIB as u64).to_be_bytes(), &[0; 4]].concat();
        client.write(&header).await;
        assert_eq!(client.next().await, Frame::close(1009, "a message of more than 65536 bytes"));
        assert_bounded(&meter, 256 * KIB);
    });
}

#[test]
fn a_peer_that_trickles_costs_at_most_one_message() {
    alone(async {
        let mut test = probe(1, false);
        test.gate.add_permits(1);
        let mut client = connect(&test.handler).await;
        let meter = Meter::start();
        for byte in numbered(64 * KIB, 0) {
            client.write(&[byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(test.counts.recv().await, Some(1));
        assert_bounded(&meter, MAX_MESSAGE + ONE_READ + 64 * KIB);
        client.bye().await;
    });
}

#[test]
fn a_message_in_a_thousand_fragments_costs_at_most_two_messages() {
    alone(async {
        let mut test = probe(1, false);
        test.gate.add_permits(1);
        let mut client = connect(&test.handler).await;
        let pieces: Vec<_> =
            (0..1024).map(|nth| fragment(nth == 1023, if nth == 0 { BINARY } else { 0 }, &[0; 64])).collect();
        let meter = Meter::start();
        for piece in &pieces {
            client.write(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(test.counts.recv().await, Some(1));
        assert_bounded(&meter, 2 * MAX_MESSAGE + ONE_READ + 64 * KIB);
        client.bye().await;
    });
}

/// What one connection may hold while nothing happens, its `Conn`, connector, task and hyper's upgrade included;
/// the transport in memory is not.
const IDLE: usize = 4 * KIB;

#[test]
fn a_connection_that_is_idle_after_traffic_holds_little() {
    const CONNECTIONS: usize = 1000;
    alone(async {
        let echo = Handler::on_message(|conn: Conn, message: Message| async move {
            conn.send(message).await?;
            Ok(())
        });
        // The worker's read buffer and other things that are there once.
        let mut first = connect(&echo).await;
        echo_once(&mut first).await;

        let pipes = Meter::start();
        let mut measured = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            measured.push(filled_pipe().await);
        }
        let pipe = pipes.current() / CONNECTIONS;
        drop(measured);

        let mut clients = Vec::with_capacity(CONNECTIONS);
        let meter = Meter::start();
        for _ in 0..CONNECTIONS {
            let mut client = connect(&echo).await;
            echo_once(&mut client).await;
            clients.push(client);
        }
        quiet().await;
        let each = meter.current() / CONNECTIONS - pipe;
        println!("{each} bytes per idle connection, and {pipe} for its pipe");
        assert!(each <= IDLE, "{each} bytes per idle connection");
    });
}

async fn echo_once(client: &mut Client) {
    client.binary(&[7; 1024]).await;
    assert_eq!(client.next().await, Frame::Binary(vec![7; 1024]));
}

/// A transport whose buffers have been used as an echo uses them.
async fn filled_pipe() -> (DuplexStream, DuplexStream) {
    let (mut near, mut far) = duplex(PIPE);
    let mut data = [0; 1032];
    near.write_all(&data).await.expect("room");
    far.read_exact(&mut data).await.expect("data");
    far.write_all(&data).await.expect("room");
    near.read_exact(&mut data).await.expect("data");
    (near, far)
}

/// Virtual time passes once no task has anything to do.
async fn quiet() {
    let never = std::future::pending::<()>();
    let _ = tokio::time::timeout(Duration::from_millis(1), never).await;
}
