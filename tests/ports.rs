//! The server on real ports: a thousand clients that say nothing or next to nothing, and a process that is out of
//! file descriptors. Time is real here, so the tests wait for what ends them.

mod support;

use std::{net::SocketAddr, process::Stdio, time::Duration};

use gustnado::serve;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use support::{Client, echo, request};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, interval, timeout},
};

/// Clients of each kind that wastes a server's time.
const CLIENTS: usize = 500;

async fn connect(address: SocketAddr) -> Client<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    Client::new(stream).upgrade(&request()).await
}

/// Keeps a transport and says nothing on it; returns how long the server has allowed that.
async fn silent(mut stream: TcpStream) -> Duration {
    let start = Instant::now();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    start.elapsed()
}

/// Sends a request that never ends, a byte of it ten times in `deadline`.
async fn dribbling(mut stream: TcpStream, deadline: Duration) -> Duration {
    let start = Instant::now();
    let mut tick = interval(deadline / 10);
    for byte in b"GET / HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'a')) {
        let mut answer = [0; 64];
        tokio::select! {
            _ = tick.tick() => if stream.write_all(&[*byte]).await.is_err() { break },
            read = stream.read(&mut answer) => if matches!(read, Ok(0) | Err(_)) { break },
        }
    }
    start.elapsed()
}

/// A thousand transports that come to nothing, while others open, echo and close.
async fn everybody_who_wastes_time_is_gone_within(deadline: Duration, patience: Duration) {
    // A thousand clients and a thousand transports of the server are in this process.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("no more than allowed");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(listener, echo()).header_timeout(deadline).into_future());
    let mut before = connect(address).await;

    let mut wasting = JoinSet::new();
    for _ in 0..CLIENTS {
        wasting.spawn(silent(TcpStream::connect(address).await.expect("a port")));
        wasting.spawn(dribbling(TcpStream::connect(address).await.expect("a port"), deadline));
    }
    let mut honest = 0;
    let mut tick = interval(deadline / 100);
    while !wasting.is_empty() {
        tokio::select! {
            Some(took) = wasting.join_next() => {
                let took = took.expect("no panic");
                assert!((deadline * 9 / 10..=patience).contains(&took), "{took:?}");
            }
            _ = tick.tick() => {
                connect(address).await.bye().await;
                honest += 1;
            }
        }
    }
    assert!(honest > 10, "{honest} honest handshakes meanwhile");
    before.echoes("still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_waste_time_are_gone_after_a_short_deadline() {
    everybody_who_wastes_time_is_gone_within(Duration::from_millis(500), Duration::from_secs(5)).await;
}

/// Takes ten seconds, which is the point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_waste_time_are_gone_within_eleven_seconds_by_default() {
    everybody_who_wastes_time_is_gone_within(Duration::from_secs(10), Duration::from_secs(11)).await;
}

/// CPU seconds that a process has used so far.
#[cfg(target_os = "linux")]
fn cpu(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let fields: Vec<_> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    // utime and stime, in ticks of 1/100 s on every Linux.
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    ticks as f64 / 100.0
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_without_file_descriptors_neither_spins_nor_ends() {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    let chat = profile.join("examples/chat");
    assert!(chat.exists(), "run `cargo build --examples --all-features` first");
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", r#"ulimit -n 48; exec "$0" 127.0.0.1:0"#])
        .arg(chat)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("a shell");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).await.expect("text");
    let address: SocketAddr =
        line.trim().strip_prefix("listening on ").expect("an address").parse().expect("an address");
    let id = child.id().expect("it runs");

    // Few enough for the backlog, more than the process can have.
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(address).await.expect("a backlog"));
    }
    let before = cpu(id);
    let mut stuck = Client::new(TcpStream::connect(address).await.expect("a backlog"));
    stuck.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = timeout(Duration::from_secs(2), stuck.answer()).await;
    assert!(answer.is_err(), "the process has more file descriptors than it was given");
    let used = cpu(id) - before;
    assert!(used < 0.25, "{used} s of CPU in 2 s of having nothing to do");

    // All at once, well before anybody's deadline.
    drop(crowd);
    let answer = timeout(Duration::from_secs(5), stuck.answer()).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let stream = TcpStream::connect(address).await.expect("a port");
    let ada = request().replacen("/ws", "/ws?nick=Ada", 1);
    Client::new(stream).upgrade(&ada).await.bye().await;
}
