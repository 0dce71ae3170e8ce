//! What whole nodes do: publishing with and without history, and a thousand WebSockets that come back at once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gustnado::{
    Conn, Connector, Disconnect, Handler, Handshake, Hub, Reject,
    adapter::{Adapter, Epoch, Link, Position, Retention},
    async_trait,
    testing::{Client, Frame, Opening},
};
use tokio::{net::TcpStream, task::JoinSet};

use crate::{cpu, servers::Server};

async fn node(adapter: Arc<dyn Adapter>) -> Hub {
    let hub = Hub::builder().history("log/*", Retention::last(1_000)).adapter(adapter).build();
    while hub.stats().cluster.expect("an adapter").link != Link::Up {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    hub
}

/// Comes back to a room from a position, as its query says; without one it joins.
#[derive(Default)]
struct Guest {
    room: String,
    since: Option<Position>,
}

#[async_trait]
impl Connector for Guest {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        self.room = handshake.query("room").expect("a room").into_owned();
        let epoch = handshake.query("epoch").and_then(|epoch| epoch.parse::<Epoch>().ok());
        let offset = handshake.query("offset").and_then(|offset| offset.parse().ok());
        self.since = epoch.zip(offset).map(|(epoch, offset)| Position { epoch, offset });
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        match self.since {
            Some(since) => assert_eq!(conn.join_from(&self.room, since).await?.missed, Ok(())),
            None => drop(conn.join(&self.room).await?),
        }
        Ok(())
    }
}

/// One at a time, and 64 at once to as many rooms; each room has a member on another node.
pub(crate) async fn publishing(server: &Server, make: impl Fn() -> Arc<dyn Adapter>) {
    const EACH: usize = 500;
    let (one, other) = (node(make()).await, node(make()).await);
    let handler = Handler::new(Guest::default).hub(&other);
    for kind in ["plain", "log"] {
        let mut readers = JoinSet::new();
        for room in 0..64 {
            let mut client = Client::open(&handler, Opening::new(format!("/?room={kind}/{room}")))
                .await
                .expect("it opens");
            readers.spawn(async move { while matches!(client.next().await, Frame::Text(_)) {} });
        }
        while other
            .room_list(gustnado::Page::first(1_000))
            .iter()
            .filter(|it| it.name.starts_with(kind))
            .count()
            < 64
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let text = "x".repeat(200);
        let mut took = Vec::new();
        for _ in 0..2_000 {
            let began = Instant::now();
            one.room(format!("{kind}/0")).publish(text.as_str()).await.expect("the server is there");
            took.push(began.elapsed());
        }
        took.sort_unstable();
        let (began, used) = (Instant::now(), cpu(server));
        let mut publishers = JoinSet::new();
        for room in 0..64 {
            let (target, text) = (one.room(format!("{kind}/{room}")), text.clone());
            publishers.spawn(async move {
                for _ in 0..EACH {
                    target.publish(text.as_str()).await.expect("the server is there");
                }
            });
        }
        publishers.join_all().await;
        let (took_all, used) = (began.elapsed(), cpu(server) - used);
        let count = (64 * EACH) as f64;
        println!(
            "publish to a room, {kind}: p50 {:?}, p99 {:?} one at a time; 64 at once {:.0} per second, {:.1} us of the server's CPU each",
            took[1_000],
            took[1_980],
            count / took_all.as_secs_f64(),
            used.as_secs_f64() * 1e6 / count
        );
        readers.abort_all();
    }
}

/// A thousand WebSockets over TCP, in so many rooms, connect at once to a node that knows none of the rooms yet, and
/// want the hundred messages that each has missed.
pub(crate) async fn recovery(make: impl Fn() -> Arc<dyn Adapter>) {
    for rooms in [1, 10, 100] {
        recovery_in(&make, rooms).await;
    }
}

async fn recovery_in(make: impl Fn() -> Arc<dyn Adapter>, rooms: usize) {
    const CLIENTS: usize = 1_000;
    let (publisher, hub) = (node(make()).await, node(make()).await);
    let mut since = Vec::new();
    for room in 0..rooms {
        let name = format!("log/recovery-{rooms}-{room}");
        let target = publisher.room(name.clone());
        let first = target.publish("before").await.expect("the server is there").position.expect("a log");
        for _ in 0..100 {
            target.publish("x".repeat(200)).await.expect("the server is there");
        }
        since.push(format!("/?room={name}&epoch={}&offset={}", first.epoch, first.offset));
    }
    let handler = Handler::new(Guest::default).hub(&hub);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port");
    let app = axum::Router::new().route_service("/", handler);
    let served = tokio::spawn(async move { axum::serve(listener, app).await });

    let (began, mut clients) = (Instant::now(), JoinSet::new());
    for number in 0..CLIENTS {
        let path = since[number % rooms].clone();
        clients.spawn(async move {
            let tcp = TcpStream::connect(address).await.expect("it listens");
            let mut client = Client::new(tcp).upgrade(&Opening::new(path).to_string()).await;
            for _ in 0..100 {
                assert!(matches!(client.next().await, Frame::Text(_)));
            }
            (began.elapsed(), client)
        });
    }
    let mut took: Vec<_> = clients.join_all().await.into_iter().map(|(took, _client)| took).collect();
    took.sort_unstable();
    let history = hub.stats().history;
    println!(
        "{CLIENTS} WebSockets in {rooms} rooms had 100 missed messages each after p50 {:?}, all {:?}: {} reads of logs, {} recovered",
        took[CLIENTS / 2],
        took[CLIENTS - 1],
        history.reads,
        history.recovered,
    );
    served.abort();
}
