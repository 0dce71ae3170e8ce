//! Closing under difficulties: a callback that is busy, a transport that is stuck, a close from another thread; and
//! what wakes a session.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use gustnado::{Cause, ClosedBy, Conn, Connector, Disconnect, Handler, Message, SlowReader, async_trait};
use support::{BINARY, Frame, connect, frame};
use tokio::{
    sync::{Notify, mpsc},
    task::coop::{consume_budget, has_budget_remaining},
    time::timeout,
};

/// Gives its connection to the test, and waits in every callback until it is let go.
struct Waits {
    conns: mpsc::Sender<Conn>,
    messages: Arc<AtomicUsize>,
    release: Arc<Notify>,
    when: When,
}

#[derive(Clone, Copy, PartialEq)]
enum When {
    OnOpen,
    OnMessage,
    /// It waits in `on_message` and then closes.
    BeforeItCloses,
    Never,
}

#[async_trait]
impl Connector for Waits {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = self.conns.send(conn.clone()).await;
        if self.when == When::OnOpen {
            self.release.notified().await;
        }
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, _: Message) -> Result<(), Disconnect> {
        self.messages.fetch_add(1, SeqCst);
        if matches!(self.when, When::OnMessage | When::BeforeItCloses) {
            self.release.notified().await;
        }
        if self.when == When::BeforeItCloses {
            conn.close(4000, "")?;
        }
        Ok(())
    }
}

struct Test {
    handler: Handler,
    conns: mpsc::Receiver<Conn>,
    messages: Arc<AtomicUsize>,
    release: Arc<Notify>,
}

fn waits(when: When) -> Test {
    let (conns, receiver) = mpsc::channel(1);
    let messages = Arc::new(AtomicUsize::new(0));
    let release = Arc::new(Notify::new());
    let handler = {
        let (messages, release) = (messages.clone(), release.clone());
        Handler::new(move || Waits {
            conns: conns.clone(),
            messages: messages.clone(),
            release: release.clone(),
            when,
        })
    };
    Test { handler, conns: receiver, messages, release }
}

/// Virtual time passes once no task has anything to do.
async fn quiet() {
    let _ = timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_is_not_delivered_after_the_callback_has_closed() {
    let mut test = waits(When::BeforeItCloses);
    let mut client = connect(&test.handler).await;
    client.write(&frame(BINARY, b"x").repeat(3)).await;
    let conn = test.conns.recv().await.expect("on_open");
    quiet().await;
    test.release.notify_one();
    assert_eq!(client.next().await, Frame::close(4000, ""));
    client.close(4000, "").await;
    let closed = conn.closed().await;
    assert!(closed.was_clean());
    assert_eq!(test.messages.load(SeqCst), 1);
    assert_eq!(closed.traffic().ignored, 2);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_close_is_read_while_a_callback_is_busy_and_enough_was_read_ahead() {
    let mut test = waits(When::OnMessage);
    test.handler = test.handler.read_ahead(100);
    let mut client = connect(&test.handler).await;
    client.write(&frame(BINARY, &[0; 100]).repeat(3)).await;
    let conn = test.conns.recv().await.expect("on_open");
    quiet().await;
    conn.close(4000, "").expect("4000 may travel");
    assert_eq!(client.next().await, Frame::close(4000, ""));
    client.close(4000, "").await;
    let closed = timeout(Duration::from_secs(1), conn.closed()).await.expect("the answer was read");
    assert!(closed.was_clean(), "{closed:?}");
    test.release.notify_one();
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_is_the_transports_doing() {
    let mut test = waits(When::OnOpen);
    // Nothing is read while the callback waits, so that only the write can tell.
    test.handler = test.handler.read_ahead(0);
    let client = connect(&test.handler).await;
    let conn = test.conns.recv().await.expect("on_open");
    drop(client);
    conn.send("to nobody").await.expect("room");
    let closed = conn.closed().await;
    assert!(matches!(closed.cause(), Some(Cause::Transport(_))), "{closed:?}");
    assert_eq!((closed.by(), closed.code().as_u16()), (ClosedBy::Transport, 1006));
    test.release.notify_one();
}

/// Uses up what tokio lets a task do before it has to yield.
struct Greedy(mpsc::Sender<Conn>);

#[async_trait]
impl Connector for Greedy {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = self.0.send(conn.clone()).await;
        while has_budget_remaining() {
            consume_budget().await;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_noticed_even_if_a_callback_used_up_the_tasks_budget() {
    let (conns, mut receiver) = mpsc::channel(1);
    let _client = connect(&Handler::new(move || Greedy(conns.clone()))).await;
    let conn = receiver.recv().await.expect("on_open");
    let closed = timeout(Duration::from_secs(61), conn.closed()).await.expect("dead after 60 s");
    assert!(matches!(closed.cause(), Some(Cause::PongTimeout)), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_set_while_the_transport_is_stuck_counts_at_once() {
    let mut test = waits(When::Never);
    test.handler = test.handler.ping_interval(None).pong_timeout(None).slow_reader(SlowReader::DropNewest);
    let _client = connect(&test.handler).await;
    let conn = test.conns.recv().await.expect("on_open");
    while conn.try_send(vec![0; 4096]).is_ok() {}
    quiet().await;
    conn.set_pong_timeout(Duration::from_secs(1));
    let closed = timeout(Duration::from_secs(2), conn.closed()).await.expect("dead after 1 s");
    assert!(matches!(closed.cause(), Some(Cause::PongTimeout)), "{closed:?}");
}

/// The session may be anywhere when the close comes, most of all between two looks at the outbox.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_close_from_another_thread_is_the_first_whenever_it_comes() {
    for round in 0..2000 {
        let mut test = waits(When::Never);
        let mut client = connect(&test.handler).await;
        let conn = test.conns.recv().await.expect("on_open");
        let closer = std::thread::spawn({
            let conn = conn.clone();
            move || {
                for _ in 0..round % 50 {
                    let _ = conn.try_send("x");
                }
                conn.close(4001, "").expect("4001 may travel");
            }
        });
        let frame = loop {
            let frame = client.next().await;
            if matches!(frame, Frame::Close(_)) {
                break frame;
            }
        };
        assert_eq!(frame, Frame::close(4001, ""));
        client.close(3999, "").await;
        let closed = conn.closed().await;
        assert_eq!((closed.by(), closed.code().as_u16()), (ClosedBy::Local, 4001), "round {round}");
        closer.join().expect("no panic");
    }
}

/// The session may be about to sleep when the message comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_from_another_thread_wakes_the_session_whenever_it_comes() {
    let mut test = waits(When::Never);
    let mut client = connect(&test.handler).await;
    let conn = test.conns.recv().await.expect("on_open");
    for round in 0..20_000_u32 {
        let text = round.to_string();
        conn.send(&*text).await.expect("room");
        let next = timeout(Duration::from_secs(20), client.next()).await.expect("the session slept on");
        assert_eq!(next, Frame::Text(text));
    }
    client.bye().await;
}
