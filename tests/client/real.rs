//! Real servers, real ports and real time.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gustnado::{
    Hub,
    adapter::{MemoryBus, Retention},
    client::{Builder, Client, ClientError, Event, Room, RoomEvent},
    commands::{Codec, Command, Commands},
    serve,
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::event;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server in a runtime of its own, so that it can be killed: nothing of it says goodbye.
struct Node {
    runtime: Option<Runtime>,
    address: SocketAddr,
}

impl Node {
    /// At the same port as an earlier one, or at any.
    async fn start(address: Option<SocketAddr>, hub: impl FnOnce() -> Hub + Send + 'static) -> Self {
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
        let address = address.unwrap_or(([127, 0, 0, 1], 0).into());
        let listening = runtime.spawn(async move {
            // Until the earlier one has let go of it.
            let listener = loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => break listener,
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            };
            let address = listener.local_addr().expect("bound");
            let commands = Commands::new()
                .publish(|_| Ok(()))
                .on("add", |_, (a, b): (i64, i64)| async move { Ok(a + b) })
                .on("ask", |ctx, (): ()| async move {
                    Ok(ctx.conn().ask("sure", "really?", PATIENCE).await?.param::<bool>()?)
                });
            tokio::spawn(serve(listener, commands.handler().hub(&hub())).into_future());
            address
        });
        let address = timeout(PATIENCE, listening).await.expect("a port in time").expect("no panic");
        Self { runtime: Some(runtime), address }
    }

    fn client(&self) -> Builder {
        let soon = Duration::from_millis(200);
        Client::builder(&format!("ws://{}/", self.address)).backoff(soon, soon)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.runtime.take().expect("it was not dropped before").shutdown_background();
    }
}

fn keeps_news() -> gustnado::HubBuilder {
    Hub::builder().history("news", Retention::last(100))
}

async fn next(room: &mut Room) -> String {
    match timeout(PATIENCE, room.next()).await.expect("an event in time").expect("the client is there") {
        RoomEvent::Joined => "joined".into(),
        RoomEvent::Recovered(recovery) => recovery.reason.map_or("recovered".into(), Into::into),
        RoomEvent::Command(frame) => frame.param::<String>().expect("a text"),
        event => panic!("{event:?}"),
    }
}

async fn speaks_to_a_real_server(codec: Codec) {
    let node = Node::start(None, || keeps_news().build()).await;
    let sure = |question: String| async move { Ok(question == "really?") };
    let client = node.client().codec(codec).answer("sure", sure).connect().expect("an address");
    assert_eq!(client.request::<i64>("add", (1, 2)).await.expect("a reply"), 3);
    assert!(client.request::<bool>("ask", ()).await.expect("a reply"));
    assert_eq!(client.request::<()>("dance", ()).await.expect_err("none").code(), "unknown_command");
    let mut news = client.join("news").await.expect("it may");
    let position = news.publish("said", "hello").await.expect("it may").expect("a room that keeps history");
    assert_eq!((next(&mut news).await, next(&mut news).await), ("joined".into(), "hello".into()));
    assert_eq!(news.position(), Some(&position));
    drop(news);
    let left = client.request::<Value>("leave", ()).timeout(PATIENCE).await;
    assert_eq!(left.expect_err("no channel").code(), "no_channel");
    client.close().await;
}

#[tokio::test]
async fn it_speaks_json_to_a_real_server() {
    speaks_to_a_real_server(Codec::Json).await;
}

#[tokio::test]
async fn it_speaks_message_pack_to_a_real_server() {
    speaks_to_a_real_server(Codec::MessagePack).await;
}

#[tokio::test]
async fn what_was_said_while_the_server_was_dead_is_recovered() {
    let bus = MemoryBus::new();
    let node = |bus: MemoryBus| move || keeps_news().adapter(bus.adapter()).build();
    let first = Node::start(None, node(bus.clone())).await;
    let client = first.client().connect().expect("an address");
    let mut news = client.join("news").await.expect("it may");
    news.publish("said", "one").await.expect("it may");
    assert_eq!((next(&mut news).await, next(&mut news).await), ("joined".into(), "one".into()));

    let address = first.address;
    drop(first);
    let other = keeps_news().adapter(bus.adapter()).build();
    for text in ["two", "three"] {
        let said = other.room("news").publish_command(&Command::new("said", text).channel("news")).await;
        said.expect("the log takes it");
    }
    let _second = Node::start(Some(address), node(bus)).await;
    for expected in ["recovered", "joined", "two", "three"] {
        assert_eq!(next(&mut news).await, expected);
    }
    news.publish("said", "four").await.expect("it may");
    assert_eq!(next(&mut news).await, "four");
}

#[tokio::test]
async fn a_server_that_forgot_everything_is_told_apart() {
    let first = Node::start(None, || keeps_news().build()).await;
    let client = first.client().connect().expect("an address");
    let mut news = client.join("news").await.expect("it may");
    news.publish("said", "one").await.expect("it may");
    assert_eq!((next(&mut news).await, next(&mut news).await), ("joined".into(), "one".into()));
    let address = first.address;
    drop(first);
    let _second = Node::start(Some(address), || keeps_news().build()).await;
    assert_eq!((next(&mut news).await, next(&mut news).await), ("epoch".into(), "joined".into()));
}

#[tokio::test]
async fn tls_checks_the_server_s_certificate() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = key.cert.der().clone();
    let private = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private)
        .expect("they fit");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("wss://localhost:{}/", listener.local_addr().expect("bound").port());
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.expect("a client");
            let Ok(tls) = acceptor.accept(tcp).await else { continue };
            return super::server::open(tls, Codec::Json).await;
        }
    });

    let stranger = Client::builder(&address).connect().expect("an address");
    let mut events = stranger.events().await;
    let is_refused = |event| {
        matches!(event, Event::Error(error) if matches!(*error, ClientError::Connect(_))).then_some(())
    };
    event(&mut events, is_refused).await;
    stranger.close().await;

    let friend = Client::builder(&address).trust(certificate.to_vec()).connect().expect("an address");
    assert!(friend.opened().await);
    drop(server.await.expect("no panic"));
}
