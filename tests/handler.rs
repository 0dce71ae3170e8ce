//! The handler as a service on HTTP/1.1: where it can be mounted, how connectors are made and refused, what a
//! connection knows of its request.

mod support;

use std::{
    convert::Infallible,
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{Extension, Router, extract::ConnectInfo, routing::get};
use bytes::Bytes;
use gustnado::{
    Closed, Conn, Connector, Disconnect, Factory, Handler, Handshake, Message, PeerAddr, Reject, Text,
    async_trait,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use support::{Client, Frame, answer_to, asked, connect, connect_with, echo, request, request_with, serve};
use tokio::{
    io::duplex,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};
use tower::{Service, ServiceBuilder, limit::ConcurrencyLimitLayer, service_fn};

const PLAIN_GET: &str = "GET /ws HTTP/1.1\r\nHost: example.com\r\n\r\n";

// What it is, at compile time.

#[test]
fn a_handler_is_a_service_that_cannot_fail_and_goes_to_every_thread() {
    fn is<S>(_: &S)
    where
        S: Service<Request<Incoming>, Response = Response<gustnado::Body>, Error = Infallible>,
        S: Clone + Send + Sync + Unpin + 'static,
        S::Future: Send + 'static,
    {
    }
    is(&echo());
    is(&echo().fallback(service_fn(page)));
    fn is_send_and_sync<T: Clone + Send + Sync + 'static>() {}
    is_send_and_sync::<Conn>();
    is_send_and_sync::<Message>();
}

// Where it can be mounted.

#[tokio::test]
async fn axum_mounts_a_handler_as_a_route_nested_and_as_a_fallback() {
    for (path, router) in [
        ("/ws", Router::new().route_service("/ws", echo())),
        ("/api/ws", Router::new().nest_service("/api/ws", echo())),
        ("/api/ws/deeper?and=so", Router::new().nest_service("/api/ws", echo())),
        ("/api/ws", Router::new().nest("/api", Router::new().route_service("/ws", echo()))),
        ("/anywhere", Router::new().fallback_service(echo())),
    ] {
        let router = router.route("/page", get(|| async { "a page" }));
        let mut client = Client::new(serve(router));
        let page = client.ask("GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
        assert_eq!(page.body, "a page");
        let mut client = client.upgrade(&request_with(path, &[])).await;
        client.echoes(path).await;
        client.bye().await;
    }
}

#[tokio::test]
async fn axum_layers_before_and_behind_a_handler_do_their_work() {
    let user = asked(|handshake| {
        handshake.extensions().get::<u32>().ok_or(Reject::new(StatusCode::UNAUTHORIZED, ""))?;
        Ok(())
    });
    let router = Router::new()
        .route_service("/ws", user)
        .layer(Extension(7_u32))
        .layer(ConcurrencyLimitLayer::new(1))
        .layer(axum::middleware::map_request(|mut request: axum::extract::Request| async {
            request.headers_mut().remove("x-spoils-it");
            request
        }))
        .layer(axum::middleware::map_response(|mut response: axum::response::Response| async {
            response.headers_mut().insert("x-outer", HeaderValue::from_static("seen"));
            response
        }));
    // The limit of one is on answers, not on connections.
    for _ in 0..3 {
        let mut client = Client::new(serve(router.clone()));
        let answer = client.ask(&request()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-outer")), (101, Some("seen")));
        client.echoes("hello").await;
    }
}

#[tokio::test]
async fn a_tower_stack_around_a_handler_does_its_work() {
    let service = ServiceBuilder::new()
        .concurrency_limit(1)
        .map_response(|mut response: Response<gustnado::Body>| {
            response.headers_mut().insert("x-outer", HeaderValue::from_static("seen"));
            response
        })
        .map_request(|mut request: Request<Incoming>| {
            *request.uri_mut() = http::Uri::from_static("/rewritten");
            request
        })
        .service(Handler::with(|handshake| {
            assert_eq!(handshake.uri().path(), "/rewritten");
            Greets("hello")
        }));
    let mut client = Client::new(serve(service));
    let answer = client.ask(&request()).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-outer")), (101, Some("seen")));
    assert_eq!(client.next().await, Frame::text("hello"));
}

#[tokio::test]
async fn bare_hyper_calls_a_handler_from_a_function() {
    let handler = echo();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut handler = handler.clone();
        async move { handler.call(request).await }
    });
    let (client, server) = duplex(support::PIPE);
    tokio::spawn(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(server), service)
            .with_upgrades(),
    );
    let mut client = Client::new(client).upgrade(&request()).await;
    client.echoes("hello").await;
    client.bye().await;
}

#[tokio::test]
async fn hypers_automatic_server_serves_a_handler() {
    let (client, server) = duplex(support::PIPE);
    tokio::spawn(async move {
        auto::Builder::new(TokioExecutor::new())
            .serve_connection_with_upgrades(TokioIo::new(server), TowerToHyperService::new(echo()))
            .await
    });
    let mut client = Client::new(client).upgrade(&request()).await;
    client.echoes("hello").await;
    client.bye().await;
}

#[tokio::test]
async fn an_http_server_without_upgrades_is_answered_with_500_and_told_why_in_debug_mode() {
    let request = || Request::get("/ws").body(()).unwrap();
    let headers = [
        ("host", "example.com"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", support::KEY),
    ];
    for (debug, body) in
        [(false, "Internal Server Error"), (true, "the HTTP server offers no upgrade for this request")]
    {
        let mut request = request();
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let answer = echo().debug(debug).call(request).await.unwrap();
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), body);
    }
}

// The fallback.

/// Tells method, path and body of a request.
async fn page<B: http_body::Body<Error: std::fmt::Debug>>(
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let text = format!("{} {} {}", parts.method, parts.uri.path(), String::from_utf8_lossy(&body));
    let page = Response::builder().status(StatusCode::ACCEPTED).header("x-page", "yes");
    Ok(page.body(Full::from(text)).unwrap())
}

#[tokio::test]
async fn requests_that_ask_for_no_websocket_reach_the_fallback_whole() {
    async fn check<S>(service: S)
    where
        S: Service<Request<Incoming>, Response = Response<gustnado::Body>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let mut client = Client::new(serve(service));
        let answer = client.ask(PLAIN_GET).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (202, &b"GET /ws "[..]));
        let post = "POST /form HTTP/1.1\r\nHost: example.com\r\nContent-Length: 11\r\n\r\nhello=world";
        let answer = client.ask(post).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (202, &b"POST /form hello=world"[..]));
        assert_eq!(answer.header("x-page"), Some("yes"));
        // One that asks badly is not for the fallback.
        assert_eq!(client.ask(&request().replace(": 13", ": 8")).await.status, 426);
        assert_eq!(client.ask(&request().replace("GET", "POST")).await.status, 405);
        client.upgrade(&request()).await.echoes("hello").await;
    }
    check(echo().fallback(service_fn(page))).await;
    check(ServiceBuilder::new().layer(echo()).service(service_fn(page))).await;
}

#[tokio::test]
async fn a_handler_is_a_layer_of_an_axum_application() {
    let app = Router::new().route("/page", get(|| async { "a page" })).layer(echo());
    let mut client = Client::new(serve(app));
    let page = client.ask("GET /page HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    assert_eq!((page.status.as_u16(), &page.body[..]), (200, &b"a page"[..]));
    client.upgrade(&request_with("/page", &[])).await.echoes("hello").await;
}

#[tokio::test]
async fn without_a_fallback_an_ordinary_request_is_told_what_would_do() {
    let mut client = Client::new(serve(echo()));
    let answer = client.ask(PLAIN_GET).await;
    assert_eq!((answer.status.as_u16(), answer.header("upgrade")), (426, Some("websocket")));
    let answer = client.ask(&PLAIN_GET.replace("GET", "POST")).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET")));
}

// How connectors are made.

/// Sends a greeting, and echoes.
struct Greets(&'static str);

#[async_trait]
impl Connector for Greets {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.send(self.0).await?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}

/// Says nothing.
struct Silent;

impl Connector for Silent {}

async fn greeting(handler: &Handler, path: &str) -> Frame {
    connect_with(handler, &request_with(path, &[])).await.next().await
}

#[tokio::test]
async fn a_factory_makes_one_connector_per_request() {
    let made = Arc::new(AtomicUsize::new(0));
    let handler = {
        let made = made.clone();
        Handler::new(move || {
            made.fetch_add(1, SeqCst);
            Greets("hello")
        })
    };
    for count in 1..=3 {
        assert_eq!(greeting(&handler, "/").await, Frame::text("hello"));
        assert_eq!(made.load(SeqCst), count);
    }
    answer_to(&handler, PLAIN_GET).await;
    assert_eq!(made.load(SeqCst), 3, "none for a request that asks for no WebSocket");
}

#[tokio::test]
async fn a_factory_may_fail() {
    let calls = AtomicUsize::new(0);
    let handler = Handler::new(move || {
        if calls.fetch_add(1, SeqCst) == 0 { Ok(Greets("hello")) } else { Err(Reject::from(std::fmt::Error)) }
    });
    assert_eq!(greeting(&handler, "/").await, Frame::text("hello"));
    assert_eq!(answer_to(&handler, &request()).await.status, 500);
}

#[tokio::test]
async fn a_factory_may_choose_between_kinds_of_connectors() {
    let handler = Handler::with(|handshake| -> Result<Box<dyn Connector>, Reject> {
        match handshake.uri().path() {
            "/english" => Ok(Box::new(Greets("hello"))),
            "/french" => Ok(Box::new(Greets("bonjour"))),
            "/silent" => Ok(Box::new(Silent)),
            _ => Err(Reject::new(StatusCode::NOT_FOUND, "which language?")),
        }
    });
    assert_eq!(greeting(&handler, "/english").await, Frame::text("hello"));
    assert_eq!(greeting(&handler, "/french").await, Frame::text("bonjour"));
    connect_with(&handler, &request_with("/silent", &[])).await.bye().await;
    assert_eq!(answer_to(&handler, &request()).await.body, "which language?");

    let boxed = Handler::new(|| Box::new(Greets("boxed")) as Box<dyn Connector>);
    assert_eq!(greeting(&boxed, "/").await, Frame::text("boxed"));
}

#[tokio::test]
async fn a_factory_may_wait_for_something() {
    struct Pool(tokio::sync::Mutex<mpsc::Receiver<&'static str>>);

    #[async_trait]
    impl Factory for Pool {
        async fn create(&self, handshake: &Handshake) -> Result<Box<dyn Connector>, Reject> {
            assert_eq!(handshake.uri().path(), "/ws");
            match self.0.lock().await.recv().await {
                Some(greeting) => Ok(Box::new(Greets(greeting))),
                None => Err(Reject::new(StatusCode::GONE, "no more")),
            }
        }
    }

    let (greetings, pool) = mpsc::channel(1);
    let handler = Handler::from_factory(Pool(pool.into()));
    let mut client = Client::new(serve(handler.clone()));
    client.write(request().as_bytes()).await;
    greetings.send("from the pool").await.unwrap();
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.next().await, Frame::text("from the pool"));
    drop(greetings);
    assert_eq!(answer_to(&handler, &request()).await.status, 410);
}

#[tokio::test]
async fn a_closure_is_enough_for_quick_work() {
    let handler = Handler::on_message(|conn: Conn, message: Message| async move {
        conn.send(message.text()?.to_uppercase()).await?;
        Ok(())
    });
    let mut client = connect(&handler).await;
    client.text("hello").await;
    assert_eq!(client.next().await, Frame::text("HELLO"));
    client.binary(b"hello").await;
    assert_eq!(client.next().await, Frame::close(1003, ""), "NotText by the question mark");
}

#[tokio::test]
async fn the_default_on_message_tells_text_from_binary_and_a_silent_connector_ignores_both() {
    struct Kinds;

    #[async_trait]
    impl Connector for Kinds {
        async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
            conn.send(format!("text {text}")).await?;
            Ok(())
        }

        async fn on_binary(&mut self, conn: &Conn, data: Bytes) -> Result<(), Disconnect> {
            conn.send(format!("binary {}", data.len())).await?;
            Ok(())
        }
    }

    let mut client = connect(&Handler::new(|| Kinds)).await;
    client.text("a").await;
    client.binary(&[1, 2, 3]).await;
    assert_eq!(client.next().await, Frame::text("text a"));
    assert_eq!(client.next().await, Frame::text("binary 3"));

    let mut client = connect(&Handler::new(|| Silent)).await;
    client.text("a").await;
    client.binary(&[1, 2, 3]).await;
    client.ping(b"?").await;
    assert_eq!(client.next().await, Frame::Pong(b"?".to_vec()));
    client.bye().await;
}

// Refusals, errors and panics.

#[tokio::test]
async fn a_factory_and_on_connect_refuse_with_any_status_headers_and_body() {
    let refuse = || {
        Response::builder()
            .status(StatusCode::PAYMENT_REQUIRED)
            .header("x-price", "7")
            .header("x-price", "8")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from_static(br#"{"price":7}"#))
            .map(Reject::response)
    };
    let by_factory = Handler::new(move || Err::<Silent, _>(refuse().unwrap()));
    let by_on_connect = asked(move |_| Err(refuse()?));
    for handler in [by_factory, by_on_connect] {
        let answer = answer_to(&handler, &request()).await;
        assert_eq!(answer.status, StatusCode::PAYMENT_REQUIRED);
        assert_eq!(answer.headers.get_all("x-price").iter().count(), 2);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.body, r#"{"price":7}"#);
        assert_eq!(handler.stats().refused, 1);
    }
}

fn fails() -> Result<(), io::Error> {
    Err(io::Error::other("the password is 1234"))
}

#[tokio::test]
async fn an_error_refuses_with_500_and_its_text_is_told_only_in_debug_mode() {
    let by_factory = Handler::new(|| -> Result<Silent, Reject> {
        fails()?;
        Ok(Silent)
    });
    let by_on_connect = asked(|_| Ok(fails()?));
    for handler in [by_factory, by_on_connect] {
        let answer = answer_to(&handler, &request()).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (500, &b"Internal Server Error"[..]));
        let answer = answer_to(&handler.debug(true), &request()).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (500, &b"the password is 1234"[..]));
    }
}

#[tokio::test]
async fn debug_mode_leaves_a_chosen_refusal_as_it_is() {
    let handler = asked(|_| Err(Reject::new(StatusCode::FORBIDDEN, "members only"))).debug(true);
    let answer = answer_to(&handler, &request()).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (403, &b"members only"[..]));
}

#[tokio::test]
async fn a_panic_before_the_answer_is_a_500_without_details_and_the_server_goes_on() {
    fn is_bad(handshake: &Handshake) -> bool {
        handshake.query("bad").is_some()
    }
    let in_factory = Handler::with(|handshake| {
        assert!(!is_bad(handshake), "the password is 1234");
        Greets("hello")
    });
    let in_on_connect = asked(|handshake| {
        assert!(!is_bad(handshake), "the password is 1234");
        Ok(())
    });
    for handler in [in_factory, in_on_connect] {
        for debug in [false, true] {
            let mut client = Client::new(serve(handler.clone().debug(debug)));
            let answer = client.ask(&request_with("/ws?bad", &[])).await;
            let body = if debug { &b"a callback panicked"[..] } else { b"Internal Server Error" };
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (500, body));
            client.upgrade(&request()).await.bye().await;
        }
        let stats = handler.stats();
        assert_eq!((stats.open, stats.accepted, stats.refused), (0, 2, 2));
    }
}

/// Waits as long as its query says, in seconds, before it agrees.
struct Slow;

#[async_trait]
impl Connector for Slow {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        let seconds = handshake.query("seconds").expect("a query").parse()?;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_on_connect_is_refused_with_503_after_the_handshake_timeout() {
    let default = Handler::new(|| Slow);
    let short = Handler::new(|| Slow).handshake_timeout(Duration::from_secs(2));
    for (handler, seconds, status, expected) in
        [(&default, 29, 101, 29), (&default, 31, 503, 30), (&short, 1, 101, 1), (&short, 31, 503, 2)]
    {
        let start = Instant::now();
        let answer = answer_to(handler, &request_with(&format!("/ws?seconds={seconds}"), &[])).await;
        assert_eq!(answer.status, status, "{seconds} s");
        assert_eq!(start.elapsed().as_secs(), expected, "{seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_never_returns_is_refused_with_503() {
    struct Never;

    #[async_trait]
    impl Factory for Never {
        async fn create(&self, _: &Handshake) -> Result<Box<dyn Connector>, Reject> {
            pending().await
        }
    }
    let start = Instant::now();
    let answer = answer_to(&Handler::from_factory(Never), &request()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "the handshake took too long");
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_client_that_leaves_during_on_connect_takes_the_connector_with_it() {
    struct Waits(mpsc::Sender<&'static str>);

    #[async_trait]
    impl Connector for Waits {
        async fn on_connect(&mut self, _: &mut Handshake) -> Result<(), Reject> {
            self.0.send("on_connect").await?;
            pending().await
        }

        async fn on_close(&mut self, _: &Conn, _: &Closed) {
            let _ = self.0.send("on_close").await;
        }
    }
    let (sender, mut events) = mpsc::channel(8);
    let handler = Handler::new(move || Waits(sender.clone()));
    let mut client = Client::new(serve(handler.clone()));
    client.write(request().as_bytes()).await;
    assert_eq!(events.recv().await, Some("on_connect"));
    drop(client);
    drop(handler);
    assert_eq!(events.recv().await, None, "dropped, and no callback more");
}

// What is known about a request.

#[derive(Clone, Debug, PartialEq)]
struct User(&'static str);

#[derive(Clone, Debug, PartialEq)]
struct Role(&'static str);

#[tokio::test]
async fn what_outer_layers_know_reaches_on_connect_and_a_connection_keeps_what_it_was_told_to() {
    struct Knows;

    #[async_trait]
    impl Connector for Knows {
        async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
            assert_eq!(handshake.extensions().get(), Some(&User("Ada")));
            assert_eq!(handshake.extensions().get(), Some(&Role("admin")));
            Ok(())
        }

        async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
            let kept = format!("{:?} {:?}", conn.extension::<User>(), conn.extension::<Role>());
            conn.send(kept).await?;
            Ok(())
        }
    }
    let kept = |handler| {
        let app = Router::new()
            .route_service("/ws", handler)
            .layer(Extension(User("Ada")))
            .layer(Extension(Role("admin")));
        async { Client::new(serve(app)).upgrade(&request()).await.next().await }
    };
    let handler = Handler::new(|| Knows);
    assert_eq!(kept(handler.clone()).await, Frame::text("None None"));
    let handler = handler.keep_extension::<User>().keep_extension::<String>();
    assert_eq!(kept(handler.clone()).await, Frame::text(r#"Some(User("Ada")) None"#));
    let handler = handler.keep_extension::<Role>();
    assert_eq!(kept(handler).await, Frame::text(r#"Some(User("Ada")) Some(Role("admin"))"#));
}

/// Remembers the peer's address in `on_connect` and in `on_open`.
struct Peers {
    early: Option<SocketAddr>,
    seen: mpsc::Sender<[Option<SocketAddr>; 2]>,
}

#[async_trait]
impl Connector for Peers {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        self.early = handshake.peer();
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        self.seen.send([self.early, conn.peer()]).await?;
        Ok(())
    }
}

fn peers() -> (Handler, mpsc::Receiver<[Option<SocketAddr>; 2]>) {
    let (seen, receiver) = mpsc::channel(8);
    (Handler::new(move || Peers { early: None, seen: seen.clone() }), receiver)
}

#[tokio::test]
async fn the_peers_address_comes_from_where_outer_layers_put_it() {
    let [ours, axums]: [SocketAddr; 2] = ["192.0.2.1:1".parse().unwrap(), "[2001:db8::1]:2".parse().unwrap()];
    let (handler, mut seen) = peers();
    let from_axum = handler.clone().peer_from(|info: &ConnectInfo<SocketAddr>| info.0);
    let put = |peer: Option<SocketAddr>, info: Option<SocketAddr>| {
        move |mut request: Request<Incoming>| {
            peer.map(|peer| request.extensions_mut().insert(PeerAddr(peer)));
            info.map(|info| request.extensions_mut().insert(ConnectInfo(info)));
            request
        }
    };
    for (handler, peer, info, expected) in [
        (&handler, None, None, None),
        (&handler, Some(ours), None, Some(ours)),
        (&handler, None, Some(axums), None),
        (&from_axum, None, None, None),
        (&from_axum, None, Some(axums), Some(axums)),
        (&from_axum, Some(ours), Some(axums), Some(ours)),
    ] {
        let service = ServiceBuilder::new().map_request(put(peer, info)).service(handler.clone());
        Client::new(serve(service)).upgrade(&request()).await.bye().await;
        assert_eq!(seen.recv().await, Some([expected; 2]), "{peer:?} {info:?}");
    }
}

#[tokio::test]
async fn over_tcp_the_peers_address_is_known_with_the_open_and_a_named_one_stays() {
    let (handler, mut seen) = peers();
    let app = Router::new().route_service("/ws", handler.clone()).route_service(
        "/named",
        ServiceBuilder::new()
            .map_request(|mut request: Request<axum::body::Body>| {
                request.extensions_mut().insert(PeerAddr(([192, 0, 2, 1], 1).into()));
                request
            })
            .service(handler),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());

    let client = Client::new(TcpStream::connect(address).await.unwrap()).upgrade(&request()).await;
    assert_eq!(seen.recv().await, Some([None, Some(client.io.local_addr().unwrap())]));
    let named = TcpStream::connect(address).await.unwrap();
    let _named = Client::new(named).upgrade(&request_with("/named", &[])).await;
    assert_eq!(seen.recv().await, Some([Some(([192, 0, 2, 1], 1).into()); 2]));
}

/// Hands each connection to the test.
fn conns(handler: impl Fn(Handler) -> Handler) -> (Handler, mpsc::Receiver<Conn>) {
    struct Hands(mpsc::Sender<Conn>);

    #[async_trait]
    impl Connector for Hands {
        async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
            self.0.send(conn.clone()).await?;
            Ok(())
        }
    }
    let (sender, conns) = mpsc::channel(8);
    (handler(Handler::new(move || Hands(sender.clone()))), conns)
}

#[tokio::test]
async fn a_connection_keeps_method_path_query_and_the_headers_it_was_told_to() {
    let (handler, mut conns) = conns(|handler| handler.keep_headers([header::USER_AGENT, header::COOKIE]));
    let request = request_with(
        "/r%C3%A4ume/1?name=Ada+L&name=Bob&x=%26",
        &["Cookie: a=1", "User-Agent: test", "Cookie: b=2", "Accept: none"],
    );
    let client = connect_with(&handler, &request).await;
    let conn = conns.recv().await.unwrap();
    drop(client);
    conn.closed().await;
    let info = conn.request();
    assert_eq!(info.method(), Method::GET);
    assert_eq!(info.path(), "/r%C3%A4ume/1");
    assert_eq!(info.query(), Some("name=Ada+L&name=Bob&x=%26"));
    assert_eq!(info.query_param("name").as_deref(), Some("Ada L"));
    assert_eq!(info.query_param("x").as_deref(), Some("&"));
    assert_eq!(info.query_param("y"), None);
    assert_eq!(info.header("User-Agent").unwrap(), "test");
    assert_eq!(info.header(header::COOKIE).unwrap(), "a=1");
    assert_eq!(info.header("accept"), None, "not kept");
    let headers: Vec<_> = info.headers().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(headers, [("user-agent", &b"test"[..]), ("cookie", b"a=1"), ("cookie", b"b=2")]);
}

#[tokio::test]
async fn on_connect_sees_the_whole_request() {
    let handler = asked(|handshake| {
        assert_eq!(handshake.method(), Method::GET);
        assert_eq!(handshake.uri(), "/ws?a=b%20c&a=d");
        assert_eq!(handshake.headers().get_all("x-a").iter().count(), 2);
        assert_eq!(handshake.header_str("X-A"), Some("1"));
        assert_eq!(handshake.header_str("x-b"), None);
        assert_eq!(handshake.origin(), Some("https://example.com"));
        assert_eq!(handshake.query("a").as_deref(), Some("b c"));
        assert_eq!(handshake.query_all("a").collect::<Vec<_>>(), ["b c", "d"]);
        assert_eq!(handshake.query("b"), None);
        assert_eq!(handshake.query_all("b").count(), 0);
        Ok(())
    });
    let headers = ["X-A: 1", "X-A: 2", "Origin: https://example.com"];
    connect_with(&handler, &request_with("/ws?a=b%20c&a=d", &headers)).await.bye().await;
}

#[tokio::test]
async fn below_a_nested_router_the_path_is_the_rest() {
    let (handler, mut conns) = conns(|handler| handler);
    let mut client = Client::new(serve(Router::new().nest_service("/api", handler)));
    assert_eq!(client.ask(&request_with("/api/rooms/1?x", &[])).await.status, 101);
    let conn = conns.recv().await.unwrap();
    assert_eq!((conn.request().path(), conn.request().query()), ("/rooms/1", Some("x")));
}

#[tokio::test]
async fn a_connection_knows_the_endpoint_it_came_in_by() {
    let (handler, mut conns) = conns(|handler| handler);
    let _clients = [connect(&handler).await, connect(&handler.name("chat")).await];
    let [one, two] = [conns.recv().await.unwrap(), conns.recv().await.unwrap()];
    assert_eq!((one.endpoint(), two.endpoint()), (None, Some("chat")));
}

#[tokio::test]
async fn each_connection_has_an_id_of_its_own_and_a_clone_is_the_same_connection() {
    let (handler, mut conns) = conns(|handler| handler);
    let _clients = [connect(&handler).await, connect(&handler.clone()).await];
    let [one, two] = [conns.recv().await.unwrap(), conns.recv().await.unwrap()];
    assert_ne!(one.id(), two.id());
    assert_eq!(one.id(), one.clone().id());
    assert_ne!(one.id().to_string(), two.id().to_string());
}

// Transports.

const LARGE: usize = 10 * 1024 * 1024;

fn large_echo() -> Handler {
    echo().max_message_size(LARGE).outbox_limits(2 * LARGE, 16)
}

async fn echoes_much<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(client: Client<T>, len: usize) {
    let mut client = client.upgrade(&request()).await;
    let payload: Vec<u8> = (0..len).map(|n| (n * n) as u8).collect();
    client.binary(&payload).await;
    assert!(client.next().await == Frame::Binary(payload), "it comes back as it was");
    client.echoes("still here").await;
    client.bye().await;
}

#[tokio::test]
async fn ten_mebibytes_come_back_over_tcp_from_each_kind_of_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let service = || TowerToHyperService::new(large_echo());
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service())
                .with_upgrades(),
        );
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            auto::Builder::new(TokioExecutor::new())
                .serve_connection_with_upgrades(TokioIo::new(stream), service())
                .await
        });
        axum::serve(listener, Router::new().fallback_service(large_echo())).await
    });
    for _ in ["hyper", "hyper-util", "axum"] {
        echoes_much(Client::new(TcpStream::connect(address).await.unwrap()), LARGE).await;
    }
}

#[tokio::test]
async fn ten_mebibytes_come_back_over_what_is_no_tcp() {
    echoes_much(Client::new(serve(large_echo())), LARGE).await;
}

#[tokio::test]
async fn frames_right_behind_the_request_are_not_lost_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().fallback_service(echo())).into_future());
    let mut client = Client::new(TcpStream::connect(address).await.unwrap());
    client.write(&[request().as_bytes(), &support::frame(support::TEXT, b"early")].concat()).await;
    assert_eq!(client.answer().await.status, 101);
    assert_eq!(client.next().await, Frame::text("early"));
    client.bye().await;
}

// Counters.

#[tokio::test]
async fn a_handler_counts_what_it_has_seen() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sender, mut conns) = mpsc::channel(8);
    let handler = {
        let seen = seen.clone();
        Handler::on_message(move |conn: Conn, message: Message| {
            seen.lock().unwrap().push(message.len());
            let sender = sender.clone();
            async move {
                conn.send(message).await?;
                sender.send(conn).await?;
                Ok(())
            }
        })
    };
    let clone = handler.clone();
    let counts = || {
        let stats = clone.stats();
        (stats.open, stats.accepted, stats.refused)
    };
    assert_eq!(counts(), (0, 0, 0));
    assert_eq!(answer_to(&handler, &request().replace(": 13", ": 8")).await.status, 426);
    assert_eq!(answer_to(&handler, &request_with("/ws", &["Origin: null"])).await.status, 403);
    assert_eq!(counts(), (0, 0, 2));

    let mut one = connect(&handler).await;
    let mut two = connect(&handler).await;
    assert_eq!(counts(), (2, 2, 2));
    one.echoes("hello").await;
    two.echoes("hi").await;
    let conns = [conns.recv().await.unwrap(), conns.recv().await.unwrap()];
    one.bye().await;
    two.bye().await;
    let [first, second] = [conns[0].closed().await, conns[1].closed().await];
    // A text of five bytes is a frame of 11 with its mask, and of 7 without; a close with a code of 8 and of 4.
    let traffic = first.traffic();
    assert_eq!((traffic.messages_received, traffic.bytes_received), (1, 11 + 8));
    assert_eq!((traffic.messages_sent, traffic.bytes_sent), (1, 7 + 4));
    assert_eq!(second.traffic().bytes_received, 8 + 8);
    let total = clone.stats().traffic;
    assert_eq!((total.messages_received, total.messages_sent), (2, 2));
    assert_eq!((total.bytes_received, total.bytes_sent), (19 + 16, 11 + 8));
    assert_eq!(*seen.lock().unwrap(), [5, 2]);

    // The last thing a connection does is to leave the count.
    while clone.stats().open > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counts(), (0, 2, 2));
}

#[tokio::test]
async fn a_request_that_asks_for_no_websocket_is_not_counted() {
    let handler = echo();
    assert_eq!(answer_to(&handler, PLAIN_GET).await.status, 426);
    assert_eq!(answer_to(&handler, &PLAIN_GET.replace("GET", "POST")).await.status, 405);
    assert_eq!(handler.stats(), Handler::new(|| Silent).stats());
}
