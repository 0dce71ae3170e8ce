//! Several WebSockets on one transport of HTTP/2: none stands in another's way, and each has an end of its own.

#[path = "support/listener.rs"]
mod listener;
mod support;

use std::time::Duration;

use bytes::Bytes;
use gustnado::{Cause, Closed, Conn, Handler, Message, Phase, serve};
use h2::{Reason, RecvStream, SendStream, client, ext::Protocol};
use http::Request;
use listener::{connect_over_http2, get, listen, run};
use support::{BINARY, Frame, TEXT, close_frame, frame};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// Echoes, and tells of each `on_close`. No pings, which a client would have to answer in virtual time.
fn told(ends: &mpsc::Sender<Closed>) -> Handler {
    let ends = ends.clone();
    Handler::builder()
        .on_message(|conn: Conn, message: Message| async move { Ok(conn.send(message).await?) })
        .on_disconnect(move |_, closed| {
            let ends = ends.clone();
            async move {
                let _ = ends.try_send(closed);
            }
        })
        .build()
        .ping_interval(None)
        .pong_timeout(None)
}

/// An end that was no close, of a connection that was open.
fn lost(closed: &Closed) -> bool {
    (closed.code().as_u16(), closed.was_clean(), closed.phase()) == (1006, false, Phase::Open)
}

#[tokio::test(start_paused = true)]
async fn a_websocket_whose_callback_is_busy_holds_up_no_other() {
    let (open, gate) = watch::channel(false);
    let handler = Handler::on_message(move |conn: Conn, message: Message| {
        let mut gate = gate.clone();
        async move {
            if message.text().is_err() {
                let _ = gate.wait_for(|open| *open).await;
            }
            Ok(conn.send(message).await?)
        }
    });
    let dialer = run(handler.ping_interval(None).pong_timeout(None));
    let (mut requests, _transport) = dialer.http2().await;
    let mut busy = Vec::new();
    for _ in 0..30 {
        let mut client = connect_over_http2(&mut requests).await;
        busy.push(tokio::spawn(async move {
            for _ in 0..20 {
                client.binary(&[0; 60_000]).await;
            }
            client
        }));
    }
    let mut free = connect_over_http2(&mut requests).await;
    // In virtual time this passes once nothing moves any more: each flood has used up its own window.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(busy.iter().all(|flood| !flood.is_finished()));
    let served = async {
        free.echoes("hello").await;
        requests.send_request(get()).await.expect("an answer");
    };
    timeout(Duration::from_secs(1), served).await.expect("the others' windows are their own");

    open.send_replace(true);
    for flood in busy {
        let mut client = flood.await.expect("all is read in the end");
        assert!(matches!(client.next().await, Frame::Binary(payload) if payload.len() == 60_000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_costs_its_outbox_and_holds_up_no_other() {
    let (ends, mut ended) = mpsc::channel(128);
    let (conns, mut opened) = mpsc::channel(128);
    let handler = Handler::builder()
        .on_open(move |conn| {
            let conns = conns.clone();
            async move { Ok(conns.try_send(conn)?) }
        })
        .on_message(|conn: Conn, message: Message| async move { Ok(conn.send(message).await?) })
        .on_disconnect(move |_, closed| {
            let ends = ends.clone();
            async move {
                let _ = ends.try_send(closed);
            }
        })
        .build();
    let dialer = run(handler);
    let (mut requests, _transport) = dialer.http2().await;
    let _slow = connect_over_http2(&mut requests).await;
    let mut other = connect_over_http2(&mut requests).await;
    let slow = opened.recv().await.expect("the first");

    let (message, mut sent) = (Bytes::from(vec![0; 60_000]), 0);
    while slow.try_send(message.clone()).is_ok() {
        sent += message.len();
        assert!(slow.buffered() <= 1 << 20);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The client's window, the outbox, and what is between.
    assert!(sent < 8 << 20, "{sent} bytes went out to nobody");
    let closed = ended.recv().await.expect("its end");
    assert!(matches!(closed.cause(), Some(Cause::SlowReader)), "{closed:?}");
    other.echoes("hello").await;
    other.bye().await;
}

/// A client that speaks in frames of HTTP/2.
struct Raw {
    requests: client::SendRequest<Bytes>,
    transport: JoinHandle<Result<(), h2::Error>>,
}

impl Raw {
    async fn dial(dialer: &listener::Dialer) -> Self {
        let (requests, transport) = client::handshake(dialer.dial().io).await.expect("HTTP/2");
        let transport = tokio::spawn(transport);
        let mut requests = requests.ready().await.expect("a transport");
        let (answer, _) = requests.send_request(get().map(drop), true).expect("a stream");
        answer.await.expect("an answer, after the settings");
        Self { requests, transport }
    }

    async fn open(&mut self) -> (SendStream<Bytes>, RecvStream) {
        let request = Request::connect("http://example.com/ws")
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(())
            .expect("a request");
        let (answer, mut send) = self.requests.send_request(request, false).expect("a stream");
        let mut receive = answer.await.expect("an answer").into_body();
        // It is open once it echoes.
        send.send_data(frame(TEXT, b"hello").into(), false).expect("a window");
        let echo = receive.data().await.expect("an echo").expect("an echo");
        assert_eq!(&echo[2..], b"hello");
        (send, receive)
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_ends_one_websocket_once_and_no_other() {
    let (ends, mut ended) = mpsc::channel(128);
    let dialer = run(told(&ends));
    let mut client = Raw::dial(&dialer).await;
    let (mut other, mut echoes) = client.open().await;
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::PROTOCOL_ERROR] {
        let (mut reset, _receive) = client.open().await;
        reset.send_reset(reason);
        let closed = ended.recv().await.expect("its end");
        assert!(lost(&closed), "{reason}: {closed:?}");
        assert!(matches!(closed.cause(), Some(Cause::Eof | Cause::Transport(_))), "{reason}: {closed:?}");
    }
    other.send_data(frame(TEXT, b"still here").into(), false).expect("a window");
    assert_eq!(&echoes.data().await.expect("an echo").expect("an echo")[2..], b"still here");
    assert!(ended.try_recv().is_err(), "nothing ended twice");
}

#[tokio::test(start_paused = true)]
async fn a_reset_finds_a_websocket_that_has_stopped_reading() {
    let (ends, mut ended) = mpsc::channel(128);
    let (open, gate) = watch::channel(false);
    let handler = Handler::builder()
        .on_message(move |conn: Conn, message: Message| {
            let mut gate = gate.clone();
            async move {
                if message.text().is_ok() {
                    return Ok(conn.send(message).await?);
                }
                // The callback watches for the end, as it should when it takes long.
                tokio::select! {
                    _ = gate.wait_for(|open| *open) => Ok(()),
                    _ = conn.closed() => Ok(()),
                }
            }
        })
        .on_disconnect(move |_, closed| {
            let ends = ends.clone();
            async move {
                let _ = ends.try_send(closed);
            }
        })
        .build();
    let dialer = run(handler);
    let mut client = Raw::dial(&dialer).await;
    let (mut send, _receive) = client.open().await;
    send.send_data(frame(BINARY, &[0; 30_000]).repeat(4).into(), false).expect("a window");
    tokio::time::sleep(Duration::from_secs(1)).await;
    send.send_reset(Reason::CANCEL);
    let closed = timeout(Duration::from_secs(60), ended.recv()).await.expect("before the pong timeout");
    assert!(lost(&closed.expect("its end")));
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_is_gone_ends_all_its_websockets_once_each() {
    let (ends, mut ended) = mpsc::channel(128);
    let handler = told(&ends);
    let dialer = run(handler.clone());
    drop(ends);
    let mut client = Raw::dial(&dialer).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(client.open().await);
    }
    client.transport.abort();
    for _ in 0..5 {
        assert!(lost(&ended.recv().await.expect("an end")));
    }
    assert_eq!(handler.stats().open, 0);
    assert!(ended.try_recv().is_err(), "nothing ended twice");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_follows_the_closing_handshake() {
    let (ends, mut ended) = mpsc::channel(128);
    let dialer = run(told(&ends));
    let mut client = Raw::dial(&dialer).await;
    let (mut send, mut receive) = client.open().await;
    send.send_data(close_frame(4001, "enough").into(), false).expect("a window");
    let answer = receive.data().await.expect("an answer").expect("an answer");
    assert_eq!(&answer[2..], [&4001_u16.to_be_bytes()[..], b"enough"].concat());
    let end = receive.data().await;
    assert!(matches!(&end, Some(Ok(nothing)) if nothing.is_empty()), "END_STREAM, no reset: {end:?}");
    assert!(receive.is_end_stream());
    let closed = ended.recv().await.expect("its end");
    assert_eq!((closed.code().as_u16(), closed.was_clean()), (4001, true));
}

#[tokio::test(start_paused = true)]
async fn no_more_streams_than_allowed_are_open_at_once() {
    let (dialer, listener) = listen();
    let (ends, _ended) = mpsc::channel(128);
    tokio::spawn(serve(listener, told(&ends)).into_future());
    let mut client = Raw::dial(&dialer).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(client.open().await);
    }
    assert!(timeout(Duration::from_secs(1), client.open()).await.is_err());
    drop(streams.pop());
    client.requests = timeout(Duration::from_secs(1), client.requests.clone().ready())
        .await
        .expect("room")
        .expect("HTTP/2");
    streams.push(client.open().await);
}
