//! The configurations of nginx and haproxy in `docs/guide/deployment.md`, in front of a server. Only the ports are
//! others, and after how long they cut what is silent: time is real here.

#[path = "support/servers.rs"]
mod servers;
mod support;

use std::{fs, net::SocketAddr, time::Duration};

use axum::Router;
use gustnado::{Handler, TrustProxy, serve};
use http::StatusCode;
use servers::Server;
use support::{Answer, Client, Frame, asked, request_with};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, timeout},
};

/// After what silence the proxies cut a connection.
const CUT: Duration = Duration::from_secs(1);
/// After this a proxy or a server is taken to have failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The guide's block in a language, for a proxy at `port` in front of `server`.
fn configuration(language: &str, port: u16, server: SocketAddr) -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guide/deployment.md");
    let guide = fs::read_to_string(guide).expect("the guide");
    let (_, block) = guide.split_once(&format!("```{language}\n")).expect("a block in the language");
    let (block, _) = block.split_once("```").expect("the end of the block");
    let ours = [
        ("8081", port.to_string()),
        ("127.0.0.1:8080", server.to_string()),
        ("120s", format!("{}s", CUT.as_secs())),
    ];
    ours.iter().fold(block.to_owned(), |block, (guides, ours)| {
        assert!(block.contains(guides), "{guides} is not in {block}");
        block.replace(guides, ours)
    })
}

fn nginx(server: SocketAddr) -> Server {
    // One process, so that killing it leaves no worker behind.
    let arguments = ["-p", ".", "-c", "conf", "-e", "stderr", "-g", "daemon off; master_process off;"];
    Server::configured("nginx", "nginx-light", &arguments, |port| {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {kind};\n")).concat();
        let server = configuration("nginx", port, server);
        format!("pid pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{server}}}\n")
    })
}

fn haproxy(server: SocketAddr) -> Server {
    Server::configured("haproxy", "haproxy", &["-db", "-f", "conf"], |port| {
        configuration("haproxy", port, server)
    })
}

/// Tells a client its address, then echoes.
fn tells_the_address() -> Handler {
    let proxies = TrustProxy::addresses(["127.0.0.1"]).expect("an address");
    let handler = asked(|handshake| {
        let client = handshake.peer().map(|peer| peer.ip().to_string());
        handshake.header("x-client", client.unwrap_or_default()).map_err(Into::into)
    });
    handler.trust_proxy(proxies)
}

/// A server with pings at `/pings`, and without them at `/silent`.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = Router::new()
        .route_service("/pings", tells_the_address().ping_interval(CUT / 4))
        .route_service("/silent", tells_the_address().ping_interval(None));
    tokio::spawn(serve(listener, app).into_future());
    address
}

/// A client that a proxy sees come from 127.0.0.2, where the server sees the proxy come from 127.0.0.1.
async fn client(proxy: &Server) -> Client<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 2], 0).into()).expect("a loopback address");
    let stream = socket.connect(([127, 0, 0, 1], proxy.port).into()).await;
    Client::new(stream.expect("the proxy listens"))
}

/// What comes back for a request of a page of `origin`, by a client that lies about its address.
async fn open(proxy: &Server, path: &str, origin: &str) -> (Client<TcpStream>, Answer) {
    let mut client = client(proxy).await;
    let origin = format!("Origin: {origin}");
    let request = request_with(path, &[&origin, "X-Forwarded-For: 203.0.113.9"]);
    let request = request.replace("Host: example.com", "Host: example.com:8443");
    let answer = client.ask(&request).await;
    (client, answer)
}

const PAGE: &str = "https://example.com:8443";

async fn a_page_opens_a_websocket_and_others_do_not(proxy: &Server) {
    let (mut client, answer) = open(proxy, "/pings", PAGE).await;
    assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.header("x-client"), Some("127.0.0.2"), "who the proxy says it is");
    client.echoes("hello").await;
    client.bye().await;
    let (_, answer) = open(proxy, "/pings", "https://elsewhere.example").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

async fn pings_keep_an_idle_connection(proxy: &Server) {
    let (mut client, _) = open(proxy, "/pings", PAGE).await;
    let start = Instant::now();
    while start.elapsed() < 3 * CUT {
        match client.next().await {
            Frame::Ping(payload) => client.pong(&payload).await,
            other => panic!("{other:?} after {:?}", start.elapsed()),
        }
    }
    client.echoes("still here").await;
}

/// So it is the pings that keep it.
async fn a_silent_connection_is_cut(proxy: &Server) {
    let (mut client, _) = open(proxy, "/silent", PAGE).await;
    let start = Instant::now();
    assert_eq!(client.next().await, Frame::End);
    assert!(start.elapsed() >= CUT / 2, "{:?}", start.elapsed());
}

async fn all_of_it_holds_behind(proxy: fn(SocketAddr) -> Server) {
    let proxy = proxy(server().await);
    let all = async {
        a_page_opens_a_websocket_and_others_do_not(&proxy).await;
        tokio::join!(pings_keep_an_idle_connection(&proxy), a_silent_connection_is_cut(&proxy));
    };
    timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("nothing came: {}", proxy.log()));
}

#[tokio::test]
async fn nginx_as_the_guide_has_it_passes_websockets_on() {
    all_of_it_holds_behind(nginx).await;
}

#[tokio::test]
async fn haproxy_as_the_guide_has_it_passes_websockets_on() {
    all_of_it_holds_behind(haproxy).await;
}
