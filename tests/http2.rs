//! WebSockets over HTTP/2 by extended CONNECT (RFC 8441), between hyper's client and server in memory.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use gustnado::Reject;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn::http2::SendRequest, ext::Protocol, upgrade::Upgraded};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use support::{Client, Frame, answer_to, asked, echo, request};
use tokio::io::{DuplexStream, duplex};
use tower::{Service, service_fn};

/// A client's connection of HTTP/2 in memory, the server's settings already seen.
async fn http2<S>(service: S) -> SendRequest<Empty<Bytes>>
where
    S: Service<Request<Incoming>, Response = Response<gustnado::Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let (client, server) = duplex(support::PIPE);
    tokio::spawn(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .enable_connect_protocol()
            .serve_connection(TokioIo::new(server), TowerToHyperService::new(service)),
    );
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::<DuplexStream>::new(client))
            .await
            .unwrap();
    tokio::spawn(connection);
    // An answer comes after the settings, which say that extended CONNECT is spoken.
    requests.send_request(ordinary(Method::GET)).await.unwrap();
    requests
}

fn extended_connect(protocol: &'static str, headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request =
        Request::connect("http://example.com/ws?a=b").extension(Protocol::from_static(protocol));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

fn ordinary(method: Method) -> Request<Empty<Bytes>> {
    Request::builder().method(method).uri("http://example.com/ws").body(Empty::new()).unwrap()
}

async fn open(requests: &mut SendRequest<Empty<Bytes>>) -> Client<TokioIo<Upgraded>> {
    let answer = requests.send_request(extended_connect("websocket", &[V13])).await.unwrap();
    assert_eq!(answer.status(), 200);
    Client::new(TokioIo::new(hyper::upgrade::on(answer).await.unwrap()))
}

const V13: (&str, &str) = ("sec-websocket-version", "13");

#[tokio::test]
async fn an_extended_connect_opens_echoes_and_closes() {
    let handler = echo();
    let mut requests = http2(handler.clone()).await;
    let origin = ("origin", "https://example.com");
    let answer = requests.send_request(extended_connect("websocket", &[V13, origin])).await.unwrap();
    assert_eq!(answer.status(), 200);
    for name in ["sec-websocket-accept", "upgrade", "connection", "sec-websocket-protocol"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    let mut client = Client::new(TokioIo::new(hyper::upgrade::on(answer).await.unwrap()));
    client.echoes("hello").await;
    // More than all windows of flow control.
    let payload = vec![7; 60_000];
    for _ in 0..10 {
        client.binary(&payload).await;
        assert_eq!(client.next().await, Frame::Binary(payload.clone()));
    }
    client.bye().await;
    assert_eq!(handler.stats().accepted, 1);
}

#[tokio::test]
async fn several_websockets_share_one_connection_of_http2() {
    let mut requests = http2(echo()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(open(&mut requests).await);
    }
    for (n, client) in clients.iter_mut().enumerate() {
        client.text(&format!("client {n}")).await;
    }
    let mut last = clients.pop().unwrap();
    last.bye().await;
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.next().await, Frame::text(&format!("client {n}")));
        client.bye().await;
    }
}

#[tokio::test]
async fn on_connect_chooses_headers_and_a_subprotocol() {
    let handler = asked(|handshake| {
        assert_eq!(handshake.method(), Method::CONNECT);
        assert_eq!(handshake.uri().path(), "/ws");
        assert_eq!(handshake.query("a").as_deref(), Some("b"));
        handshake.header("x-own", "yes")?;
        Ok(())
    })
    .protocols(["json"]);
    let mut requests = http2(handler).await;
    let offer = ("sec-websocket-protocol", "xml, json");
    let answer = requests.send_request(extended_connect("websocket", &[V13, offer])).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-own"], "yes");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "json");
}

#[tokio::test]
async fn what_opens_no_websocket_gets_its_answer() {
    let refused = asked(|_| Err(Reject::new(StatusCode::UNAUTHORIZED, "who are you?")));
    let asking = |headers: &[_]| extended_connect("websocket", headers);
    let method = Some(("allow", "CONNECT"));
    let (evil, odd) = (("origin", "https://evil.example"), ("sec-websocket-protocol", "a b"));
    for (handler, request, status, header, body) in [
        (echo(), ordinary(Method::GET), 405, method, "a WebSocket is opened by CONNECT"),
        (echo(), ordinary(Method::POST), 405, method, "a WebSocket is opened by CONNECT"),
        (echo(), extended_connect("connect-udp", &[V13]), 405, method, "a WebSocket is opened by CONNECT"),
        (echo(), asking(&[]), 426, Some(V13), "only version 13 of the protocol is spoken here"),
        (echo(), asking(&[V13, evil]), 403, None, "this origin is not allowed"),
        (echo(), asking(&[V13, odd]), 400, None, "Sec-WebSocket-Protocol is not a list of tokens"),
        (refused, asking(&[V13]), 401, None, "who are you?"),
    ] {
        let asked = format!("{} {:?}", request.method(), request.headers());
        let mut requests = http2(handler).await;
        let answer = requests.send_request(request).await.unwrap();
        assert_eq!(answer.status(), status, "{asked}");
        if let Some((name, value)) = header {
            assert_eq!(answer.headers()[name], value, "{asked}");
        }
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, body, "{asked}");
    }
}

#[tokio::test]
async fn a_refusal_with_a_status_of_success_does_not_say_that_the_connection_is_open() {
    // RFC 8441 §5: any 2xx does.
    let handler = asked(|_| Err(Reject::new(StatusCode::OK, "come back later")));
    assert_eq!(answer_to(&handler, &request()).await.status, 200);
    let mut requests = http2(handler).await;
    let answer = requests.send_request(extended_connect("websocket", &[V13])).await.unwrap();
    assert_eq!(answer.status(), 500);
}

#[tokio::test]
async fn a_fallback_gets_what_asks_for_no_websocket_also_another_extended_connect() {
    let page = service_fn(|request: Request<Incoming>| async move {
        let text = format!("{} {}", request.method(), request.uri().path());
        Ok(Response::builder().status(404).body(Full::<Bytes>::from(text)).unwrap())
    });
    let mut requests = http2(echo().fallback(page)).await;
    for (request, text) in
        [(ordinary(Method::GET), "GET /ws"), (extended_connect("connect-udp", &[V13]), "CONNECT /ws")]
    {
        let answer = requests.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), text);
    }
    open(&mut requests).await.echoes("hello").await;
}

#[tokio::test]
async fn the_automatic_server_speaks_both_versions() {
    let (client, server) = duplex(support::PIPE);
    tokio::spawn(async move {
        let mut server_builder = auto::Builder::new(TokioExecutor::new());
        server_builder.http2().enable_connect_protocol();
        server_builder
            .serve_connection_with_upgrades(TokioIo::new(server), TowerToHyperService::new(echo()))
            .await
    });
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(requests.send_request(ordinary(Method::GET)).await.unwrap().status(), 405);
    let mut client = open(&mut requests).await;
    client.echoes("hello").await;
    client.bye().await;
}
