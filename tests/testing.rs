//! What `gustnado::testing` offers to users, as they would use it.

use std::time::Duration;

use gustnado::{
    Cause, Closed, Conn, Connector, Disconnect, Echo, Handler, Handshake, Message, Reject, async_trait,
    testing::{Client, Frame, Opening, fragment, serve_with_pipe},
};
use http::StatusCode;
use tokio::{sync::mpsc, time::Instant};

/// Refuses who has no name, and tells how each connection ended.
struct Named(mpsc::Sender<Closed>);

#[async_trait]
impl Connector for Named {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.select_protocol(["json"]);
        let name = handshake.query("name").ok_or(Reject::new(StatusCode::BAD_REQUEST, "name is missing"))?;
        handshake.set_user(name.into_owned());
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.send(format!("welcome, {}", conn.user().unwrap_or("nobody"))).await?;
        Ok(())
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        let _ = self.0.send(closed.clone()).await;
    }
}

fn named() -> (Handler, mpsc::Receiver<Closed>) {
    let (ends, ended) = mpsc::channel(1);
    (Handler::new(move || Named(ends.clone())), ended)
}

#[tokio::test]
async fn a_refusal_is_an_answer_with_its_status_and_body() {
    let (handler, _) = named();
    let answer = Client::open(&handler, Opening::new("/ws")).await.expect_err("no name");
    assert_eq!((answer.status, &*answer.body), (StatusCode::BAD_REQUEST, &b"name is missing"[..]));
}

#[tokio::test]
async fn an_opening_carries_query_headers_and_subprotocols() {
    let (handler, _) = named();
    let opening = Opening::new("/ws?name=ann").protocol("xml").protocol("json").header("X-Trace", "1");
    let mut client = Client::open(&handler, opening).await.expect("it is let in");
    assert_eq!(client.message().await, Message::from("welcome, ann"));
    client.bye().await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_peer_is_given_up_after_a_minute_of_virtual_time() {
    let (handler, mut ended) = named();
    let mut client = Client::open(&handler, Opening::new("/?name=ann")).await.expect("it is let in");
    client.message().await;
    let silent_since = Instant::now();
    assert!(client.half_open().given_up().await > 0, "there were pings");
    assert_eq!(silent_since.elapsed().as_secs(), 60);
    let closed = ended.recv().await.expect("on_close");
    assert!(matches!(closed.cause(), Some(Cause::PongTimeout)), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_its_messages_answers_pings_and_lives() {
    let handler = Handler::on_message(|conn: Conn, _: Message| async move {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(300)).await;
            conn.send("late").await
        });
        Ok(())
    });
    let mut client = Client::connect(&handler).await;
    client.send("later, please").await;
    assert_eq!(client.message().await, Message::from("late"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_a_client_that_does_not_read() {
    let flood = |conn: Conn, _: Message| async move {
        while conn.try_send("a line").is_ok() {}
        Ok(())
    };
    let handler = Handler::on_message(flood).outbox_limits(1024, 64);
    let mut client = Client::new(serve_with_pipe(handler, 64)).upgrade(&Opening::default().to_string()).await;
    client.send("go").await;
    assert_eq!(client.closed().await.map(|(code, _)| code), Some(1013));
}

#[tokio::test]
async fn frames_that_no_client_should_send_can_be_sent() {
    let mut client = Client::connect(&Handler::new(|| Echo)).await;
    client.write(&fragment(true, 0x3, b"")).await;
    assert_eq!(client.closed().await.map(|(code, _)| code), Some(1002));
    assert_eq!(client.next().await, Frame::End);
}
