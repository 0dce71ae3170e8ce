//! What gustnado's hub costs by itself, in one process and without a network: joins and leaves, and broadcasts of
//! many tasks into many rooms on one core and on two.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin hub -- [--smoke]`
//!
//! Nobody reads: a broadcast ends in the members' outboxes, which drop their oldest message for it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gustnado::{Conn, Connector, Handler, Hub, Message, Page, SlowReader};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;

struct Idle;
impl Connector for Idle {}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// How long one figure is measured, and with how many connections.
#[derive(Clone, Copy)]
struct Size {
    window: Duration,
    connections: usize,
}

fn main() -> Result<()> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let size = match smoke {
        true => Size { window: Duration::from_millis(50), connections: 100 },
        false => Size { window: Duration::from_secs(2), connections: 1_000 },
    };
    println!(
        "| {} connections | tasks | cores | per second | ns each |\n|---|---|---|---|---|",
        size.connections
    );
    for cores in [1, 2] {
        for (name, rooms) in [("joins and leaves, one room", 1), ("joins and leaves, 10,000 rooms", 10_000)] {
            row(name, cores, size, |hub| join_and_leave(hub, rooms))?;
        }
        for (name, rooms) in [
            ("deliveries, one room of all", 1),
            ("deliveries, 50 rooms", 50),
            ("deliveries, 500 rooms", size.connections / 2),
        ] {
            row(name, cores, size, |hub| broadcast(hub, rooms))?;
        }
    }
    Ok(())
}

/// Runs one task per share of the connections until the window is over, and prints what all of them have done.
fn row<T>(name: &str, cores: usize, size: Size, work: impl Fn(Share) -> T) -> Result<()>
where
    T: Future<Output = Result<u64>> + Send + 'static,
{
    const TASKS: usize = 8;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(cores).enable_all().build()?;
    let (hub, clients) = fill(&runtime, size.connections)?;
    let conns = hub.connections(Page::ALL);
    let began = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let own = conns.iter().skip(task).step_by(TASKS).cloned().collect();
            let share = Share {
                hub: hub.clone(),
                all: conns.clone(),
                own,
                task,
                tasks: TASKS,
                until: began + size.window,
            };
            runtime.spawn(work(share))
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += runtime.block_on(task)??;
    }
    let elapsed = began.elapsed();
    ensure!(hub.counts().connections == size.connections, "a connection went away");
    let per_second = done as f64 / elapsed.as_secs_f64();
    println!("| {name} | {TASKS} | {cores} | {per_second:.0} | {:.0} |", 1e9 / per_second);
    drop(clients);
    Ok(())
}

/// What one task works with.
struct Share {
    hub: Hub,
    all: Vec<Conn>,
    own: Vec<Conn>,
    task: usize,
    tasks: usize,
    until: Instant,
}

/// Joins a room and leaves it again, each connection in turn; a join and a leave are two.
async fn join_and_leave(share: Share, rooms: usize) -> Result<u64> {
    let names: Vec<_> = (0..rooms).map(|room| format!("room {room}")).collect();
    let mut done = 0;
    while Instant::now() < share.until {
        for conn in &share.own {
            let room = &names[(done as usize / 2 * share.tasks + share.task) % rooms];
            conn.join(room).await?;
            conn.leave(room).await;
            done += 2;
        }
        tokio::task::yield_now().await;
    }
    Ok(done)
}

/// Sends to one room after the other; how many outboxes took a message.
async fn broadcast(share: Share, rooms: usize) -> Result<u64> {
    let names: Vec<_> = (0..rooms).map(|room| format!("room {room}")).collect();
    for conn in &share.own {
        let index = share.all.iter().position(|it| it.id() == conn.id()).context("it is one of all")?;
        conn.join(&names[index % rooms]).await?;
    }
    let message = Message::from(vec![7; 128]);
    let (mut done, mut room) = (0, share.task * rooms / share.tasks);
    while Instant::now() < share.until {
        let report = share.hub.room(&*names[room]).send(message.clone()).await;
        ensure!(report.queued == report.recipients(), "{report:?}");
        done += report.queued as u64;
        room = (room + 1) % rooms;
        tokio::task::yield_now().await;
    }
    Ok(done)
}

/// A hub with so many connections in memory, and their clients.
fn fill(runtime: &Runtime, connections: usize) -> Result<(Hub, Vec<DuplexStream>)> {
    let hub = Hub::new();
    let handler = Handler::new(|| Idle)
        .hub(&hub)
        .slow_reader(SlowReader::DropOldest)
        .outbox_limits(1 << 20, 16)
        .ping_interval(None)
        .pong_timeout(None);
    let clients = runtime.block_on(async {
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            clients.push(open(handler.clone()).await?);
        }
        anyhow::Ok(clients)
    })?;
    Ok((hub, clients))
}

async fn open(handler: Handler) -> Result<DuplexStream> {
    // So small that the outboxes are full at once, and no session is woken from then on.
    let (mut client, server) = duplex(1024);
    tokio::spawn(async move {
        let service = TowerToHyperService::new(handler);
        let served = http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades();
        let _ = served.await;
    });
    client.write_all(REQUEST).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    Ok(client)
}
