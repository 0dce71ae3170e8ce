//! The handshake as a table: a good request with something changed, and the answer to it.

use super::{super::origin::OriginPolicy, *};

/// The key and its answer in the RFC's own example (§1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A good request, in the words of [`Change`].
const GOOD: [&str; 6] = [
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Origin: https://example.com",
];

/// A good request over HTTP/2 (RFC 8441 §5.1).
const GOOD_2: [&str; 6] = [
    "CONNECT",
    "HTTP/2",
    ":protocol: websocket",
    "Host: example.com",
    "Sec-WebSocket-Version: 13",
    "Origin: https://example.com",
];

const OPENED: &str =
    "connection: Upgrade | sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo= | upgrade: websocket";
const ALLOW_GET: &str = "allow: GET";
const ALLOW_CONNECT: &str = "allow: CONNECT";
const UPGRADE_IT: &str = "connection: upgrade | upgrade: websocket";
const VERSION_IT: &str = "sec-websocket-version: 13";
const NONE: &str = "";

/// What is wrong; the changes, each as in [`change`]; the answer's status and all of its headers.
type Row = (&'static str, &'static [&'static str], u16, &'static str);

#[rustfmt::skip]
const HTTP_1: &[Row] = &[
    ("the RFC's own example",              &[],                                                    101, OPENED),

    ("POST",                               &["POST"],                                              405, ALLOW_GET),
    ("HEAD",                               &["HEAD"],                                              405, ALLOW_GET),
    ("OPTIONS",                            &["OPTIONS"],                                           405, ALLOW_GET),
    ("CONNECT on HTTP/1.1",                &["CONNECT"],                                           405, ALLOW_GET),
    ("an extended CONNECT on HTTP/1.1",    &["CONNECT", ":protocol: websocket"],                   405, ALLOW_GET),
    ("get, which is no GET",               &["get"],                                               405, ALLOW_GET),
    ("HTTP/0.9",                           &["HTTP/0.9"],                                          426, UPGRADE_IT),
    ("HTTP/1.0",                           &["HTTP/1.0"],                                          426, UPGRADE_IT),

    ("no Upgrade",                         &["-Upgrade"],                                          426, UPGRADE_IT),
    ("an empty Upgrade",                   &["Upgrade:"],                                          426, UPGRADE_IT),
    ("Upgrade in capitals",                &["Upgrade: WEBSOCKET"],                                101, OPENED),
    ("Upgrade to websockets",              &["Upgrade: websockets"],                               426, UPGRADE_IT),
    ("Upgrade to xwebsocket",              &["Upgrade: xwebsocket"],                               426, UPGRADE_IT),
    ("Upgrade to h2c",                     &["Upgrade: h2c"],                                      426, UPGRADE_IT),
    ("Upgrade to a version of websocket",  &["Upgrade: websocket/13"],                             426, UPGRADE_IT),
    ("Upgrade to two words",               &["Upgrade: web socket"],                               426, UPGRADE_IT),
    ("Upgrade parted by a semicolon",      &["Upgrade: h2c; websocket"],                           426, UPGRADE_IT),
    ("Upgrade in quotes",                  &["Upgrade: \"websocket\""],                            426, UPGRADE_IT),
    ("Upgrade in a line not ASCII",        &["Upgrade: websocket, ü"],                             426, UPGRADE_IT),
    ("a list in Upgrade",                  &["Upgrade: h2c, WebSocket"],                           101, OPENED),
    ("a list with empty elements",         &["Upgrade: ,\t,websocket ,"],                          101, OPENED),
    ("two lines of Upgrade",               &["Upgrade: h2c", "+Upgrade: websocket"],               101, OPENED),

    ("no Connection",                      &["-Connection"],                                       426, UPGRADE_IT),
    ("Connection: keep-alive",             &["Connection: keep-alive"],                            426, UPGRADE_IT),
    ("Connection: close",                  &["Connection: close"],                                 426, UPGRADE_IT),
    ("Connection: upgraded",               &["Connection: upgraded"],                              426, UPGRADE_IT),
    ("Connection: websocket",              &["Connection: websocket"],                             426, UPGRADE_IT),
    ("Connection in lower case",           &["Connection: upgrade"],                               101, OPENED),
    ("a list in Connection, as Firefox",   &["Connection: keep-alive, Upgrade"],                   101, OPENED),
    ("two lines of Connection",            &["Connection: keep-alive", "+Connection: upgrade"],    101, OPENED),

    ("no version",                         &["-Sec-WebSocket-Version"],                            426, VERSION_IT),
    ("an empty version",                   &["Sec-WebSocket-Version:"],                            426, VERSION_IT),
    ("version 0",                          &["Sec-WebSocket-Version: 0"],                          426, VERSION_IT),
    ("version 8",                          &["Sec-WebSocket-Version: 8"],                          426, VERSION_IT),
    ("version 12",                         &["Sec-WebSocket-Version: 12"],                         426, VERSION_IT),
    ("version 14",                         &["Sec-WebSocket-Version: 14"],                         426, VERSION_IT),
    ("version 013",                        &["Sec-WebSocket-Version: 013"],                        426, VERSION_IT),
    ("version +13",                        &["Sec-WebSocket-Version: +13"],                        426, VERSION_IT),
    ("version 13.0",                       &["Sec-WebSocket-Version: 13.0"],                       426, VERSION_IT),
    ("a list of versions",                 &["Sec-WebSocket-Version: 13, 8"],                      426, VERSION_IT),
    ("the version twice",                  &["+Sec-WebSocket-Version: 13"],                        426, VERSION_IT),
    ("two versions",                       &["+Sec-WebSocket-Version: 8"],                         426, VERSION_IT),
    ("blanks around the version",          &["Sec-WebSocket-Version:  13 "],                       101, OPENED),

    ("no key",                             &["-Sec-WebSocket-Key"],                                400, NONE),
    ("an empty key",                       &["Sec-WebSocket-Key:"],                                400, NONE),
    ("the key twice",                      &["+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],      400, NONE),
    ("two keys in a list",                 &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==, AA=="], 400, NONE),
    ("a key of 15 bytes",                  &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"],           400, NONE),
    ("a key of 17 bytes",                  &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="],       400, NONE),
    ("a key of 24 letters",                &["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA"],       400, NONE),
    ("a key of 16 letters",                &["Sec-WebSocket-Key: the sample nonce"],               400, NONE),
    ("a key of 24 blanks",                 &["Sec-WebSocket-Key:                         "],       400, NONE),
    ("a key that is not base64",           &["Sec-WebSocket-Key: !GhlIHNhbXBsZSBub25jZQ=="],       400, NONE),
    ("a key that is base64url",            &["Sec-WebSocket-Key: _-hlIHNhbXBsZSBub25jZQ=="],       400, NONE),
    ("a key without its padding",          &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],         400, NONE),
    ("a key with a blank in it",           &["Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25jZQ=="],      400, NONE),
    ("a key that is not ASCII",            &["Sec-WebSocket-Key: üGhlIHNhbXBsZSBub25jZQ=="],       400, NONE),
    ("blanks around the key",              &["Sec-WebSocket-Key:  dGhlIHNhbXBsZSBub25jZQ== "],     101, OPENED),

    ("a subprotocol of two words",         &["Sec-WebSocket-Protocol: chat v2"],                   400, NONE),
    ("a subprotocol with a slash",         &["Sec-WebSocket-Protocol: chat/2"],                    400, NONE),
    ("a subprotocol in quotes",            &["Sec-WebSocket-Protocol: \"chat\""],                  400, NONE),
    ("a subprotocol that is not ASCII",    &["Sec-WebSocket-Protocol: chät"],                      400, NONE),
    ("a bad subprotocol after a good one", &["Sec-WebSocket-Protocol: chat, (x)"],                 400, NONE),
    ("a bad subprotocol on a second line", &["Sec-WebSocket-Protocol: a", "+Sec-WebSocket-Protocol: b@"], 400, NONE),
    ("empty elements between subprotocols",&["Sec-WebSocket-Protocol: ,a,, b,"],                   101, OPENED),
    ("no subprotocol in the header",       &["Sec-WebSocket-Protocol:"],                           101, OPENED),
    ("extensions, which are declined",     &["Sec-WebSocket-Extensions: permessage-deflate"],      101, OPENED),

    ("another page",                       &["Origin: https://evil.com"],                          403, NONE),
    ("a page without a name",              &["Origin: null"],                                      403, NONE),
    ("two origins",                        &["+Origin: https://evil.com"],                         403, NONE),
    ("no origin: it is no browser",        &["-Origin"],                                           101, OPENED),

    // Which answer is given where there is more than one: the method's, the upgrade's, the version's,
    // the key's, the subprotocols', the origin's.
    ("POST with a bad key",                &["POST", "Sec-WebSocket-Key: bad"],                    405, ALLOW_GET),
    ("POST without an upgrade",            &["POST", "-Upgrade", "-Connection"],                   405, ALLOW_GET),
    ("no upgrade, and a bad version",      &["-Upgrade", "Sec-WebSocket-Version: 8"],              426, UPGRADE_IT),
    ("a bad version with a bad key",       &["Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: x"],  426, VERSION_IT),
    ("a bad key, from another page",       &["Sec-WebSocket-Key: x", "Origin: https://evil.com"],  400, NONE),
    ("a bad version, from another page",   &["-Sec-WebSocket-Version", "Origin: null"],            426, VERSION_IT),
    ("a plain GET",                        &["-Upgrade", "-Connection", "-Sec-WebSocket-Version", "-Sec-WebSocket-Key"], 426, UPGRADE_IT),
];

#[rustfmt::skip]
const HTTP_2: &[Row] = &[
    ("an extended CONNECT",                &[],                                                    200, NONE),
    ("no :protocol",                       &["-:protocol"],                                        405, ALLOW_CONNECT),
    ("another :protocol",                  &[":protocol: connect-udp"],                            405, ALLOW_CONNECT),
    ("a longer :protocol",                 &[":protocol: websockets"],                             405, ALLOW_CONNECT),
    ("GET",                                &["GET", "-:protocol"],                                 405, ALLOW_CONNECT),
    ("GET with :protocol",                 &["GET"],                                               405, ALLOW_CONNECT),
    ("the request of HTTP/1.1",            &["GET", "-:protocol", "Upgrade: websocket", "Connection: upgrade"], 405, ALLOW_CONNECT),
    ("no version",                         &["-Sec-WebSocket-Version"],                            426, VERSION_IT),
    ("version 8",                          &["Sec-WebSocket-Version: 8"],                          426, VERSION_IT),
    ("a key, which has no meaning here",   &["Sec-WebSocket-Key: x"],                              200, NONE),
    ("a bad subprotocol",                  &["Sec-WebSocket-Protocol: a b"],                       400, NONE),
    ("another page",                       &["Origin: https://evil.com"],                          403, NONE),
];

/// `POST` and `HTTP/1.0` replace what they name, `Name: value` a header, `+Name: value` adds a line, and
/// `-Name` takes all lines away. `:protocol` stands for the pseudo-header.
fn change(parts: &mut Parts, change: &str) {
    let name = |name: &str| HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
    let value = |value: &str| HeaderValue::from_bytes(value.as_bytes()).expect("a header's value");
    let (change, removes) = match change.strip_prefix('-') {
        Some(change) => (change, true),
        None => (change, false),
    };
    if let Some(protocol) = change.strip_prefix(":protocol") {
        parts.extensions.remove::<hyper::ext::Protocol>();
        if let Some(protocol) = protocol.strip_prefix(": ") {
            parts.extensions.insert(hyper::ext::Protocol::from(protocol));
        }
    } else if removes {
        parts.headers.remove(name(change)).expect("it was there");
    } else if let Some((header, line)) = change.split_once(':') {
        // One blank belongs to the way it is written here; all others are the peer's.
        let line = value(line.strip_prefix(' ').unwrap_or(line));
        match header.strip_prefix('+') {
            Some(header) => drop(parts.headers.append(name(header), line)),
            None => drop(parts.headers.insert(name(header), line)),
        }
    } else if change.starts_with("HTTP/") {
        parts.version = match change {
            "HTTP/0.9" => Version::HTTP_09,
            "HTTP/1.0" => Version::HTTP_10,
            "HTTP/2" => Version::HTTP_2,
            other => panic!("{other} is not in the table"),
        };
    } else {
        parts.method = Method::from_bytes(change.as_bytes()).expect("a method");
    }
}

fn request(good: &[&str], changes: &[&str]) -> Parts {
    let mut parts = http::Request::get("/ws").body(()).expect("a request").into_parts().0;
    good.iter().chain(changes).for_each(|it| change(&mut parts, it));
    parts
}

/// The answer to a request, as a handler gives it that lets in its own pages.
fn answer(parts: &Parts) -> (u16, String) {
    let checked = check(parts).and_then(|opening| {
        if OriginPolicy::SameHost.allows(parts) { Ok(opening) } else { Err(HandshakeError::Origin) }
    });
    match checked {
        Ok(opening) => written(&opening.answer(None, HeaderMap::new())),
        Err(error) => (error.status().as_u16(), lines(&error.headers())),
    }
}

fn written(response: &http::Response<()>) -> (u16, String) {
    (response.status().as_u16(), lines(response.headers()))
}

/// All headers, in the order of their names.
fn lines(headers: &HeaderMap) -> String {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort();
    lines.join(" | ")
}

fn offered(changes: &[&str]) -> Vec<Box<str>> {
    check(&request(&GOOD, changes)).expect("a good request").protocols
}

#[test]
fn every_request_in_the_table_gets_its_answer() {
    let rows = HTTP_1.iter().map(|row| (&GOOD, row)).chain(HTTP_2.iter().map(|row| (&GOOD_2, row)));
    let wrong: Vec<String> = rows
        .filter_map(|(good, &(what, changes, status, headers))| {
            let got = answer(&request(good, changes));
            (got != (status, headers.to_owned()))
                .then(|| format!("{what}: {got:?}, not {status} {headers:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_keys_have_two_answers() {
    let other = request(&GOOD, &["Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="]);
    let (status, headers) = answer(&other);
    assert_eq!(status, 101);
    assert!(headers.contains("sec-websocket-accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk= |"), "{headers}");
    assert!(GOOD.iter().any(|line| line.ends_with(KEY)), "the table uses the RFC's key");
}

#[test]
fn subprotocols_are_offered_in_their_order_over_all_lines() {
    let lines =
        ["Sec-WebSocket-Protocol: v2.chat, ,v1.chat", "+Sec-WebSocket-Protocol:\tsoap ,!#$%&'*+-.^_`|~"];
    assert_eq!(offered(&lines), ["v2.chat", "v1.chat", "soap", "!#$%&'*+-.^_`|~"].map(Box::from));
    assert_eq!(
        offered(&["Sec-WebSocket-Protocol: Chat, chat"]),
        ["Chat", "chat"].map(Box::from),
        "case counts"
    );
    assert!(offered(&[]).is_empty());
}

#[test]
fn the_chosen_subprotocol_and_extra_headers_are_in_the_answer() {
    let mut extra = HeaderMap::new();
    extra.append("set-cookie", HeaderValue::from_static("a=1"));
    extra.append("set-cookie", HeaderValue::from_static("b=2"));
    let ours = "sec-websocket-protocol: chat | set-cookie: a=1 | set-cookie: b=2";

    let opening = check(&request(&GOOD, &[])).expect("a good request");
    let (status, headers) = written(&opening.answer(Some("chat"), extra.clone()));
    assert_eq!(status, 101);
    let (before, upgrade) = OPENED.rsplit_once(" | ").expect("three headers");
    assert_eq!(headers, [before, ours, upgrade].join(" | "));

    let opening = check(&request(&GOOD_2, &[])).expect("a good request");
    assert_eq!(written(&opening.answer(Some("chat"), extra)), (200, ours.to_owned()));
}

#[test]
fn extra_headers_do_not_replace_the_handshakes_own() {
    let mut extra = HeaderMap::new();
    for name in [UPGRADE, CONNECTION, SEC_WEBSOCKET_ACCEPT] {
        assert!(is_reserved(&name), "{name}");
        extra.append(&name, HeaderValue::from_static("x"));
        extra.append(&name, HeaderValue::from_static("y"));
    }
    let opening = check(&request(&GOOD, &[])).expect("a good request");
    assert_eq!(written(&opening.answer(None, extra)), (101, OPENED.to_owned()));
    for name in ["set-cookie", "server", "x-request-id"] {
        assert!(!is_reserved(&HeaderName::from_static(name)), "{name}");
    }
}

#[test]
fn an_attempt_is_told_from_a_request_for_something_else() {
    for (good, changes, is_attempt) in [
        (&GOOD, &[][..], true),
        (&GOOD, &["-Sec-WebSocket-Key"], true),
        (&GOOD, &["POST", "-Connection", "HTTP/1.0"], true),
        (&GOOD, &["-Upgrade"], false),
        (&GOOD, &["Upgrade: h2c"], false),
        (&GOOD_2, &[], true),
        (&GOOD_2, &["-Sec-WebSocket-Version"], true),
        (&GOOD_2, &["-:protocol"], false),
        (&GOOD_2, &["GET", "-:protocol", "Upgrade: websocket"], false),
    ] {
        assert_eq!(super::is_attempt(&request(good, changes)), is_attempt, "{changes:?}");
    }
}

#[test]
fn a_key_of_random_characters_is_taken_though_no_bytes_encode_to_it() {
    assert!(
        accept(&HeaderMap::from_iter([(
            SEC_WEBSOCKET_KEY,
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZR==")
        )]))
        .is_ok()
    );
}
