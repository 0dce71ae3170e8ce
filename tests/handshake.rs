//! The opening handshake over a real HTTP server in memory: what opens a connection, and the exact answer to what
//! does not.

mod support;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use bytes::Bytes;
use gustnado::{CloseFrame, Conn, Handler, InvalidHeader, Message, Reject};
use http::{HeaderValue, Response, StatusCode, header::SET_COOKIE};
use support::{
    ACCEPT, Answer, Client, Frame, KEY, TEXT, answer_to, asked, connect_with, echo, frame, request,
    request_with, serve,
};
use tokio::io::AsyncReadExt;

/// What a refused request gets: the status, the headers that every answer does not have, the body.
type Refusal = (u16, &'static [(&'static str, &'static str)], &'static str);

const PLAIN: (&str, &str) = ("content-type", "text/plain; charset=utf-8");
const METHOD: Refusal = (405, &[("allow", "GET"), PLAIN], "a WebSocket is opened by GET");
const NO_UPGRADE: Refusal =
    (426, &[("connection", "upgrade"), PLAIN, ("upgrade", "websocket")], "this is a WebSocket endpoint");
const VERSION: Refusal =
    (426, &[PLAIN, ("sec-websocket-version", "13")], "only version 13 of the protocol is spoken here");
const BAD_KEY: Refusal = (400, &[PLAIN], "Sec-WebSocket-Key is not 16 bytes of base64");
const PROTOCOLS: Refusal = (400, &[PLAIN], "Sec-WebSocket-Protocol is not a list of tokens");
const ORIGIN: Refusal = (403, &[PLAIN], "this origin is not allowed");
/// What hyper refuses before a handler sees it.
const NO_HTTP: Refusal = (400, &[("connection", "close")], "");
const HEADERS_TOO_LARGE: Refusal = (431, &[("connection", "close")], "");
const URI_TOO_LONG: Refusal = (414, &[("connection", "close")], "");

/// The good request with one part replaced.
fn spoiled(part: &str, by: &str) -> String {
    let request = request();
    assert!(request.contains(part), "{part} is not in the request");
    request.replacen(part, by, 1)
}

fn with(header: &str) -> String {
    request_with("/ws", &[header])
}

/// The good request with another value of a header, or without the header.
fn header(name: &str, value: Option<&str>) -> String {
    let line = request().lines().find(|line| line.starts_with(&format!("{name}: "))).map(str::to_owned);
    let line = line.expect("the request has the header");
    spoiled(&format!("{line}\r\n"), &value.map(|value| format!("{name}: {value}\r\n")).unwrap_or_default())
}

fn upgrade(value: &str) -> String {
    header("Upgrade", Some(value))
}

fn connection(value: &str) -> String {
    header("Connection", Some(value))
}

fn version(value: &str) -> String {
    header("Sec-WebSocket-Version", Some(value))
}

fn key(value: &str) -> String {
    header("Sec-WebSocket-Key", Some(value))
}

fn protocols(value: &str) -> String {
    with(&format!("Sec-WebSocket-Protocol: {value}"))
}

fn origin(value: &str) -> String {
    with(&format!("Origin: {value}"))
}

fn method(method: &str) -> String {
    spoiled("GET ", &format!("{method} "))
}

/// The headers of an answer in order, without those that only describe time and length.
fn headers(answer: &Answer) -> Vec<(&str, &str)> {
    let all = answer.headers.iter().filter(|(name, _)| *name != "date" && *name != "content-length");
    let mut headers: Vec<_> = all.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    headers.sort_unstable();
    headers
}

#[tokio::test]
async fn each_malformed_or_hostile_request_gets_its_answer_and_no_connector() {
    let many_headers = (0..120).map(|n| format!("X-{n}: {n}\r\n")).collect::<String>();
    let cases: Vec<(&str, String, Refusal)> = vec![
        // The method.
        ("a POST", method("POST"), METHOD),
        ("a PUT", method("PUT"), METHOD),
        ("a DELETE", method("DELETE"), METHOD),
        ("OPTIONS", method("OPTIONS"), METHOD),
        ("a method of somebody's own", method("WEBSOCKET"), METHOD),
        ("a method in lower case is another method", method("get"), METHOD),
        ("a CONNECT", spoiled("GET /ws", "CONNECT example.com:80"), METHOD),
        ("a POST without any upgrade", "POST /ws HTTP/1.1\r\nHost: a\r\n\r\n".into(), METHOD),
        // The upgrade.
        ("an ordinary request", "GET /ws HTTP/1.1\r\nHost: example.com\r\n\r\n".into(), NO_UPGRADE),
        ("no Upgrade", header("Upgrade", None), NO_UPGRADE),
        ("an empty Upgrade", upgrade(""), NO_UPGRADE),
        ("an Upgrade to something else", upgrade("h2c"), NO_UPGRADE),
        ("a longer token", upgrade("websockets"), NO_UPGRADE),
        ("a token that ends alike", upgrade("xwebsocket"), NO_UPGRADE),
        ("a token with a version", upgrade("websocket/13"), NO_UPGRADE),
        ("a quoted token", upgrade("\"websocket\""), NO_UPGRADE),
        ("two words are not a list", upgrade("h2c websocket"), NO_UPGRADE),
        ("a parameter", upgrade("websocket;q=1"), NO_UPGRADE),
        ("no Connection", header("Connection", None), NO_UPGRADE),
        ("a Connection that names other headers", connection("keep-alive"), NO_UPGRADE),
        ("a Connection whose token only begins alike", connection("upgrade-insecure"), NO_UPGRADE),
        ("HTTP/1.0, which knows no upgrade", spoiled("HTTP/1.1", "HTTP/1.0"), NO_UPGRADE),
        // The version.
        ("no version", header("Sec-WebSocket-Version", None), VERSION),
        ("an empty version", version(""), VERSION),
        ("version 0", version("0"), VERSION),
        ("version 8", version("8"), VERSION),
        ("version 12", version("12"), VERSION),
        ("version 130", version("130"), VERSION),
        ("version 013", version("013"), VERSION),
        ("version +13", version("+13"), VERSION),
        ("version 13.0", version("13.0"), VERSION),
        ("a list of versions", version("13, 8"), VERSION),
        ("the version twice", with("Sec-WebSocket-Version: 13"), VERSION),
        ("a second version", with("Sec-WebSocket-Version: 8"), VERSION),
        // The key.
        ("no key", header("Sec-WebSocket-Key", None), BAD_KEY),
        ("an empty key", key(""), BAD_KEY),
        ("15 bytes", key("AAAAAAAAAAAAAAAAAAAA"), BAD_KEY),
        ("17 bytes", key("AAAAAAAAAAAAAAAAAAAAAAA="), BAD_KEY),
        ("18 bytes", key("AAAAAAAAAAAAAAAAAAAAAAAA"), BAD_KEY),
        ("16 characters that are no base64", key("sixteen bytes!!!"), BAD_KEY),
        ("a key without its padding", key(KEY.trim_end_matches('=')), BAD_KEY),
        ("a key with too much padding", key(&format!("{KEY}=")), BAD_KEY),
        ("a key in the alphabet of URLs", key("-_-_-_-_-_-_-_-_-_-_-g=="), BAD_KEY),
        ("a space within the key", key("dGhlIHNhbXBs ZSBub25jZQ=="), BAD_KEY),
        ("a very long key", key(&"A".repeat(6000)), BAD_KEY),
        ("two keys in a list", key(&format!("{KEY}, {KEY}")), BAD_KEY),
        ("two keys in two lines", with(&format!("Sec-WebSocket-Key: {KEY}")), BAD_KEY),
        // The subprotocols.
        ("subprotocols without a comma", protocols("json xml"), PROTOCOLS),
        ("a subprotocol with a parameter", protocols("json;v=1"), PROTOCOLS),
        ("a quoted subprotocol", protocols("\"json\""), PROTOCOLS),
        ("a subprotocol with a slash", protocols("json/2"), PROTOCOLS),
        ("a subprotocol that is no ASCII", protocols("jsön"), PROTOCOLS),
        (
            "a good line of subprotocols, and a bad one",
            request_with("/ws", &["Sec-WebSocket-Protocol: json", "Sec-WebSocket-Protocol: a b"]),
            PROTOCOLS,
        ),
        // The origin.
        ("another host", origin("https://evil.example"), ORIGIN),
        ("a subdomain", origin("https://www.example.com"), ORIGIN),
        ("a host that begins alike", origin("https://example.com.evil.example"), ORIGIN),
        ("a host that ends alike", origin("https://evilexample.com"), ORIGIN),
        ("the host as a user's name", origin("https://example.com@evil.example"), ORIGIN),
        ("another port", origin("https://example.com:8443"), ORIGIN),
        ("another scheme", origin("file://example.com"), ORIGIN),
        ("a page in a sandbox", origin("null"), ORIGIN),
        ("an empty origin", origin(""), ORIGIN),
        ("an origin with a path", origin("https://example.com/"), ORIGIN),
        ("an origin that is no ASCII", origin("https://exämple.com"), ORIGIN),
        (
            "two origins",
            request_with("/ws", &["Origin: https://example.com", "Origin: https://evil.example"]),
            ORIGIN,
        ),
        (
            "two hosts, of which one is the origin's",
            request_with("/ws", &["Host: evil.example", "Origin: https://evil.example"]),
            ORIGIN,
        ),
        (
            "an origin and no host",
            origin("https://example.com").replacen("Host: example.com\r\n", "", 1),
            ORIGIN,
        ),
        (
            "a target in absolute form, which counts more than the Host header",
            origin("https://example.com").replacen("GET /ws", "GET http://other.example/ws", 1),
            ORIGIN,
        ),
        // The order of the checks.
        ("wrong in method and upgrade", method("POST").replacen("websocket", "h2c", 1), METHOD),
        ("wrong in upgrade and version", upgrade("h2c").replacen(": 13", ": 8", 1), NO_UPGRADE),
        ("wrong in version and key", version("8").replacen(KEY, "?", 1), VERSION),
        ("wrong in key and origin", origin("null").replacen(KEY, "?", 1), BAD_KEY),
        (
            "wrong in subprotocols and origin",
            request_with("/ws", &["Sec-WebSocket-Protocol: a b", "Origin: null"]),
            PROTOCOLS,
        ),
        // What is no HTTP.
        ("a zero byte in a header", with("X: a\0b"), NO_HTTP),
        ("a folded header", upgrade("\r\n websocket"), NO_HTTP),
        ("a space before the colon", spoiled("Upgrade:", "Upgrade :"), NO_HTTP),
        ("a header without a colon", with("Hello"), NO_HTTP),
        ("two lengths", request_with("/ws", &["Content-Length: 1", "Content-Length: 2"]), NO_HTTP),
        ("a negative length", with("Content-Length: -1"), NO_HTTP),
        ("a length in HTTP/1.1 and no number", with("Content-Length: many"), NO_HTTP),
        ("an unknown version of HTTP", spoiled("HTTP/1.1", "HTTP/3.1"), NO_HTTP),
        ("frames in the place of a request", "\u{1}\u{2}hello\r\n\r\n".into(), NO_HTTP),
        ("too many headers", with(many_headers.trim_end()), HEADERS_TOO_LARGE),
        ("a target without end", spoiled("/ws", &format!("/{}", "w".repeat(70_000))), URI_TOO_LONG),
    ];
    assert!(cases.len() >= 45);

    for (case, request, (status, expected, body)) in cases {
        let made = Arc::new(AtomicUsize::new(0));
        let handler = {
            let made = made.clone();
            Handler::with(move |_| {
                made.fetch_add(1, SeqCst);
                Err::<Box<dyn gustnado::Connector>, _>(Reject::new(StatusCode::IM_A_TEAPOT, "reached"))
            })
        };
        let answer = answer_to(&handler, &request).await;
        assert_eq!(answer.status, status, "{case}: {answer:?}");
        assert_eq!(headers(&answer), expected, "{case}");
        assert_eq!(answer.body, body, "{case}");
        assert_eq!(made.load(SeqCst), 0, "{case}");
    }
}

#[tokio::test]
async fn a_head_request_gets_the_same_answer_without_its_body() {
    let mut client = Client::new(serve(echo()));
    client.write(method("HEAD").replacen("Upgrade\r\n", "close\r\n", 1).as_bytes()).await;
    let mut answer = String::new();
    client.io.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert!(head.contains("\r\nallow: GET\r\n"), "{head}");
    assert_eq!(body, "");
}

/// With it, `tests/compression.rs` has what is agreed, and what is refused.
#[cfg(not(feature = "deflate"))]
#[tokio::test]
async fn without_compression_extensions_are_not_looked_at() {
    for offer in ["permessage-deflate", ";;,\""] {
        let answer = answer_to(&echo(), &with(&format!("Sec-WebSocket-Extensions: {offer}"))).await;
        assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(answer.header("sec-websocket-extensions"), None);
    }
}

#[tokio::test]
async fn each_of_the_many_ways_to_ask_well_opens_a_connection() {
    let cases: Vec<(&str, String)> = vec![
        ("the RFC's own example", request()),
        ("tokens in any case", upgrade("WebSocket").replacen(": Upgrade\r", ": uPGRADE\r", 1)),
        ("header names in any case", request().replace("Sec-WebSocket-", "SEC-WEBSOCKET-")),
        ("what Firefox sends", connection("keep-alive, Upgrade")),
        ("empty elements and tabs", connection(",\tkeep-alive ,, upgrade\t,")),
        ("Connection in two lines", with("Connection: keep-alive")),
        ("a choice of upgrades", upgrade("h2c, websocket")),
        ("Upgrade in two lines", with("Upgrade: h2c")),
        ("spaces around the version", version(" 13 ")),
        ("spaces around the key", key(&format!("  {KEY}  "))),
        ("a target in absolute form", spoiled("/ws", "http://example.com/ws")),
        ("a query", spoiled("/ws", "/ws?a=%ff&a&=&&")),
        ("the page's own host", origin("https://example.com")),
        ("the page's own host, in capitals and with its port", origin("HTTPS://EXAMPLE.COM:443")),
        ("an extension that is not spoken here", with("Sec-WebSocket-Extensions: permessage-bzip2")),
        ("a subprotocol that is not spoken here", protocols("graphql-ws")),
        ("an empty list of subprotocols", protocols("")),
        ("other headers", request_with("/ws", &["User-Agent: none", "Cookie: a=b", "Pragma: no-cache"])),
        ("a length of nothing", with("Content-Length: 0")),
    ];
    for (case, request) in cases {
        let mut client = Client::new(serve(echo()));
        client.write(request.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS, "{case}: {answer:?}");
        assert_eq!(
            headers(&answer),
            [("connection", "Upgrade"), ("sec-websocket-accept", ACCEPT), ("upgrade", "websocket")],
            "{case}"
        );
        client.text(case).await;
        assert_eq!(client.next().await, Frame::text(case));
    }
}

#[tokio::test]
async fn frames_behind_a_refused_request_reach_no_callback() {
    let messages = Arc::new(AtomicUsize::new(0));
    let handler = {
        let messages = messages.clone();
        Handler::on_message(move |_, _| {
            messages.fetch_add(1, SeqCst);
            async { Ok(()) }
        })
    };
    for refused in [origin("https://evil.example"), version("8"), key("?"), upgrade("h2c"), method("POST")] {
        let mut client = Client::new(serve(handler.clone()));
        client.write(&[refused.as_bytes(), &frame(TEXT, b"a secret"), &frame(TEXT, b"more")].concat()).await;
        let refusal = client.answer().await;
        assert!(refusal.status.is_client_error(), "{refusal:?}");
        // The frames are taken for a second request, and a bad one.
        let mut rest = String::new();
        client.io.read_to_string(&mut rest).await.unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{rest}");
    }
    assert_eq!(messages.load(SeqCst), 0);
    assert_eq!(handler.stats().accepted, 0);
}

#[tokio::test]
async fn frames_right_behind_an_accepted_request_are_the_first_messages() {
    let bytes = [request().as_bytes(), &frame(TEXT, b"first"), &frame(TEXT, b"second")].concat();
    // Wherever the bytes are cut: in the request, at its end, in a frame.
    for cut in [bytes.len(), 40, request().len(), request().len() + 1, request().len() + 8, bytes.len() - 1] {
        let mut client = Client::new(serve(echo()));
        client.write(&bytes[..cut]).await;
        tokio::task::yield_now().await;
        client.write(&bytes[cut..]).await;
        assert_eq!(client.answer().await.status, 101);
        assert_eq!(client.next().await, Frame::text("first"), "cut at {cut}");
        assert_eq!(client.next().await, Frame::text("second"), "cut at {cut}");
        client.bye().await;
    }
}

#[tokio::test]
async fn a_request_right_behind_an_accepted_one_is_a_broken_frame_and_no_request() {
    let handler = echo();
    let mut client = Client::new(serve(handler.clone()));
    client.write((request() + &request()).as_bytes()).await;
    assert_eq!(client.answer().await.status, 101);
    let Frame::Close(Some((1002, _))) = client.next().await else { panic!("no protocol error") };
    assert_eq!(handler.stats().accepted, 1);
}

#[tokio::test]
async fn a_good_request_may_follow_a_refused_one_on_the_same_connection() {
    let handler = echo();
    let mut client = Client::new(serve(handler.clone()));
    for (refused, status) in [
        (origin("https://evil.example"), 403),
        ("GET /ws HTTP/1.1\r\nHost: example.com\r\n\r\n".into(), 426),
        (version("8"), 426),
        (key("?"), 400),
        (method("POST"), 405),
    ] {
        client.write(refused.as_bytes()).await;
        assert_eq!(client.answer().await.status, status);
    }
    client.write(request().as_bytes()).await;
    assert_eq!(client.answer().await.status, 101);
    client.text("at last").await;
    assert_eq!(client.next().await, Frame::text("at last"));
    client.bye().await;
    assert_eq!(handler.stats().accepted, 1);
}

#[tokio::test]
async fn a_good_request_may_follow_one_that_on_connect_refused() {
    let handler = asked(|handshake| match handshake.query("token") {
        Some(token) if token == "ok" => Ok(()),
        _ => Err(Reject::new(StatusCode::UNAUTHORIZED, "who are you?")),
    });
    let mut client = Client::new(serve(handler));
    client.write(request().as_bytes()).await;
    assert_eq!(client.answer().await.status, 401);
    client.write(request_with("/ws?token=ok", &[]).as_bytes()).await;
    assert_eq!(client.answer().await.status, 101);
    client.bye().await;
}

#[tokio::test]
async fn a_response_header_cannot_be_injected_or_taken_over() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let seen = seen.clone();
        asked(move |handshake| {
            let name = handshake.query("name").unwrap_or_default().into_owned();
            let value = handshake.query("value").unwrap_or_default().into_owned();
            seen.lock().unwrap().push(handshake.header(name, value));
            Ok(())
        })
    };
    let reserved = |name: &'static str| InvalidHeader::Reserved(name.parse().unwrap());
    let cases = [
        ("name=x-ok&value=fine", Ok(())),
        ("name=x-bad&value=a%0d%0aset-cookie:%20admin=1", Err(InvalidHeader::Value)),
        ("name=x-bad&value=a%0aset-cookie:%20admin=1", Err(InvalidHeader::Value)),
        ("name=x-bad&value=a%00b", Err(InvalidHeader::Value)),
        ("name=x%0d%0aset-cookie&value=a", Err(InvalidHeader::Name)),
        ("name=set-cookie:%20a&value=a", Err(InvalidHeader::Name)),
        ("name=&value=a", Err(InvalidHeader::Name)),
        ("name=Connection&value=close", Err(reserved("connection"))),
        ("name=content-length&value=5", Err(reserved("content-length"))),
        ("name=Transfer-Encoding&value=chunked", Err(reserved("transfer-encoding"))),
        ("name=UPGRADE&value=h2c", Err(reserved("upgrade"))),
        ("name=Sec-WebSocket-Accept&value=x", Err(reserved("sec-websocket-accept"))),
        ("name=Sec-WebSocket-Protocol&value=x", Err(reserved("sec-websocket-protocol"))),
        ("name=Sec-WebSocket-Extensions&value=x", Err(reserved("sec-websocket-extensions"))),
    ];
    for (query, expected) in cases {
        let answer = answer_to(&handler, &request_with(&format!("/ws?{query}"), &[])).await;
        assert_eq!(answer.status, 101);
        let mut own =
            vec![("connection", "Upgrade"), ("sec-websocket-accept", ACCEPT), ("upgrade", "websocket")];
        if expected.is_ok() {
            own.push(("x-ok", "fine"));
        }
        assert_eq!(headers(&answer), own, "{query}");
        assert_eq!(seen.lock().unwrap().pop().unwrap(), expected, "{query}");
    }
}

#[tokio::test]
async fn a_header_that_is_none_refuses_with_500_where_it_is_left_to_the_question_mark() {
    let handler = asked(|handshake| {
        handshake.header("x-name", "a\r\nb")?;
        Ok(())
    });
    let answer = answer_to(&handler, &request()).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (500, &b"Internal Server Error"[..]));
}

#[tokio::test]
async fn a_header_may_be_added_twice() {
    let handler = asked(|handshake| {
        handshake.header(SET_COOKIE, "a=1")?;
        handshake.header("Set-Cookie", "b=2")?;
        Ok(())
    });
    let answer = answer_to(&handler, &request()).await;
    let cookies: Vec<_> = answer.headers.get_all(SET_COOKIE).iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[tokio::test]
async fn a_subprotocol_that_was_not_offered_cannot_be_chosen_by_any_means() {
    for choice in ["xml", "json\r\nset-cookie: a=b", "JSON", "jso", ""] {
        let handler = asked(move |handshake| {
            assert_eq!(handshake.select_protocol([choice]), None);
            assert_eq!(handshake.select_protocol_with(|_| Some(choice.into())), None);
            assert_eq!(handshake.protocol(), None);
            Ok(())
        });
        let answer = answer_to(&handler, &protocols("json")).await;
        assert_eq!(answer.status, 101, "{choice:?}");
        assert_eq!(answer.header("sec-websocket-protocol"), None, "{choice:?}");
        assert_eq!(answer.header("set-cookie"), None, "{choice:?}");
    }
}

/// What the answer and the connection say about the subprotocol.
async fn chosen(handler: Handler, offered: &[&str]) -> Option<String> {
    let lines: Vec<_> = offered.iter().map(|line| format!("Sec-WebSocket-Protocol: {line}")).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let mut client = Client::new(serve(handler));
    client.write(request_with("/ws", &lines).as_bytes()).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 101);
    client.text("?").await;
    let Frame::Text(known) = client.next().await else { panic!("no text") };
    assert_eq!(answer.header("sec-websocket-protocol").unwrap_or("none"), known);
    answer.header("sec-websocket-protocol").map(str::to_owned)
}

/// Tells each connection its subprotocol.
fn telling() -> Handler {
    Handler::on_message(|conn: Conn, _: Message| async move {
        conn.send(conn.protocol().unwrap_or("none")).await?;
        Ok(())
    })
}

#[tokio::test]
async fn the_servers_order_decides_between_subprotocols() {
    let handler = telling().protocols(["json", "xml"]);
    for (offered, expected) in [
        (&["xml, json"][..], Some("json")),
        (&["json, xml"], Some("json")),
        (&["xml"], Some("xml")),
        (&["xml", "json"], Some("json")),
        (&[" ,, xml\t,"], Some("xml")),
        (&["JSON"], None),
        (&["msgpack, cbor"], None),
        (&[""], None),
        (&[], None),
    ] {
        assert_eq!(chosen(handler.clone(), offered).await.as_deref(), expected, "{offered:?}");
    }
}

#[tokio::test]
async fn on_connect_has_the_last_word_on_the_subprotocol() {
    let handler = asked(|handshake| {
        assert_eq!(handshake.protocol(), Some("json"), "the handler's choice");
        let offered: Vec<_> = handshake.offered_protocols().collect();
        assert_eq!(offered, ["xml", "json", "v2.json"]);
        let last = handshake.select_protocol_with(|offered| offered.last().cloned());
        assert_eq!(last, Some("v2.json"));
        Ok(())
    })
    .protocols(["json", "xml"]);
    let answer = answer_to(&handler, &protocols("xml, json, v2.json")).await;
    assert_eq!(answer.header("sec-websocket-protocol"), Some("v2.json"));

    let handler = asked(|handshake| {
        handshake.select_protocol([]);
        Ok(())
    })
    .protocols(["json"]);
    let answer = answer_to(&handler, &protocols("json")).await;
    assert_eq!((answer.status.as_u16(), answer.header("sec-websocket-protocol")), (101, None));
}

/// The status for a page of each origin; `None` is a client that is no browser.
async fn statuses<const N: usize>(handler: Handler, origins: [Option<&str>; N]) -> [u16; N] {
    let mut statuses = [0; N];
    for (status, asking) in statuses.iter_mut().zip(origins) {
        *status = answer_to(&handler, &asking.map_or_else(request, origin)).await.status.as_u16();
    }
    statuses
}

#[tokio::test]
async fn a_list_of_origins_lets_in_those_and_the_host_itself() {
    let handler = echo().allow_origins(["https://app.example.org", "http://localhost:3000"]).unwrap();
    let origins = [
        None,
        Some("https://app.example.org"),
        Some("https://APP.example.org:443"),
        Some("http://localhost:3000"),
        Some("https://example.com"),
    ];
    assert_eq!(statuses(handler.clone(), origins).await, [101; 5]);
    let origins = [
        Some("http://app.example.org"),
        Some("https://example.org"),
        Some("http://localhost"),
        Some("http://localhost:30000"),
        Some("null"),
    ];
    assert_eq!(statuses(handler, origins).await, [403; 5]);
}

#[tokio::test]
async fn what_is_no_origin_cannot_be_listed() {
    let invalid = echo().allow_origins(["https://example.com/chat"]).unwrap_err();
    assert_eq!(invalid.0, "https://example.com/chat");
}

#[tokio::test]
async fn a_function_may_decide_about_origins_and_sees_the_whole_request() {
    let handler = echo().check_origin(|origin, parts| {
        origin.is_some_and(|origin| origin.ends_with(".example.net")) && parts.uri.path() == "/ws"
    });
    let origins = [Some("https://a.example.net"), Some("https://example.com"), Some("null"), None];
    assert_eq!(statuses(handler.clone(), origins).await, [101, 403, 403, 403]);
    let elsewhere = request_with("/other", &["Origin: https://a.example.net"]);
    assert_eq!(answer_to(&handler, &elsewhere).await.status, 403);
}

#[tokio::test]
async fn any_origin_lets_in_even_what_is_none() {
    let origins = [Some("https://evil.example"), Some("null"), Some(""), Some("?"), None];
    assert_eq!(statuses(echo().allow_any_origin(), origins).await, [101; 5]);
    let two = request_with("/ws", &["Origin: https://example.com", "Origin: https://evil.example"]);
    assert_eq!(answer_to(&echo().allow_any_origin(), &two).await.status, 101);
}

/// The close frame that shows a refusal, and what the answer said about the subprotocol.
async fn shown(handler: &Handler, request: &str) -> (Frame, Option<String>) {
    let mut client = Client::new(serve(handler.clone()));
    // Pipelined: nobody may get to see it.
    client.write(&[request.as_bytes(), &frame(TEXT, b"hello")].concat()).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 101, "{answer:?}");
    let first = client.next().await;
    client.close(4000, "").await;
    assert_eq!(client.next().await, Frame::End);
    (first, answer.header("sec-websocket-protocol").map(str::to_owned))
}

#[tokio::test]
async fn a_visible_reject_opens_and_closes_with_4000_and_the_status() {
    for (status, reason, expected) in [
        (403, "members only", Frame::close(4403, "members only")),
        (401, "", Frame::close(4401, "")),
        (429, "slower, please", Frame::close(4429, "slower, please")),
        (503, &"ü".repeat(100), Frame::close(4503, &"ü".repeat(61))),
        (999, "odd", Frame::close(4999, "odd")),
    ] {
        let (status, reason) = (StatusCode::from_u16(status).unwrap(), reason.to_owned());
        let handler = asked(move |_| Err(Reject::new(status, reason.as_str()))).visible_rejects(true);
        assert_eq!(shown(&handler, &request()).await, (expected, None));
    }
}

#[tokio::test]
async fn a_visible_reject_answers_the_subprotocols_a_browser_offers_so_that_it_does_not_fail() {
    let handler =
        asked(|_| Err(Reject::new(StatusCode::FORBIDDEN, "no"))).protocols(["xml"]).visible_rejects(true);
    let (frame, protocol) = shown(&handler, &protocols("json, xml")).await;
    assert_eq!(frame, Frame::close(4403, "no"));
    assert_eq!(protocol.as_deref(), Some("json"), "whichever: it is one the browser offers");
}

#[tokio::test]
async fn a_visible_reject_may_choose_its_own_close_frame() {
    let handler = asked(|_| {
        let frame = CloseFrame::new(4001, "token expired")?;
        Err(Reject::new(StatusCode::UNAUTHORIZED, "a page of HTML").close_frame(frame))
    });
    let visible = handler.clone().visible_rejects(true);
    assert_eq!(shown(&visible, &request()).await.0, Frame::close(4001, "token expired"));
    let answer = answer_to(&handler, &request()).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (401, &b"a page of HTML"[..]));
}

#[tokio::test]
async fn a_visible_reject_tells_no_more_than_the_other_kind() {
    let failing = asked(|_| Err(std::io::Error::other("the password is 1234").into())).visible_rejects(true);
    let panicking = asked(|_| panic!("a test panics")).visible_rejects(true);
    let binary =
        asked(|_| Err(Reject::response(Response::builder().status(418).body(Bytes::from(&b"\xFF"[..]))?)))
            .visible_rejects(true);
    let internal = Frame::close(4500, "Internal Server Error");
    assert_eq!(shown(&failing, &request()).await.0, internal);
    assert_eq!(shown(&panicking, &request()).await.0, internal);
    assert_eq!(shown(&binary, &request()).await.0, Frame::close(4418, ""));
}

#[tokio::test]
async fn a_factorys_refusal_is_shown_too_and_counts_as_refused() {
    let handler = Handler::new(|| {
        Err::<Box<dyn gustnado::Connector>, _>(Reject::new(StatusCode::SERVICE_UNAVAILABLE, "full"))
    })
    .visible_rejects(true);
    assert_eq!(shown(&handler, &request()).await.0, Frame::close(4503, "full"));
    let stats = handler.stats();
    assert_eq!((stats.refused, stats.accepted, stats.open), (1, 0, 0));
}

#[tokio::test]
async fn what_the_handshake_itself_refuses_is_never_made_visible() {
    let handler = echo().visible_rejects(true);
    assert_eq!(answer_to(&handler, &origin("https://evil.example")).await.status, 403);
    assert_eq!(answer_to(&handler, &version("8")).await.status, 426);
    assert_eq!(answer_to(&handler, &key("?")).await.status, 400);
}

#[tokio::test]
async fn an_informational_status_refuses_with_500_since_101_would_say_that_all_is_well() {
    for status in [100, 101, 103] {
        let handler = asked(move |_| {
            let response = Response::builder().status(status).header("x-kept", "yes").body(Bytes::new())?;
            Err(Reject::response(response))
        });
        let answer = answer_to(&handler, &request()).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-kept")), (500, Some("yes")), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_may_have_any_headers_and_body() {
    let handler = asked(|_| {
        Err(Reject::new(StatusCode::TOO_MANY_REQUESTS, "later")
            .header(http::header::RETRY_AFTER, HeaderValue::from_static("7"))
            .header(http::header::CONTENT_TYPE, HeaderValue::from_static("text/html")))
    });
    let answer = answer_to(&handler, &request()).await;
    assert_eq!(answer.status, 429);
    assert_eq!(headers(&answer), [("content-type", "text/html"), ("retry-after", "7")]);
    assert_eq!(answer.body, "later");
}

#[tokio::test]
async fn the_body_of_a_request_that_opens_is_no_frame() {
    // A proxy that believes in the body, and a server that does not, would disagree about what a client sent.
    for (header, body) in
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        let mut client = Client::new(serve(echo()));
        client.write((request_with("/ws", &[header]) + body).as_bytes()).await;
        assert_eq!(client.answer().await.status, 101);
        client.text("a frame").await;
        assert_eq!(client.next().await, Frame::text("a frame"), "{header}");
        client.bye().await;
    }
}

#[tokio::test]
async fn a_length_that_promises_a_body_which_never_comes_does_not_hold_the_connection_up() {
    for header in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let mut client = connect_with(&echo(), &with(header)).await;
        client.text("a frame").await;
        assert_eq!(client.next().await, Frame::text("a frame"), "{header}");
        client.bye().await;
    }
}
