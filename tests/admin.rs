//! The admin page and its API, in memory. What a browser makes of it is in `tests/clients/admin_page.mjs`, the answers'
//! schemas are in `tests/clients/admin_api.mjs`.
#![cfg(feature = "admin")]

mod support;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use gustnado::{
    Conn, Connector, Disconnect, Handler, Handshake, Hub, Message, PeerAddr, Reject, Shutdown, TrustProxy,
    adapter::{MemoryBus, Retention},
    admin::{Admin, Guard},
    async_trait,
};
use http::{HeaderMap, Method, Request, StatusCode, request::Parts};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::{Client, Frame, connect_with, request_with, serve, serve_with_pipe};
use tower::ServiceExt;

const SECRET: &str = "the secret of this page";

/// Every path that there is, and some that there are not.
const PATHS: [&str; 27] = [
    "/admin",
    "/admin/",
    "/admin/admin.css",
    "/admin/admin.js",
    "/admin/charts.js",
    "/admin/elements.js",
    "/admin/refresh.js",
    "/admin/server.js",
    "/admin/tables.js",
    "/admin/tap.js",
    "/admin/login",
    "/admin/logout",
    "/admin/live",
    "/admin/api/openapi.json",
    "/admin/api/session",
    "/admin/api/overview",
    "/admin/api/connections",
    "/admin/api/connections/1-1",
    "/admin/api/connections/1-1/send",
    "/admin/api/connections/1-1/close",
    "/admin/api/rooms/lobby/send",
    "/admin/api/users/ann",
    "/admin/api/users/ann/send",
    "/admin/api/users/ann/disconnect",
    "/admin/api/nodes",
    "/admin/nothing",
    "/elsewhere",
];

/// Whose query says who it is and where; sends what it gets to its rooms.
struct Member;

#[async_trait]
impl Connector for Member {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        if let Some(user) = handshake.query("user").map(String::from) {
            handshake.set_user(user);
        }
        let room = handshake.query("room").map_or("lobby".into(), String::from);
        handshake.join(&room)?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        for room in conn.rooms() {
            conn.room(room).send(message.clone()).await;
        }
        Ok(())
    }
}

fn members() -> (Hub, Handler) {
    let handler = Handler::new(|| Member).keep_headers([http::header::USER_AGENT, http::header::COOKIE]);
    (handler.to_hub(), handler)
}

fn admin() -> Admin {
    members().0.admin(Guard::secret(SECRET))
}

async fn member(handler: &Handler, query: &str) -> Client {
    connect_with(handler, &request_with(&format!("/ws?{query}"), &["User-Agent: test/1", "Cookie: a=b"]))
        .await
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

async fn ask(admin: &Admin, request: http::request::Builder, body: &str) -> Answer {
    let request = request.header("host", "example.com").body(body.to_owned()).expect("a request");
    let (parts, body) = admin.clone().oneshot(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("text");
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// With the secret, as a program.
async fn get(admin: &Admin, path: &str) -> Answer {
    ask(admin, Request::get(path).header("authorization", format!("Bearer {SECRET}")), "").await
}

async fn post(admin: &Admin, path: &str, body: &Value) -> Answer {
    let request = Request::post(path).header("authorization", format!("Bearer {SECRET}"));
    ask(admin, request, &body.to_string()).await
}

/// Shows a secret from an address.
async fn shows(admin: &Admin, address: &str, secret: &str) -> Answer {
    let peer = PeerAddr(SocketAddr::new(address.parse().expect("an address"), 1));
    let request = Request::get("/admin/api/session").header("authorization", format!("Bearer {secret}"));
    ask(admin, request.extension(peer), "").await
}

fn log_in_with(secret: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair("secret", secret).finish()
}

/// Logs in as the page of `origin` would; the cookie as a browser sends it back.
async fn log_in(admin: &Admin) -> String {
    let request = Request::post("/admin/login").header("origin", "http://example.com");
    let answer = ask(admin, request, &log_in_with(SECRET)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("set-cookie").split(';').next().expect("a cookie").to_owned()
}

async fn csrf(admin: &Admin, cookie: &str) -> String {
    let answer = ask(admin, Request::get("/admin/api/session").header("cookie", cookie), "").await;
    answer.json()["csrf"].as_str().expect("a token").to_owned()
}

/// The live socket, opened with `headers`.
async fn live(admin: &Admin, headers: &[&str]) -> Result<Client, StatusCode> {
    let mut client = Client::new(serve(admin.clone()));
    let answer = client.ask(&request_with("/admin/live", headers)).await;
    if answer.status == StatusCode::SWITCHING_PROTOCOLS { Ok(client) } else { Err(answer.status) }
}

/// The live socket with the secret, once its tap is on.
async fn tapping(admin: &Admin, filter: &Value) -> Client {
    let bearer = format!("Authorization: Bearer {SECRET}");
    let mut client = live(admin, &[&bearer]).await.expect("the socket");
    client.text(&json!({ "tap": filter }).to_string()).await;
    // What is asked before it is pinged for is done when the pong comes.
    client.ping(b"").await;
    while client.next().await != Frame::Pong(Vec::new()) {}
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    client
}

/// The next message that came in, as a tap shows it.
async fn next_received(client: &mut Client) -> Value {
    loop {
        let message: Value = serde_json::from_slice(client.message().await.as_bytes()).expect("JSON");
        let events = message["events"].as_array().into_iter().flatten();
        if let Some(event) = events.into_iter().find(|event| event["kind"] == "received") {
            return event.clone();
        }
    }
}

// --- Behind the guard ----------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn nothing_is_there_without_the_guard() {
    let (hub, _) = members();
    let refuse = |_: Parts| async { Err(Reject::new(StatusCode::UNAUTHORIZED, "operators only")) };
    for admin in [hub.admin(Guard::secret(SECRET)), hub.admin(Guard::check(refuse))] {
        for path in PATHS {
            for method in
                [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS]
            {
                if path == "/admin/login" && method == Method::POST {
                    continue;
                }
                for cookie in ["", "gustnado_admin=", "gustnado_admin=00000000000000000000000000000000"] {
                    let request = Request::builder().method(&method).uri(path).header("cookie", cookie);
                    let answer = ask(&admin, request.header("accept", "*/*"), "{}").await;
                    assert_eq!(answer.status, 401, "{method} {path}");
                    assert!(answer.body.len() < 20, "{}", answer.body);
                }
            }
        }
        assert_eq!(live(&admin, &[]).await.err(), Some(StatusCode::UNAUTHORIZED));
    }
}

#[tokio::test(start_paused = true)]
async fn the_check_of_the_application_lets_in_and_refuses_as_it_says() {
    let (hub, _) = members();
    let admin = hub.admin(Guard::check(|parts: Parts| async move {
        match parts.headers.get("x-operator").map(http::HeaderValue::as_bytes) {
            Some(b"ann") => Ok(()),
            Some(_) => Err(Reject::new(StatusCode::FORBIDDEN, "not you")),
            None => Err(Reject::new(StatusCode::FOUND, "")
                .header("location".parse().unwrap(), "/sso".parse().unwrap())),
        }
    }));
    let as_operator = |name: &'static str| Request::get("/admin/api/overview").header("x-operator", name);
    assert_eq!(ask(&admin, as_operator("ann"), "").await.status, 200);
    assert_eq!(ask(&admin, as_operator("bob"), "").await.status, 403);
    let away = ask(&admin, Request::get("/admin/").header("accept", "text/html"), "").await;
    assert_eq!((away.status, away.header("location")), (302, "/sso"));
    // There is nothing to log in to.
    let form = ask(&admin, Request::post("/admin/login"), &log_in_with(SECRET)).await;
    assert_eq!(form.status, 404);
    // It came by what a browser may send by itself: so a change needs the token.
    let task = Request::post("/admin/api/rooms/lobby/send").header("x-operator", "ann");
    assert_eq!(ask(&admin, task, r#"{"text":"x"}"#).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_showed_ten_wrong_secrets_waits_for_a_minute() {
    let admin = admin();
    for _ in 0..10 {
        assert_eq!(shows(&admin, "192.0.2.1", "a guess").await.status, 401);
    }
    let answer = shows(&admin, "192.0.2.1", "a guess").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "60"));
    assert_eq!(shows(&admin, "192.0.2.1", SECRET).await.status, 429, "nor is the right one tried");
    assert_eq!(shows(&admin, "192.0.2.2", SECRET).await.status, 200, "others are let in");

    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(shows(&admin, "192.0.2.1", SECRET).await.status, 429);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(shows(&admin, "192.0.2.1", "a guess").await.status, 401);
    assert_eq!(shows(&admin, "192.0.2.1", SECRET).await.status, 200);
    for _ in 0..10 {
        assert_eq!(shows(&admin, "192.0.2.1", "a guess").await.status, 401, "a right one forgives");
    }
    assert_eq!(shows(&admin, "192.0.2.1", "a guess").await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn the_form_counts_wrong_secrets_too_and_who_is_logged_in_stays_so() {
    let admin = admin();
    let cookie = log_in(&admin).await;
    for status in [[401; 10].as_slice(), &[429]].concat() {
        let form = ask(&admin, Request::post("/admin/login"), &log_in_with("a guess")).await;
        assert_eq!(form.status, status);
    }
    assert_eq!(ask(&admin, Request::get("/admin/").header("cookie", cookie), "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn behind_a_proxy_that_is_trusted_the_client_s_address_counts() {
    let proxies = TrustProxy::addresses(["10.0.0.1"]).expect("an address");
    let admin = members().0.admin(Guard::secret(SECRET).trust_proxy(proxies));
    let shows = |client: &'static str, secret: &'static str| {
        let request = Request::get("/admin/api/session").header("authorization", format!("Bearer {secret}"));
        let request = request.header("x-forwarded-for", client);
        let admin = &admin;
        async move { ask(admin, request.extension(PeerAddr("10.0.0.1:1".parse().unwrap())), "").await.status }
    };
    for _ in 0..10 {
        assert_eq!(shows("192.0.2.1", "a guess").await, 401);
    }
    assert_eq!(shows("192.0.2.1", SECRET).await, 429);
    assert_eq!(shows("192.0.2.2", SECRET).await, 200);
}

#[test]
#[should_panic(expected = "16 bytes")]
fn a_secret_that_could_be_guessed_is_refused_at_once() {
    let _ = Guard::secret("short");
}

// --- Sessions ------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_browser_is_shown_the_form_and_has_a_cookie_then() {
    let admin = admin();
    let form = ask(&admin, Request::get("/admin/").header("accept", "text/html,*/*"), "").await;
    assert_eq!((form.status, form.header("content-type")), (401, "text/html; charset=utf-8"));
    assert!(
        form.body.contains(r#"action="/admin/login""#) && !form.body.contains("<script"),
        "{}",
        form.body
    );
    let policy = form.header("content-security-policy");
    let nonce = policy.split("'nonce-").nth(1).and_then(|it| it.split('\'').next()).expect("a nonce");
    assert!(form.body.contains(&format!(r#"nonce="{nonce}""#)) && !policy.contains("unsafe"), "{policy}");

    for (origin, secure) in [("http://example.com", ""), ("https://example.com", "; Secure")] {
        let request = Request::post("/admin/login?next=//evil.com").header("origin", origin);
        let answer = ask(&admin, request, &log_in_with(SECRET)).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, "/admin/"),
            "wherever it was asked from"
        );
        let (session, rest) = answer.header("set-cookie").split_once(';').expect("attributes");
        assert_eq!(rest, format!(" Path=/admin; Max-Age=43200; HttpOnly; SameSite=Strict{secure}"));
        assert_eq!(session.rsplit_once('.').expect("a signature").1.len(), 64);
        let page = ask(&admin, Request::get("/admin/").header("cookie", format!("a=b; {session}")), "").await;
        assert_eq!(page.status, 200);
    }
    let request = Request::post("/admin/login").header("origin", "https://evil.com");
    assert_eq!(ask(&admin, request, &log_in_with(SECRET)).await.status, 403, "another page logs nobody in");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_after_twelve_hours_or_when_it_is_logged_out() {
    let admin = admin();
    let (first, second) = (log_in(&admin).await, log_in(&admin).await);
    let sees = async |cookie: &str| {
        ask(&admin, Request::get("/admin/").header("cookie", cookie), "").await.status == 200
    };
    let logout =
        Request::post("/admin/logout").header("cookie", &first).header("origin", "http://example.com");
    let answer = ask(&admin, logout.header("x-csrf-token", csrf(&admin, &first).await), "").await;
    assert_eq!(answer.status, 204);
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{answer:?}");
    assert!(!sees(&first).await && sees(&second).await);

    tokio::time::advance(Duration::from_secs(12 * 60 * 60 - 1)).await;
    assert!(sees(&second).await);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!sees(&second).await);
}

#[tokio::test(start_paused = true)]
async fn a_session_s_sockets_end_with_it() {
    let admin = admin();
    let cookie = log_in(&admin).await;
    let header = format!("Cookie: {cookie}");
    let mut socket = live(&admin, &[&header, "Origin: http://example.com"]).await.expect("the socket");
    assert!(socket.message().await.is_text());
    let logout =
        Request::post("/admin/logout").header("cookie", &cookie).header("origin", "http://example.com");
    ask(&admin, logout.header("x-csrf-token", csrf(&admin, &cookie).await), "").await;
    assert_eq!(socket.closed().await, Some((4401, "the session has ended".into())));
}

// --- Changes -------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_change_needs_the_token_and_the_same_origin() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut ann = member(&handler, "user=ann").await;
    let cookie = log_in(&admin).await;
    let token = csrf(&admin, &cookie).await;
    let change = |origin: Option<&'static str>, token: Option<&str>| {
        let mut request = Request::post("/admin/api/rooms/lobby/send").header("cookie", &cookie);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(token) = token {
            request = request.header("x-csrf-token", token);
        }
        let admin = &admin;
        async move { ask(admin, request, r#"{"text":"hello"}"#).await.status }
    };
    let ours = Some("http://example.com");
    for (origin, token) in [
        (ours, None),
        (ours, Some("")),
        (ours, Some("00000000000000000000000000000000")),
        (None, Some(&*token)),
        (Some("null"), Some(&*token)),
        (Some("http://evil.com"), Some(&*token)),
        (Some("http://example.com:81"), Some(&*token)),
    ] {
        assert_eq!(change(origin, token).await, 403, "{origin:?} {token:?}");
    }
    assert_eq!(change(ours, Some(&token)).await, 200);
    assert_eq!(ann.next().await, Frame::text("hello"), "and nothing before it");
    assert_eq!(post(&admin, "/admin/api/rooms/lobby/send", &json!({ "text": "again" })).await.status, 200);
    assert_eq!(ann.next().await, Frame::text("again"), "the secret itself needs neither");
}

#[tokio::test(start_paused = true)]
async fn only_a_post_changes_something_and_nothing_else_takes_one() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let _ann = member(&handler, "user=ann").await;
    let by = async |method: &Method, path: &str| {
        let request = Request::builder().method(method).uri(path);
        ask(&admin, request.header("authorization", format!("Bearer {SECRET}")), r#"{"code":1000}"#).await
    };
    for path in ["/admin/logout", "/admin/api/rooms/lobby/send", "/admin/api/users/ann/disconnect"] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = by(&method, path).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method} {path}");
        }
    }
    for path in ["/admin/", "/admin/admin.js", "/admin/api/session", "/admin/api/users/ann"] {
        let answer = by(&Method::POST, path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{path}");
    }
    assert_eq!(by(&Method::GET, "/admin/login").await.status, 405);
    assert_eq!(by(&Method::GET, "/admin/live").await.status, 426);
    assert_eq!(by(&Method::POST, "/admin/nothing").await.status, 404);
    assert_eq!(hub.counts().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_what_is_asked_for_changes_nothing() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut ann = member(&handler, "user=ann").await;
    for body in ["", "{", "[]", "null", r#"{"text":1}"#, r#"{"text":"a","more":1}"#, r#"{"code":1000}"#] {
        let request = Request::post("/admin/api/rooms/lobby/send");
        let answer = ask(&admin, request.header("authorization", format!("Bearer {SECRET}")), body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["error"].is_string());
    }
    for closing in [json!({}), json!({ "code": 1005 }), json!({ "code": 70_000 })] {
        assert_eq!(post(&admin, "/admin/api/users/ann/disconnect", &closing).await.status, 400, "{closing}");
    }
    let sending = json!({ "text": "x".repeat(64 * 1024) });
    assert_eq!(post(&admin, "/admin/api/rooms/lobby/send", &sending).await.status, 413);
    for path in ["rooms/nobody", "users/nobody", "connections/0-0", "connections/nothing"] {
        let answer = post(&admin, &format!("/admin/api/{path}/send"), &json!({ "text": "x" })).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    ann.text("still here").await;
    assert_eq!(ann.next().await, Frame::text("still here"), "and nothing before it");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up() {
    let mut client = Client::new(serve(admin()));
    let begun = tokio::time::Instant::now();
    let answer =
        client.ask("POST /admin/login HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\n\r\nsec").await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_does_is_done_and_reported() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut phone = member(&handler, "user=ann").await;
    let mut laptop = member(&handler, "user=ann&room=..").await;
    let mut bob = member(&handler, "user=bob").await;
    let text = |text: &str| json!({ "text": text });

    let done = post(&admin, "/admin/api/users/ann/send", &text("to ann")).await.json();
    assert_eq!((&done["queued"], &done["handed_over"]), (&json!(2), &json!(0)));
    assert_eq!(post(&admin, "/admin/api/rooms/lobby/send", &text("to the lobby")).await.json()["queued"], 2);
    assert_eq!(post(&admin, "/admin/api/rooms/=../send", &text("to ..")).await.json()["queued"], 1);
    let id = get(&admin, "/admin/api/users/bob").await.json()["connections"]["items"][0]["id"].clone();
    let id = id.as_str().expect("an id");
    assert_eq!(post(&admin, &format!("/admin/api/connections/{id}/send"), &text("to bob")).await.status, 200);
    for (client, expected) in [
        (&mut phone, ["to ann", "to the lobby"]),
        (&mut laptop, ["to ann", "to .."]),
        (&mut bob, ["to the lobby", "to bob"]),
    ] {
        for text in expected {
            assert_eq!(client.next().await, Frame::text(text));
        }
    }

    let kick = json!({ "code": 4003, "reason": "kicked" });
    let closed = post(&admin, &format!("/admin/api/connections/{id}/close"), &kick).await;
    assert_eq!(closed.json()["closed"], 1);
    assert_eq!(bob.next().await, Frame::close(4003, "kicked"));
    let away = json!({ "code": 1000 });
    assert_eq!(post(&admin, "/admin/api/users/ann/disconnect", &away).await.json()["closed"], 2);
    assert_eq!(phone.next().await, Frame::close(1000, ""));
    assert_eq!(laptop.next().await, Frame::close(1000, ""));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_is_logged_with_who_asked_and_without_what_was_said() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let admin = admin();
    let request =
        Request::post("/admin/api/rooms/a%0Ab/send").header("authorization", format!("Bearer {SECRET}"));
    let peer = PeerAddr("192.0.2.1:7".parse().expect("an address"));
    assert_eq!(ask(&admin, request.extension(peer), r#"{"text":"psst"}"#).await.status, 404);
    let said = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
    let line = said.lines().find(|line| line.contains("an operator's change")).expect("a line");
    assert!(line.contains("192.0.2.1:7") && line.contains("404") && line.contains("Broadcast"), "{line}");
    assert!(!said.contains("psst") && !said.contains(SECRET) && said.lines().count() == 1, "{said}");
}

// --- What there is to see ------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn lists_are_searched_sorted_and_paged() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut clients = Vec::new();
    for number in 0..60 {
        clients.push(member(&handler, &format!("user=user{number:02}&room=room{}", number % 3)).await);
    }
    let users = async |query: &str| {
        let list = get(&admin, &format!("/admin/api/connections?{query}")).await.json();
        let users = list["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|it| it["user"].as_str().expect("a user").to_owned());
        (list["total"].as_u64().expect("a total"), users.collect::<Vec<_>>())
    };
    let (total, first) = users("sort=user").await;
    assert_eq!((total, first.len(), &*first[0]), (60, 50, "user00"));
    let (total, rest) = users("sort=user&skip=50").await;
    assert_eq!((total, rest.len(), &*rest[0]), (60, 10, "user50"));
    assert_eq!(users("sort=user&order=desc&limit=1").await, (60, vec!["user59".into()]));
    assert_eq!(users("search=user1").await.0, 10);
    assert_eq!(users("search=room2&limit=0").await, (20, vec![]));
    assert_eq!(users("search=nobody").await, (0, vec![]));
    assert_eq!(users("skip=18446744073709551615&limit=99999999999999999999").await, (60, vec![]));
    for sort in ["peer", "path", "since", "received", "sent", "buffered", "round_trip", "nothing"] {
        assert_eq!(users(&format!("sort={sort}")).await.1.len(), 50, "{sort}");
    }
    assert_eq!(get(&admin, "/admin/api/rooms?sort=members").await.json()["total"], 3);
    assert_eq!(get(&admin, "/admin/api/rooms/room1?limit=5").await.json()["connections"]["total"], 20);
    let users = get(&admin, "/admin/api/users?sort=connections&order=desc&limit=1").await.json();
    let node = hub.node().to_string();
    let nodes = json!([{ "id": node, "connections": 1 }]);
    assert_eq!(users["items"], json!([{ "name": "user59", "connections": 1, "nodes": nodes }]));
    // The line of the guide.
    assert_eq!(get(&admin, "/admin/api/connections?search=ann").await.json()["total"], 0);
    for gone in ["rooms/nothing", "users/nobody", "connections/0-0", "connections/x"] {
        assert_eq!(get(&admin, &format!("/admin/api/{gone}")).await.status, 404, "{gone}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_shown_with_the_headers_that_are_kept_but_for_credentials() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut ann = member(&handler, "user=ann").await;
    ann.text("hello").await;
    assert_eq!(ann.next().await, Frame::text("hello"));
    let id = get(&admin, "/admin/api/connections").await.json()["items"][0]["id"].clone();
    let shown = get(&admin, &format!("/admin/api/connections/{}", id.as_str().expect("an id"))).await.json();
    assert_eq!(shown["headers"], json!([{ "name": "user-agent", "value": "test/1" }]));
    assert_eq!(
        (&shown["user"], &shown["path"], &shown["rooms"]),
        (&json!("ann"), &json!("/ws"), &json!(["lobby"]))
    );
    assert_eq!(shown["traffic"]["messages_received"], 1);
}

#[tokio::test(start_paused = true)]
async fn the_nodes_are_shown_and_what_is_done_reaches_them() {
    let bus = MemoryBus::new();
    let here = Hub::builder().adapter(bus.adapter()).build();
    let there = Hub::builder().adapter(bus.adapter()).build();
    let admin = here.admin(Guard::secret(SECRET));
    let handler = Handler::new(|| Member).hub(&there);
    let mut ann = member(&handler, "user=ann").await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let shown = get(&admin, "/admin/api/nodes").await.json();
    let ids = [here.node().to_string(), there.node().to_string()];
    let nodes: Vec<_> = shown["nodes"].as_array().expect("nodes").iter().map(|it| it["id"].clone()).collect();
    assert_eq!(nodes, ids);
    assert_eq!((&shown["nodes"][0]["this"], &shown["adapter"]["link"]), (&json!(true), &json!("up")));
    assert_eq!((&shown["nodes"][0]["connections"], &shown["nodes"][1]["users"]), (&json!(0), &json!(1)));

    let done = post(&admin, "/admin/api/rooms/lobby/send", &json!({ "text": "hello" })).await.json();
    assert_eq!((&done["queued"], &done["handed_over"]), (&json!(0), &json!(1)));
    assert_eq!(ann.next().await, Frame::text("hello"));
    let kick = json!({ "code": 4003, "reason": "kicked" });
    let done = post(&admin, "/admin/api/users/ann/disconnect", &kick).await.json();
    assert_eq!((&done["closed"], &done["handed_over"]), (&json!(0), &json!(1)));
    assert_eq!(ann.next().await, Frame::close(4003, "kicked"));
}

#[tokio::test(start_paused = true)]
async fn lists_are_those_of_all_nodes_and_name_those_that_are_silent() {
    let bus = MemoryBus::new();
    let here = Hub::builder().adapter(bus.adapter()).build();

    let there = Hub::builder().adapter(bus.adapter()).build();
    let admin = here.admin(Guard::secret(SECRET));
    let mut clients = Vec::new();
    for number in 0..6 {
        let handler = Handler::new(|| Member).hub(if number % 2 == 0 { &here } else { &there });
        clients.push(member(&handler, &format!("user=user{}&room=room{number}", number / 2)).await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ids = [here.node().to_string(), there.node().to_string()];
    let list = async |path: &str| get(&admin, &format!("/admin/api/{path}")).await.json();
    let texts = |list: &Value, key: &str| {
        let items = list["items"].as_array().expect("items").iter();
        items.map(|it| it[key].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };

    let conns = list("connections?sort=user&order=desc&limit=3&skip=1").await;
    assert_eq!(
        (&conns["total"], texts(&conns, "user")),
        (&json!(6), ["user2", "user1", "user1"].map(String::from).to_vec())
    );
    assert_eq!((&conns["missing"], &conns["truncated"]), (&json!([]), &json!(false)));
    assert_eq!(texts(&list("connections?search=room3").await, "node"), [ids[1].clone()]);
    let users = list("users?search=user1").await;
    let mut both = ids.clone().map(|id| json!({ "id": id, "connections": 1 }));
    both.sort_by_key(|it| it["id"].to_string());
    assert_eq!(users["items"], json!([{ "name": "user1", "connections": 2, "nodes": both }]));
    assert_eq!(list("rooms").await["total"], 6);
    let room = list("rooms/room3").await;
    assert_eq!(
        (&room["members"], &room["since"], &room["connections"]["total"]),
        (&json!(1), &Value::Null, &json!(1))
    );
    let id = room["connections"]["items"][0]["id"].as_str().expect("an id").to_owned();
    let conn = list(&format!("connections/{id}")).await;
    assert_eq!(
        (&conn["node"], &conn["user"], &conn["headers"]),
        (&json!(ids[1]), &json!("user1"), &json!([]))
    );

    bus.lose(|_, _| true);
    let conns = list("connections").await;
    assert_eq!((&conns["total"], &conns["missing"]), (&json!(3), &json!([ids[1]])));
    let nodes = list("nodes").await;
    assert_eq!((&nodes["nodes"][1]["id"], &nodes["nodes"][1]["connections"]), (&json!(ids[1]), &Value::Null));
}

#[tokio::test(start_paused = true)]
async fn of_many_on_another_node_the_page_that_is_asked_for_is_found() {
    let bus = MemoryBus::new();
    let here = Hub::builder().adapter(bus.adapter()).build();
    let there = Hub::builder().adapter(bus.adapter()).build();
    let admin = here.admin(Guard::secret(SECRET));
    let handler = Handler::new(|| Member).hub(&there);
    let mut clients = Vec::new();
    for number in 0..1_100 {
        clients.push(member(&handler, &format!("user=user{number:04}")).await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let list = async |query: &str| get(&admin, &format!("/admin/api/connections?{query}")).await.json();
    let found = list("search=user0999").await;
    assert_eq!((&found["total"], &found["items"][0]["user"]), (&json!(1), &json!("user0999")));
    let page = list("sort=user&order=desc&limit=1&skip=99").await;
    assert_eq!((&page["total"], &page["items"][0]["user"]), (&json!(1_100), &json!("user1000")));
    assert_eq!(page["truncated"], false);
    let beyond = list("sort=user&limit=10&skip=1050").await;
    assert_eq!((&beyond["items"], &beyond["truncated"]), (&json!([]), &json!(true)), "and that is said");
    let users = get(&admin, "/admin/api/users").await.json();
    assert_eq!((&users["total"], &users["truncated"]), (&json!(1_000), &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_session_is_good_on_each_node_that_has_the_secret() {
    let (one, other) = (admin(), admin());
    let cookie = log_in(&one).await;
    let change = async |admin: &Admin, csrf: String| {
        let request = Request::post("/admin/api/rooms/lobby/send").header("cookie", &cookie);
        let request = request.header("origin", "http://example.com").header("x-csrf-token", csrf);
        ask(admin, request, r#"{"text":"hi"}"#).await.status
    };
    // Nobody is there: so it was asked for by somebody who may.
    assert_eq!(change(&other, csrf(&one, &cookie).await).await, 404);
    assert_eq!(change(&other, csrf(&one, &log_in(&one).await).await).await, 403, "of another session");
    let stranger = members().0.admin(Guard::secret("another secret, long enough"));
    assert_eq!(ask(&stranger, Request::get("/admin/").header("cookie", &cookie), "").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_room_is_shown_with_who_is_present_and_where_its_history_stands() {
    let hub = Hub::builder().presence_in(|_| true).history("lobby", Retention::last(10)).build();
    let handler = Handler::new(|| Member).hub(&hub);
    let admin = hub.admin(Guard::secret(SECRET));
    let _devices = [member(&handler, "user=ann").await, member(&handler, "user=ann").await];
    let _bob = member(&handler, "user=bob&room=other").await;
    for text in ["one", "two"] {
        let done = post(&admin, "/admin/api/rooms/lobby/send", &json!({ "text": text })).await.json();
        assert_eq!(done["kept"], 1);
    }
    let room = get(&admin, "/admin/api/rooms/lobby").await.json();
    assert_eq!(room["position"]["offset"], 2);
    assert_eq!(room["present"], json!({ "total": 1, "items": [{ "user": "ann", "connections": 2 }] }));
    assert_eq!(get(&admin, "/admin/api/rooms/other").await.json()["position"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn every_answer_forbids_what_the_page_does_not_need() {
    let admin = admin();
    let mut answers = Vec::new();
    for path in PATHS.into_iter().filter(|path| *path != "/admin/live") {
        answers.push((path, get(&admin, path).await));
        answers.push((path, ask(&admin, Request::get(path), "").await));
        answers.push((path, ask(&admin, Request::get(path).header("accept", "text/html"), "").await));
    }
    for (path, answer) in answers {
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
    }
    let page = get(&admin, "/admin/").await.body;
    assert!(
        !page.contains("//") && !page.contains("style=") && page.matches("<script").count() == 1,
        "{page}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_found_below_any_base_nested_or_not() {
    let (hub, _) = members();
    let at = |base: &str| hub.admin(Guard::secret(SECRET)).at(base);
    let apps = [
        (axum::Router::new().nest_service("/ops/hub", at("/ops/hub/")), "/ops/hub"),
        (axum::Router::new().fallback_service(at("/ops/hub")), "/ops/hub"),
        (axum::Router::new().fallback_service(at("")), ""),
        (axum::Router::new().fallback_service(at("/")), ""),
    ];
    for (app, base) in apps {
        for path in ["/", "/admin.js", "/api/overview", "/api/rooms?search=x"] {
            let request =
                Request::get(format!("{base}{path}")).header("authorization", format!("Bearer {SECRET}"));
            let answer = app
                .clone()
                .oneshot(request.body(axum::body::Body::empty()).unwrap())
                .await
                .expect("an answer");
            assert_eq!(answer.status(), 200, "{base}{path}");
            let body = answer.into_body().collect().await.expect("a body").to_bytes();
            let body = String::from_utf8(body.to_vec()).expect("text");
            assert!(path != "/" || body.contains(&format!(r#"src="{base}/admin.js""#)), "{body}");
        }
        let form =
            Request::post(format!("{base}/login")).body(axum::body::Body::from(log_in_with(SECRET))).unwrap();
        let answer = app.oneshot(form).await.expect("an answer");
        assert_eq!(answer.headers()["location"], format!("{base}/"));
        let cookie = answer.headers()["set-cookie"].to_str().expect("text");
        assert!(
            cookie.contains(&format!("; Path={};", if base.is_empty() { "/" } else { base })),
            "{cookie}"
        );
    }
}

// --- The socket ----------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn the_socket_shows_the_figures_every_second_and_is_not_in_them() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let _ann = member(&handler, "user=ann").await;
    let mut socket = tapping(&admin, &Value::Null).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..3 {
        let figures: Value = serde_json::from_slice(socket.message().await.as_bytes()).expect("JSON");
        assert_eq!((&figures["type"], &figures["connections"]), (&json!("overview"), &json!(1)));
    }
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_socket_ends_when_the_hub_has_shut_down() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut ann = member(&handler, "user=ann").await;
    let mut socket = tapping(&admin, &Value::Null).await;
    let shutdown = tokio::spawn(async move { hub.shutdown(Shutdown::default()).await });
    ann.next().await;
    ann.close(1001, "").await;
    assert_eq!(shutdown.await.expect("no panic").ended, 1);
    assert_eq!(socket.closed().await.expect("a code").0, 1001);
}

#[tokio::test(start_paused = true)]
async fn a_tap_shows_what_its_filter_wants() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut ann = member(&handler, "user=ann&room=red").await;
    let mut bob = member(&handler, "user=bob&room=blue").await;
    let id = hub.connections_of("bob", gustnado::Page::ALL)[0].id().to_string();
    for (filter, expected) in [
        (json!({}), ("ann", "one")),
        (json!({ "room": "blue" }), ("bob", "two")),
        (json!({ "user": "bob" }), ("bob", "two")),
        (json!({ "conn": id }), ("bob", "two")),
        (json!({ "text": "wo" }), ("bob", "two")),
    ] {
        let mut socket = tapping(&admin, &filter).await;
        for (client, text) in [(&mut ann, "one"), (&mut bob, "two")] {
            client.text(text).await;
            assert_eq!(client.next().await, Frame::text(text));
        }
        let event = next_received(&mut socket).await;
        let (user, text) = expected;
        assert_eq!((&event["user"], &event["text"]), (&json!(user), &json!(text)), "{filter}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_makes_no_sense_closes_the_socket() {
    let admin = admin();
    for wish in ["", "x", "[]", r#"{"tap":{"conn":"x"}}"#, r#"{"tap":{"colour":"red"}}"#, r#"{"drop":"all"}"#]
    {
        let bearer = format!("Authorization: Bearer {SECRET}");
        let mut socket = live(&admin, &[&bearer]).await.expect("the socket");
        socket.text(wish).await;
        assert_eq!(socket.closed().await.expect("a code").0, 1008, "{wish}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_of_another_origin_opens_no_socket() {
    let admin = admin();
    let cookie = format!("Cookie: {}", log_in(&admin).await);
    for (origin, status) in [("http://evil.com", Some(StatusCode::FORBIDDEN)), ("http://example.com", None)] {
        assert_eq!(live(&admin, &[&cookie, &format!("Origin: {origin}")]).await.err(), status, "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_redacted_does_not_leave_the_server() {
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET)).redact_fields(["password"]);
    let mut ann = member(&handler, "user=ann").await;
    let mut socket = tapping(&admin, &json!({})).await;
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(300));
    for (text, shown, cut) in [
        (r#"{"password":"s3cret","a":1}"#, r#"{"password":"***","a":1}"#, false),
        (&*long, &long[..256], true),
    ] {
        ann.text(text).await;
        assert_eq!(ann.next().await, Frame::text(text));
        let event = next_received(&mut socket).await;
        assert_eq!((&event["text"], &event["cut"]), (&json!(shown), &json!(cut)));
    }
    ann.binary(b"\x81\xa8password\xa6s3cret").await;
    assert!(matches!(ann.next().await, Frame::Binary(_)));
    let event = next_received(&mut socket).await;
    assert_eq!((&event["text"], &event["is_text"], &event["len"]), (&json!(""), &json!(false), &json!(17)));
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_is_not_read_costs_the_traffic_nothing_and_little_memory() {
    const MESSAGES: usize = 20_000;
    let (hub, handler) = members();
    let admin = hub.admin(Guard::secret(SECRET));
    let mut stalled = Client::new(serve_with_pipe(admin, 4096));
    let bearer = format!("Authorization: Bearer {SECRET}");
    stalled = stalled.upgrade(&request_with("/admin/live", &[&bearer])).await;
    stalled.text(r#"{"tap":{}}"#).await;

    let mut ann = member(&handler, "user=ann").await;
    let text = "x".repeat(200);
    let begun = tokio::time::Instant::now();
    for _ in 0..MESSAGES {
        ann.echoes(&text).await;
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody waited");

    // All that was kept for it: its outbox, the events of its tap, and what was in the pipe; of 40,000 events.
    let mut kept = 0;
    let missed = loop {
        let message = stalled.message().await;
        let value: Value = serde_json::from_slice(message.as_bytes()).expect("JSON");
        match value["missed"].as_u64() {
            Some(missed) if missed > 0 => break missed,
            _ => kept += message.len(),
        }
        assert!(kept < 2 * 1024 * 1024, "{kept} bytes were kept");
    };
    assert!(missed > 30_000, "{missed} of {}", 2 * MESSAGES);
}
