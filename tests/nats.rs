//! The adapter over a NATS that the test starts, freezes and kills.

#[path = "support/inbox.rs"]
mod inbox;
#[path = "support/servers.rs"]
mod servers;

use std::{sync::Arc, time::Instant};

use gustnado::{
    adapter::{Adapter, Link, Nats, Subject, Unavailable},
    async_trait,
    testing::adapter::{Engine, all, all_with_cuts},
};
use inbox::Node;
use parking_lot::Mutex;
use servers::Server;

struct One {
    server: Mutex<Server>,
    url: String,
    freeze: bool,
}

impl One {
    fn new(freeze: bool) -> Self {
        let server = Server::nats(&[]);
        Self { url: format!("nats://127.0.0.1:{}", server.port), server: Mutex::new(server), freeze }
    }
}

#[async_trait]
impl Engine for One {
    fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(Nats::new(&self.url).expect("a URL"))
    }

    /// What the server takes, less the byte that says what a payload is.
    fn max_packet(&self) -> Option<usize> {
        Some(1024 * 1024 - 1)
    }

    async fn cut(&self) {
        if self.freeze {
            self.server.lock().freeze(true);
        } else {
            self.server.lock().kill();
        }
    }

    async fn mend(&self) {
        if self.freeze {
            self.server.lock().freeze(false);
        } else {
            self.server.lock().start();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does() {
    all(&One::new(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does_when_its_server_is_killed() {
    all_with_cuts(&One::new(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_holds_what_every_adapter_does_when_its_server_freezes() {
    all_with_cuts(&One::new(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rooms_are_back_two_seconds_after_their_server() {
    let mut server = Server::nats(&[]);
    let node = Node::up(Nats::new(&format!("nats://127.0.0.1:{}", server.port)).expect("a URL")).await;
    for room in 0..10_000 {
        node.adapter.set_interest(&Subject::room(&room.to_string()), true);
    }
    for room in 0..10_000 {
        node.adapter.confirmed(&Subject::room(&room.to_string())).await.expect("the server is there");
    }
    server.kill();
    node.is(Link::Down).await;
    server.start();
    let returned = Instant::now();
    node.inbox.until("interrupted", |told| told.interruptions > 0).await;
    let took = returned.elapsed();
    println!("10,000 rooms were back after {took:?}");
    assert!(took.as_secs() < 2, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_with_a_wrong_password_stays_down() {
    let server = Server::nats(&["--user", "ann", "--pass", "gehe:im"]);
    let url = |password: &str| format!("nats://ann:{password}@127.0.0.1:{}", server.port);
    let node = Node::up(Nats::new(&url("gehe%3Aim")).expect("a URL")).await;
    node.listen("r").await;
    node.publish("r", "hello");
    assert_eq!(node.inbox.next().await, "hello");
    let given = Node::up(Nats::new(&url("falsch")).expect("a URL").login("ann", "gehe:im")).await;
    assert_eq!(given.adapter.link(), Link::Up);
    let stranger = Node::start(Nats::new(&url("falsch")).expect("a URL"));
    assert!(stranger.adapter.confirmed(&Subject::room("r")).await.is_err());
    assert_eq!(stranger.adapter.link(), Link::Down);
    assert!(!format!("{:?}", stranger.adapter).contains("falsch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_to_servers_that_the_authority_vouches_for_and_the_password_goes_over_it() {
    let tls = servers::certificates();
    let file = |name: &str| tls.join(name).display().to_string();
    let server = Server::nats(&[
        "--tls",
        "--tlscert",
        &file("cert.pem"),
        "--tlskey",
        &file("key.pem"),
        "--user",
        "ann",
        "--pass",
        "gehe:im",
    ]);
    let nats = |url: &str, password: &str| {
        let url = format!("{url}localhost:{}", server.port);
        Nats::new(&url).expect("a URL").login("ann", password)
    };
    // Without its scheme, too: this server speaks nothing else.
    for url in ["tls://", "nats://"] {
        let node = Node::up(nats(url, "gehe:im").authority_file(file("ca.pem"))).await;
        node.listen("r").await;
        node.publish("r", "hello");
        assert_eq!(node.inbox.next().await, "hello");
    }
    let refused = [
        ("the system knows no such authority", nats("tls://", "gehe:im")),
        ("a wrong password", nats("tls://", "falsch").authority_file(file("ca.pem"))),
        ("no such file", nats("tls://", "gehe:im").authority_file(file("none.pem"))),
    ];
    for (why, adapter) in refused {
        let stranger = Node::start(adapter);
        assert_eq!(stranger.adapter.confirmed(&Subject::room("r")).await, Err(Unavailable), "{why}");
        assert_eq!(stranger.adapter.link(), Link::Down, "{why}");
    }
    let plain = Server::nats(&[]);
    let url = format!("tls://localhost:{}", plain.port);
    let node = Node::start(Nats::new(&url).expect("a URL").authority_file(file("ca.pem")));
    assert_eq!(
        node.adapter.confirmed(&Subject::room("r")).await,
        Err(Unavailable),
        "nothing goes out in the clear"
    );
}
