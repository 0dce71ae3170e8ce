//! The figures of `docs/scaling.md`, over servers that it starts itself:
//!
//! `cargo test --release --features redis,nats,testing --test scaling -- --ignored --nocapture`

mod hubs;
#[path = "../support/inbox.rs"]
mod inbox;
#[path = "../support/servers.rs"]
mod servers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use gustnado::adapter::{Adapter, Link, Nats, NotHandedOver, ReadFrom, Redis, Retention, Subject};
use inbox::Node;
use servers::Server;

type AnyNode = Node<Arc<dyn Adapter>>;

/// CPU time that a server has used.
fn cpu(server: &Server) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("Linux");
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: u64 = [11, 12].into_iter().map(|field| fields[field].parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

async fn up(adapter: Arc<dyn Adapter>) -> AnyNode {
    Node::up(adapter).await
}

async fn latency(name: &str, make: impl Fn() -> Arc<dyn Adapter>) {
    let (one, two) = (up(make()).await, up(make()).await);
    two.listen("r").await;
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..5_000 {
        let sent = Instant::now();
        one.publish("r", "a message of 32 bytes, more or le");
        two.inbox.next().await;
        took.push(sent.elapsed());
    }
    took.sort_unstable();
    println!("{name}: from one node to another, one at a time: p50 {:?}, p99 {:?}", took[2_500], took[4_950]);
}

async fn throughput(name: &str, server: &Server, listeners: usize, make: impl Fn() -> Arc<dyn Adapter>) {
    const COUNT: usize = 200_000;
    let publisher = up(make()).await;
    let mut nodes = Vec::new();
    for _ in 0..listeners {
        let node = up(make()).await;
        node.listen("r").await;
        nodes.push(node);
    }
    let (packet, room) = (Bytes::from(vec![7; 200]), Subject::room("r"));
    let (began, cpu_before) = (Instant::now(), cpu(server));
    for _ in 0..COUNT {
        while publisher.adapter.publish(&room, packet.clone()) == Err(NotHandedOver::Full) {
            tokio::task::yield_now().await;
        }
    }
    for node in &nodes {
        node.inbox.until("all", |told| told.packets.len() == COUNT).await;
    }
    let (took, cpu) = (began.elapsed(), cpu(server) - cpu_before);
    println!(
        "{name}: 200 B to {listeners} other nodes: {:.0} publications/s, {:.2} us of the server's CPU each",
        COUNT as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / COUNT as f64
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a while, and says figures"]
async fn figures_of_redis() {
    let mut server = Server::redis(&[]);
    let url = server.url();
    let make = || Arc::new(Redis::new(&url).expect("a URL")) as Arc<dyn Adapter>;
    latency("Redis", make).await;
    for listeners in [1, 2, 4, 8] {
        throughput("Redis", &server, listeners, make).await;
    }
    rooms(&mut server, make).await;
    history("Redis", make).await;
    hubs::publishing("Redis", &server, make).await;
    hubs::recovery("Redis", make).await;
}

async fn rooms(server: &mut Server, make: impl Fn() -> Arc<dyn Adapter>) {
    let used = |server: &Server| -> usize {
        let info = server.cli(&["info", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("a line");
        line.trim().parse().expect("a number")
    };
    let node = up(make()).await;
    let before = used(server);
    for room in 0..10_000 {
        node.adapter.set_interest(&Subject::room(&room.to_string()), true);
    }
    for room in 0..10_000 {
        node.adapter.confirmed(&Subject::room(&room.to_string())).await.expect("the server is there");
    }
    println!("Redis: {} bytes for a room that a node is interested in", (used(server) - before) / 10_000);
    for _ in 0..3 {
        server.kill();
        node.is(Link::Down).await;
        let before = node.inbox.read(|told| told.interruptions);
        server.start();
        let returned = Instant::now();
        node.inbox.until("interrupted", |told| told.interruptions > before).await;
        println!("Redis: 10,000 rooms were back {:?} after their server", returned.elapsed());
        node.is(Link::Up).await;
    }
}

async fn history(name: &str, make: impl Fn() -> Arc<dyn Adapter>) {
    let kept = Retention::last(1_000);
    let node = Arc::new(up(make()).await);
    let history = |node: &Arc<AnyNode>| node.clone();
    let began = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..64 {
        let node = history(&node);
        writers.spawn(async move {
            for _ in 0..500 {
                let entry = Bytes::from(vec![7; 200]);
                node.history()
                    .append(&writer.to_string(), entry, None, kept)
                    .await
                    .expect("the server is there");
            }
        });
    }
    writers.join_all().await;
    println!("{name}: {:.0} appends/s to 64 logs", 32_000.0 / began.elapsed().as_secs_f64());
    let mut took = Vec::new();
    for _ in 0..1_000 {
        let began = Instant::now();
        node.history()
            .append("one", Bytes::from(vec![7; 200]), None, kept)
            .await
            .expect("the server is there");
        took.push(began.elapsed());
    }
    took.sort_unstable();
    println!("{name}: one append at a time: p50 {:?}, p99 {:?}", took[500], took[990]);
    let top = node.history().read("one", ReadFrom::Last(0), 0, kept).await.expect("the server is there").top;
    let mut since = top;
    since.offset -= 100;
    let began = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let node = history(&node);
        readers.spawn(async move {
            loop {
                if let Ok(slice) = node.history().read("one", since.into(), 1_000, kept).await {
                    assert_eq!(slice.entries.map(|entries| entries.len()), Ok(100));
                    return;
                }
            }
        });
    }
    readers.join_all().await;
    println!("{name}: 1,000 reads of 100 entries at once: {:?}", began.elapsed());
    let names: Vec<String> = (0..64).map(|name| name.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let began = Instant::now();
    node.history().tops(&names).await.expect("the server is there");
    println!("{name}: the tops of 64 logs: {:?}", began.elapsed());
}

/// What a log costs a NATS server beside its entries.
async fn logs(server: &Server, make: impl Fn() -> Arc<dyn Adapter>) {
    let used = |server: &Server| -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    let node = up(make()).await;
    for _ in 0..3 {
        let (began, before) = (Instant::now(), used(server));
        for room in 0..1_000 {
            let room = format!("{before} {room}");
            let begun = node.history().read(&room, ReadFrom::Last(0), 0, Retention::last(1_000)).await;
            begun.expect("the server is there");
        }
        let kb = (used(server) - before) / 1_000;
        println!("NATS: 1,000 logs more after {:?}, {kb} kB each", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a while, and says figures"]
async fn figures_of_nats() {
    let server = Server::nats(&["--jetstream", "--store_dir", "store"]);
    let url = format!("nats://127.0.0.1:{}", server.port);
    let make = || Arc::new(Nats::new(&url).expect("a URL")) as Arc<dyn Adapter>;
    latency("NATS", make).await;
    for listeners in [1, 2, 4, 8] {
        throughput("NATS", &server, listeners, make).await;
    }
    history("NATS", make).await;
    hubs::publishing("NATS", &server, make).await;
    hubs::recovery("NATS", make).await;
    logs(&server, make).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a while, and says figures"]
async fn figures_of_hubs() {
    let server = Server::redis(&[]);
    let make = || Arc::new(Redis::new(&server.url()).expect("a URL")) as Arc<dyn Adapter>;
    hubs::recovery("Redis", make).await;
    hubs::publishing("Redis", &server, make).await;
}
