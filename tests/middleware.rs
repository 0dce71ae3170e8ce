//! Middleware around any connector, and closures registered for events.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use gustnado::{
    Closed, Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, async_trait,
    middleware::{Middleware, NextConnect, NextDisconnect, NextMessage, Stack},
};
use http::StatusCode;
use support::{Client, Frame, answer_to, connect, connect_with, request, request_with};
use tokio::sync::mpsc;

/// What the test is told, in order.
type Log = mpsc::Sender<String>;

fn log() -> (Log, mpsc::Receiver<String>) {
    mpsc::channel(100)
}

async fn logged(mut log: mpsc::Receiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = log.recv().await {
        let last = line == "connector: close";
        lines.push(line);
        if last {
            // What is said on the way out comes after.
            tokio::task::yield_now().await;
            while let Ok(line) = log.try_recv() {
                lines.push(line);
            }
            break;
        }
    }
    lines
}

/// Says what passes, on the way in and on the way out.
struct Trace(&'static str, Log);

#[async_trait]
impl Middleware for Trace {
    async fn on_connect(&self, handshake: &mut Handshake, next: NextConnect<'_>) -> Result<(), Reject> {
        let _ = self.1.try_send(format!("{} > connect", self.0));
        let result = next.run(handshake).await;
        let _ = self.1.try_send(format!("{} < connect {}", self.0, result.is_ok()));
        result
    }

    async fn on_message(
        &self,
        conn: &Conn,
        message: Message,
        next: NextMessage<'_>,
    ) -> Result<(), Disconnect> {
        let _ = self.1.try_send(format!("{} > {}", self.0, message.text()?));
        let result = next.run(conn, message).await;
        let _ = self.1.try_send(format!("{} < {}", self.0, result.is_ok()));
        result
    }

    async fn on_disconnect(&self, conn: &Conn, closed: &Closed, next: NextDisconnect<'_>) {
        let _ = self.1.try_send(format!("{} > close", self.0));
        next.run(conn, closed).await;
        let _ = self.1.try_send(format!("{} < close", self.0));
    }
}

/// Echoes and says so; "fail" fails.
struct Echo(Log);

#[async_trait]
impl Connector for Echo {
    async fn on_connect(&mut self, _: &mut Handshake) -> Result<(), Reject> {
        let _ = self.0.try_send("connector: connect".into());
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        let _ = self.0.try_send(format!("connector: {}", message.text()?));
        if message.text()? == "fail" {
            return Err(Disconnect::new(4000, "failed"));
        }
        conn.send(message).await?;
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, _: &Closed) {
        let _ = self.0.try_send("connector: close".into());
    }
}

fn echo(log: &Log) -> Handler {
    let log = log.clone();
    Handler::new(move || Echo(log.clone()))
}

async fn says(client: &mut Client, text: &str) -> Frame {
    client.text(text).await;
    client.next().await
}

#[tokio::test]
async fn the_first_is_outermost_on_each_event() {
    let (sender, lines) = log();
    let stack = Stack::new().with(Trace("a", sender.clone())).with(Trace("b", sender.clone()));
    let mut client = connect(&echo(&sender).middleware(stack)).await;
    assert_eq!(says(&mut client, "hi").await, Frame::text("hi"));
    client.bye().await;
    assert_eq!(
        logged(lines).await,
        [
            "a > connect",
            "b > connect",
            "connector: connect",
            "b < connect true",
            "a < connect true",
            "a > hi",
            "b > hi",
            "connector: hi",
            "b < true",
            "a < true",
            "a > close",
            "b > close",
            "connector: close",
            "b < close",
            "a < close",
        ]
    );
}

#[tokio::test]
async fn calls_of_a_handler_put_more_inside() {
    let (sender, lines) = log();
    let handler = echo(&sender).middleware(Trace("a", sender.clone())).middleware(Trace("b", sender.clone()));
    connect(&handler).await.bye().await;
    assert_eq!(logged(lines).await[..3], ["a > connect", "b > connect", "connector: connect"]);
}

#[tokio::test]
async fn one_that_does_not_call_next_stops_the_message_there() {
    let (sender, lines) = log();
    let stack = Stack::new()
        .with(Trace("outer", sender.clone()))
        .on_message(|conn, message, next| {
            Box::pin(async move {
                if message.len() > 3 {
                    conn.send("too long").await?;
                    return Ok(());
                }
                next.run(conn, message).await
            })
        })
        .with(Trace("inner", sender.clone()));
    let mut client = connect(&echo(&sender).middleware(stack)).await;
    assert_eq!(says(&mut client, "long").await, Frame::text("too long"));
    assert_eq!(says(&mut client, "hi").await, Frame::text("hi"));
    client.bye().await;
    let lines = logged(lines).await;
    assert!(lines.contains(&"outer > long".into()), "{lines:?}");
    assert!(!lines.contains(&"inner > long".into()), "{lines:?}");
    assert!(!lines.contains(&"connector: long".into()), "{lines:?}");
}

#[tokio::test]
async fn a_message_may_be_changed_on_its_way() {
    let (sender, _lines) = log();
    let stack = Stack::new().on_message(|conn, message, next| {
        Box::pin(async move {
            let louder = message.text()?.to_uppercase();
            next.run(conn, louder.into()).await
        })
    });
    let mut client = connect(&echo(&sender).middleware(stack)).await;
    assert_eq!(says(&mut client, "hi").await, Frame::text("HI"));
}

#[tokio::test]
async fn an_error_travels_back_and_ends_the_connection() {
    let (sender, lines) = log();
    let mut client = connect(&echo(&sender).middleware(Trace("a", sender.clone()))).await;
    assert_eq!(says(&mut client, "fail").await, Frame::close(4000, "failed"));
    client.close(4000, "").await;
    let lines = logged(lines).await;
    assert!(lines.contains(&"a < false".into()), "{lines:?}");
}

#[tokio::test]
async fn an_error_may_be_turned_into_an_answer() {
    let (sender, _lines) = log();
    let stack = Stack::new().on_message(|conn, message, next| {
        Box::pin(async move {
            if next.run(conn, message).await.is_err() {
                conn.send("that went wrong").await?;
            }
            Ok(())
        })
    });
    let mut client = connect(&echo(&sender).middleware(stack)).await;
    assert_eq!(says(&mut client, "fail").await, Frame::text("that went wrong"));
    assert_eq!(says(&mut client, "hi").await, Frame::text("hi"));
}

#[tokio::test]
async fn a_reject_refuses_and_the_connector_is_not_asked() {
    let (sender, mut lines) = log();
    let stack = Stack::new().with(Trace("a", sender.clone())).on_connect(|handshake, next| {
        Box::pin(async move {
            if handshake.query("token").as_deref() != Some("secret") {
                return Err(Reject::new(StatusCode::UNAUTHORIZED, "Unauthorized"));
            }
            next.run(handshake).await
        })
    });
    let handler = echo(&sender).middleware(stack);
    let answer = answer_to(&handler, &request()).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::UNAUTHORIZED, &b"Unauthorized"[..]));
    assert_eq!(lines.try_recv().as_deref(), Ok("a > connect"));
    assert_eq!(lines.try_recv().as_deref(), Ok("a < connect false"));
    assert!(lines.try_recv().is_err(), "nobody else is told");

    connect_with(&handler, &request_with("/ws?token=secret", &[])).await.bye().await;
    assert!(logged(lines).await.contains(&"connector: connect".into()));
}

#[derive(Clone)]
struct Seen(Arc<AtomicUsize>);

#[tokio::test]
async fn a_connection_carries_data_from_one_middleware_to_another() {
    let (sender, _lines) = log();
    let stack = Stack::new()
        .on_connect(|handshake, next| {
            Box::pin(async move {
                handshake.set_extension(Seen(Arc::default()));
                handshake.set_metadata("plan", "free");
                next.run(handshake).await
            })
        })
        .on_connect(|handshake, next| {
            Box::pin(async move {
                assert!(handshake.extension::<Seen>().is_some());
                next.run(handshake).await
            })
        })
        .on_message(|conn, message, next| {
            Box::pin(async move {
                let seen = conn.extension::<Seen>().map_or(0, |seen| seen.0.fetch_add(1, Relaxed) + 1);
                let plan = conn.metadata("plan").unwrap_or_default();
                next.run(conn, format!("{plan} {seen} {}", message.text()?).into()).await
            })
        });
    let handler = echo(&sender).middleware(stack);
    let (mut one, mut other) = (connect(&handler).await, connect(&handler).await);
    assert_eq!(says(&mut one, "a").await, Frame::text("free 1 a"));
    assert_eq!(says(&mut one, "b").await, Frame::text("free 2 b"));
    assert_eq!(says(&mut other, "c").await, Frame::text("free 1 c"), "each connection has its own");
}

#[tokio::test]
async fn an_empty_stack_leaves_the_connector_as_it_is() {
    /// Not of size zero, so that a box of it has an address of its own.
    struct Nothing(#[expect(dead_code, reason = "it only takes room")] u8);
    impl Connector for Nothing {}
    let connector: Box<dyn Connector> = Box::new(Nothing(1));
    let address = std::ptr::from_ref(&*connector).cast::<()>();
    let same = Stack::new().around(connector);
    assert_eq!(std::ptr::from_ref(&*same).cast::<()>(), address);

    let (sender, _lines) = log();
    let mut client = connect(&echo(&sender).middleware(Stack::new())).await;
    assert_eq!(says(&mut client, "hi").await, Frame::text("hi"));
}

#[tokio::test]
async fn a_stack_that_is_extended_stays_as_it_was() {
    let (sender, _lines) = log();
    let base = Stack::new().with(Trace("a", sender.clone()));
    let more = base.clone().with(Trace("b", sender.clone()));
    assert_eq!((base.len(), more.len(), base.with_all(&more).len()), (1, 2, 3));
}

#[tokio::test]
async fn a_middleware_that_leaves_next_out_of_a_disconnect_keeps_it_from_the_rest() {
    let (sender, mut lines) = log();
    let stack = Stack::new().with(Trace("a", sender.clone())).on_disconnect(|_, _, _| Box::pin(async {}));
    let handler = echo(&sender).middleware(stack);
    connect(&handler).await.bye().await;
    drop((handler, sender));
    let mut all = Vec::new();
    while let Some(line) = lines.recv().await {
        all.push(line);
    }
    assert_eq!(all[3..], ["a > close", "a < close"]);
}

#[tokio::test]
async fn a_panic_in_a_middleware_costs_one_connection_and_not_the_last_callback() {
    let (sender, lines) = log();
    let stack = Stack::new()
        .on_message(|conn, message, next| {
            Box::pin(async move {
                assert_ne!(message.text()?, "panic", "a test panics");
                next.run(conn, message).await
            })
        })
        .on_disconnect(|_, _, _| Box::pin(async { panic!("a test panics") }));
    let handler = echo(&sender).middleware(stack);
    let (mut other_sender, mut client) = (connect(&handler).await, connect(&handler).await);
    assert_eq!(says(&mut client, "panic").await, Frame::close(1011, ""));
    client.close(1011, "").await;
    assert_eq!(says(&mut other_sender, "hi").await, Frame::text("hi"));
    assert!(logged(lines).await.contains(&"connector: close".into()));
}

#[tokio::test]
async fn a_stack_stands_around_stream_mode_too() {
    let handler = Handler::stream(|conn, mut incoming| async move {
        while let Some(message) = incoming.next().await {
            conn.send(message).await?;
        }
        Ok(())
    })
    .middleware(Stack::new().on_message(|conn, message, next| {
        Box::pin(
            async move { if message.text()? == "drop" { Ok(()) } else { next.run(conn, message).await } },
        )
    }));
    let mut client = connect(&handler).await;
    client.text("drop").await;
    assert_eq!(says(&mut client, "keep").await, Frame::text("keep"));
}

#[tokio::test]
async fn closures_are_called_for_each_event() {
    let (sender, mut lines) = log();
    let handler = Handler::builder()
        .on_connect(|handshake| {
            Box::pin(async move {
                let user = handshake.query("user").map(std::borrow::Cow::into_owned);
                handshake.set_user(user.ok_or_else(|| Reject::new(StatusCode::UNAUTHORIZED, "who?"))?);
                Ok(())
            })
        })
        .on_open(|conn| async move { Ok(conn.send("welcome").await?) })
        .on_message(|conn, message| async move { Ok(conn.send(message).await?) })
        .on_disconnect(move |conn, closed| {
            let sender = sender.clone();
            async move {
                let _ = sender.try_send(format!("{} {}", conn.user().unwrap_or("?"), closed.code().as_u16()));
            }
        })
        .build();
    assert_eq!(answer_to(&handler, &request()).await.status, StatusCode::UNAUTHORIZED);
    let mut client = connect_with(&handler, &request_with("/ws?user=alice", &[])).await;
    assert_eq!(client.next().await, Frame::text("welcome"));
    assert_eq!(says(&mut client, "hi").await, Frame::text("hi"));
    client.bye().await;
    assert_eq!(lines.recv().await.as_deref(), Some("alice 1000"));
}

#[tokio::test]
async fn an_event_registered_twice_calls_both_until_one_fails() {
    let handler = Handler::builder()
        .on_message(|conn, message| async move {
            conn.send(format!("first: {}", message.text()?)).await?;
            if message.text()? == "stop" { Err(Disconnect::new(4001, "stop")) } else { Ok(()) }
        })
        .on_message(
            |conn, message| async move { Ok(conn.send(format!("second: {}", message.text()?)).await?) },
        )
        .build();
    let mut client = connect(&handler).await;
    assert_eq!(says(&mut client, "hi").await, Frame::text("first: hi"));
    assert_eq!(client.next().await, Frame::text("second: hi"));
    assert_eq!(says(&mut client, "stop").await, Frame::text("first: stop"));
    assert_eq!(client.next().await, Frame::close(4001, "stop"));
}

#[tokio::test]
async fn every_on_disconnect_is_called_even_after_a_panic() {
    let (sender, mut lines) = log();
    let handler = Handler::builder()
        .on_disconnect(|_, _| async { panic!("a test panics") })
        .on_disconnect(move |_, closed| {
            let _ = sender.try_send(closed.code().as_u16().to_string());
            async {}
        })
        .build();
    connect(&handler).await.bye().await;
    assert_eq!(lines.recv().await.as_deref(), Some("1000"));
}

#[tokio::test]
async fn a_handler_with_no_events_lets_messages_pass() {
    let mut client = connect(&Handler::builder().build()).await;
    client.text("hi").await;
    client.bye().await;
}
