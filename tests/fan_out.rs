//! Messages to many over TCP, where whoever sends may also write: order, counts, and members that do not read.

mod support;

use std::{pin::pin, task::Poll};

use gustnado::{Conn, Connector, Handler, Handshake, Hub, Reject, async_trait};
use support::{Client, Frame, request};
use tokio::net::{TcpListener, TcpStream};

/// Is in the room from the beginning, and says nothing.
struct Member;

#[async_trait]
impl Connector for Member {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.join("room")?;
        Ok(())
    }
}

/// A room of `members`, each with a connection of TCP.
async fn room(members: usize) -> (Hub, Handler, Vec<Client<TcpStream>>) {
    room_of(members, |handler| handler, &request()).await
}

/// As [`room`], with knobs and a request of one's own.
async fn room_of(
    members: usize,
    turn: impl FnOnce(Handler) -> Handler,
    request: &str,
) -> (Hub, Handler, Vec<Client<TcpStream>>) {
    let hub = Hub::new();
    // As much as a test sends may wait.
    let handler = turn(Handler::new(|| Member).hub(&hub).outbox_limits(1 << 30, 1 << 20));
    let app = axum::Router::new().fallback_service(handler.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut clients = Vec::new();
    for _ in 0..members {
        let stream = TcpStream::connect(address).await.expect("a connection");
        clients.push(Client::new(stream).upgrade(request).await);
    }
    while hub.counts().connections < members || hub.room("room").connections().len() < members {
        tokio::task::yield_now().await;
    }
    // Now all have slept at least once.
    for client in &mut clients {
        client.ping(b"").await;
        client.next().await;
    }
    (hub, handler, clients)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_see_what_several_tasks_send_in_one_order_and_it_is_counted() {
    // More than one task writes to.
    const MEMBERS: usize = 150;
    const EACH: usize = 100;
    let (hub, handler, clients) = room(MEMBERS).await;
    for sender in ["a", "b"] {
        let hub = hub.clone();
        tokio::spawn(async move {
            for i in 0..EACH {
                let report = hub.room("room").send(format!("{sender}{i}")).await;
                assert_eq!(report.queued, MEMBERS);
                tokio::task::yield_now().await;
            }
        });
    }
    let mut first: Option<Vec<Frame>> = None;
    for mut client in clients {
        let mut seen = Vec::new();
        for _ in 0..2 * EACH {
            seen.push(client.next().await);
        }
        assert_eq!(*first.get_or_insert_with(|| seen.clone()), seen);
    }
    let sent = 2 * EACH as u64;
    let counted = || hub.room("room").connections().iter().all(|conn| conn.traffic().messages_sent == sent);
    while !counted() || handler.stats().traffic.messages_sent != sent * MEMBERS as u64 {
        tokio::task::yield_now().await;
    }
}

#[cfg(feature = "deflate")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_with_context_takeover_get_what_only_their_sessions_can_compress() {
    let compression = gustnado::Compression::new().server_context_takeover(true).min_size(1);
    let (hub, mut clients) = {
        let offer =
            request().replace("Upgrade: w", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: w");
        let (hub, _, clients) = room_of(2, |handler| handler.compression(compression), &offer).await;
        (hub, clients)
    };
    for _ in 0..3 {
        hub.room("room").send("the quick brown fox jumps over the lazy dog, the quick brown fox").await;
        for client in &mut clients {
            let frame = client.next().await;
            assert!(
                matches!(frame, Frame::Odd(0xC1, _)),
                "compressed, and without waiting for the next: {frame:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_does_not_read_holds_up_nobody_and_gets_everything_whole_when_it_does() {
    const MESSAGES: usize = 400;
    let (hub, _, mut clients) = room(3).await;
    let text = |i: usize| format!("{i} {}", "x".repeat(50_000));
    let sender = hub.clone();
    let sent = tokio::spawn(async move {
        for i in 0..MESSAGES {
            assert_eq!(sender.room("room").send(text(i)).await.queued, 3);
            if i % 50 == 0 {
                sender.room("room").connections().iter().for_each(Conn::ping);
            }
            tokio::task::yield_now().await;
        }
    });
    // The last one does not read before the others have got all of it.
    for client in &mut clients {
        let mut next = 0;
        while next < MESSAGES {
            let frame = client.next().await;
            if matches!(frame, Frame::Ping(_)) {
                continue;
            }
            assert_eq!(frame, Frame::text(&text(next)));
            next += 1;
        }
    }
    sent.await.expect("no panic");
    for client in &mut clients {
        client.bye().await;
    }
}

#[tokio::test]
async fn what_one_task_sends_to_a_member_and_to_its_room_arrives_in_its_order() {
    let (hub, _, mut clients) = room(2).await;
    let conns = hub.room("room").connections();
    for i in 0..100 {
        hub.room("room").send(format!("room {i}")).await;
        for conn in &conns {
            conn.send(format!("conn {i}")).await.expect("room in the outbox");
        }
    }
    for client in &mut clients {
        for i in 0..100 {
            assert_eq!(client.next().await, Frame::text(&format!("room {i}")));
            assert_eq!(client.next().await, Frame::text(&format!("conn {i}")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_outside_of_the_runtime_may_send_to_a_room() {
    let (hub, _, mut clients) = room(3).await;
    let sender = hub.clone();
    std::thread::spawn(move || {
        let room = sender.room("room");
        let sent = pin!(room.send("from outside"));
        let polled = sent.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(matches!(polled, Poll::Ready(report) if report.queued == 3));
    });
    for client in &mut clients {
        assert_eq!(client.next().await, Frame::text("from outside"));
    }
}

#[tokio::test]
async fn a_close_follows_what_the_room_was_sent_before() {
    let (hub, _, mut clients) = room(3).await;
    hub.room("room").send("last words").await;
    for conn in hub.room("room").connections() {
        conn.close(1000, "bye").expect("a code that may be sent");
    }
    for client in &mut clients {
        assert_eq!(client.next().await, Frame::text("last words"));
        assert_eq!(client.next().await, Frame::close(1000, "bye"));
    }
}
