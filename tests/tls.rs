//! The example `tls`, spoken to by rustls: both versions of HTTP, and a certificate that changes meanwhile.

mod support;

use std::{process::Stdio, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Client, Frame, request_with};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

/// The running example. It ends when this is dropped.
struct Example {
    address: String,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    child: Child,
}

impl Example {
    async fn run() -> Self {
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
        let program = profile.join("examples/tls");
        assert!(program.exists(), "run `cargo build --examples --all-features` first");
        let mut child = Command::new(program)
            .arg("127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the example runs");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut example = Self { address: String::new(), stdin, stdout, child };
        let line = example.line().await;
        example.address = line.strip_prefix("listening on ").expect("an address").to_owned();
        example
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(Duration::from_secs(30), self.stdout.read_line(&mut line));
        read.await.expect("in time").expect("text");
        line.trim().to_owned()
    }

    /// A transport that offers `protocols` by ALPN.
    async fn dial(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(SelfSigned(provider)))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let tcp = TcpStream::connect(&self.address).await.expect("the example listens");
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.expect("a handshake")
    }

    async fn http1(&self) -> Client<TlsStream<TcpStream>> {
        let client = Client::new(self.dial(&["http/1.1"]).await);
        let mut client = client.upgrade(&request_with("/ws", &[])).await;
        assert_eq!(client.next().await, Frame::text("over HTTP/1.1"));
        client
    }
}

/// Takes whatever certificate comes, as long as the server has its key: nobody has signed it.
#[derive(Debug)]
struct SelfSigned(Arc<CryptoProvider>);

impl ServerCertVerifier for SelfSigned {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that the other end has shown.
fn certificate(io: &TlsStream<TcpStream>) -> Vec<u8> {
    io.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec()
}

#[tokio::test]
async fn alpn_chooses_the_version_and_both_open_websockets() {
    let example = Example::run().await;
    let mut http1 = example.http1().await;
    assert_eq!(http1.io.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));

    let io = example.dial(&["h2", "http/1.1"]).await;
    assert_eq!(io.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut requests, transport) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.expect("HTTP/2");
    tokio::spawn(transport);
    let page = Request::get("https://localhost/").body(Empty::<Bytes>::new()).expect("a request");
    let page = requests.send_request(page).await.expect("an answer");
    assert_eq!((page.status(), page.version()), (StatusCode::OK, Version::HTTP_2));
    assert!(page.into_body().collect().await.expect("a page").to_bytes().starts_with(b"<!doctype html>"));
    let connect = Request::connect("https://localhost/ws")
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("origin", "https://localhost");
    let answer =
        requests.send_request(connect.body(Empty::new()).expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let mut http2 = Client::new(TokioIo::new(hyper::upgrade::on(answer).await.expect("a stream")));
    assert_eq!(http2.next().await, Frame::text("over HTTP/2.0"));

    http1.echoes("one").await;
    http2.echoes("other").await;
    http1.bye().await;
    http2.bye().await;
}

#[tokio::test]
async fn messages_of_every_size_pass_through_tls() {
    let example = Example::run().await;
    let mut client = example.http1().await;
    // Around a TLS record's 16 KiB, and the most that the handler takes.
    for size in [0, 1, 125, 126, 16_383, 16_384, 16_385, 65_536] {
        let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
        client.binary(&payload).await;
        assert_eq!(client.next().await, Frame::Binary(payload));
    }
    for n in 0..1_000 {
        client.text(&n.to_string()).await;
    }
    for n in 0..1_000 {
        assert_eq!(client.next().await, Frame::text(&n.to_string()));
    }
    client.bye().await;
}

#[tokio::test]
async fn a_certificate_changes_and_no_websocket_ends() {
    let mut example = Example::run().await;
    let mut before = example.http1().await;
    let first = certificate(&before.io);
    assert_eq!(certificate(&example.http1().await.io), first);

    example.stdin.write_all(b"\n").await.expect("it reads");
    assert_eq!(example.line().await, "another certificate");
    let mut after = example.http1().await;
    assert_ne!(certificate(&after.io), first);

    before.echoes("still here").await;
    after.echoes("hello").await;
    before.bye().await;
    after.bye().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_shutdown_says_goodbye_through_tls() {
    let mut example = Example::run().await;
    let mut client = example.http1().await;
    let id = example.child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.expect("kill runs").success());
    assert_eq!(client.next().await, Frame::close(1001, "the server is going down"));
    client.close(1001, "").await;
    // `read_to_end` fails without a close_notify.
    assert_eq!(client.io.read_to_end(&mut Vec::new()).await.expect("an end that TLS knows of"), 0);
    let ended = timeout(Duration::from_secs(30), example.child.wait()).await.expect("in time");
    assert!(ended.expect("a status").success());
}

#[tokio::test]
async fn what_is_no_tls_gets_no_further() {
    let example = Example::run().await;
    let mut tcp = TcpStream::connect(&example.address).await.expect("the example listens");
    tcp.write_all(request_with("/ws", &[]).as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    example.http1().await.bye().await;
}
