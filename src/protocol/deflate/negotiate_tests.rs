//! Offers as clients make them, well and badly, and what is answered to them.

use http::HeaderMap;

use super::*;

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
    }
    headers
}

/// The answer of a server with these options, without the extension's name; `None` if it declines.
fn answer_with(options: Compression, lines: &[&str]) -> Option<String> {
    let offer = offered(&headers(lines)).expect("a list of extensions")?;
    let answer = offer.agree(&options).answer();
    let answer = answer.to_str().expect("ASCII");
    Some(answer.strip_prefix(NAME).expect("the extension's name").replace("; ", " ").trim().to_owned())
}

fn answer(offer: &str) -> Option<String> {
    answer_with(Compression::new(), &[offer])
}

fn takeover() -> Compression {
    Compression::new().server_context_takeover(true).client_context_takeover(true)
}

const NONE: &str = "server_no_context_takeover client_no_context_takeover";

#[test]
fn a_bare_offer_is_answered_without_context_takeover() {
    assert_eq!(answer("permessage-deflate").as_deref(), Some(NONE));
}

#[test]
fn a_bare_offer_is_answered_bare_where_context_takeover_is_wanted() {
    assert_eq!(answer_with(takeover(), &["permessage-deflate"]).as_deref(), Some(""));
    let server = Compression::new().server_context_takeover(true);
    assert_eq!(answer_with(server, &["permessage-deflate"]).as_deref(), Some("client_no_context_takeover"));
    let client = Compression::new().client_context_takeover(true);
    assert_eq!(answer_with(client, &["permessage-deflate"]).as_deref(), Some("server_no_context_takeover"));
}

#[test]
fn a_client_that_asks_for_no_context_takeover_gets_none() {
    let offer = "permessage-deflate; server_no_context_takeover";
    assert_eq!(answer_with(takeover(), &[offer]).as_deref(), Some("server_no_context_takeover"));
}

#[test]
fn the_hint_of_a_client_is_taken_up_unless_it_is_to_be_ignored() {
    let offer = "permessage-deflate; client_no_context_takeover";
    assert_eq!(answer_with(takeover(), &[offer]).as_deref(), Some("client_no_context_takeover"));
    assert_eq!(answer_with(takeover().ignore_client_hint(true), &[offer]).as_deref(), Some(""));
    let without = Compression::new().ignore_client_hint(true);
    assert_eq!(answer_with(without, &[offer]).as_deref(), Some(NONE), "it was not to have it anyway");
}

#[test]
fn the_window_of_the_server_is_the_one_that_the_client_asks_for() {
    for bits in 9..=15 {
        let got = answer_with(takeover(), &[&format!("permessage-deflate; server_max_window_bits={bits}")]);
        assert_eq!(got, Some(format!("server_max_window_bits={bits}")));
    }
}

#[test]
fn a_window_of_8_bits_is_declined_since_no_zlib_makes_one() {
    assert_eq!(answer("permessage-deflate; server_max_window_bits=8"), None);
    let fallback =
        "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_max_window_bits=9";
    assert_eq!(answer(fallback), Some(format!("{NONE} server_max_window_bits=9")));
}

#[test]
fn the_window_of_the_client_is_confirmed_where_it_names_one_and_never_answered_unasked() {
    for bits in 8..=14 {
        let got = answer_with(takeover(), &[&format!("permessage-deflate; client_max_window_bits={bits}")]);
        assert_eq!(got, Some(format!("client_max_window_bits={bits}")));
    }
    for offer in
        ["permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=15"]
    {
        assert_eq!(answer_with(takeover(), &[offer]).as_deref(), Some(""), "15 goes without saying");
    }
}

#[test]
fn all_four_parameters_at_once_are_answered_in_any_order() {
    let offer = "permessage-deflate; client_max_window_bits=10; server_no_context_takeover; \
                 server_max_window_bits=12; client_no_context_takeover";
    let all = format!("{NONE} server_max_window_bits=12 client_max_window_bits=10");
    assert_eq!(answer(offer), Some(all));
}

#[test]
fn a_value_may_be_quoted() {
    let got = answer(r#"permessage-deflate; server_max_window_bits="1\0""#);
    assert_eq!(got, Some(format!("{NONE} server_max_window_bits=10")));
}

#[test]
fn what_the_rfc_does_not_define_is_declined() {
    for parameters in [
        "unknown",
        "unknown=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        r#"server_no_context_takeover="1""#,
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=0",
        "server_max_window_bits=010",
        "server_max_window_bits=+10",
        "server_max_window_bits=-10",
        "server_max_window_bits=1e1",
        "server_max_window_bits=ten",
        "server_max_window_bits=99999999999999999999",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=09",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=10",
        "Server_No_Context_Takeover",
    ] {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(answer(&offer), None, "{offer}");
        // The next one counts, in the same line and in another.
        let fallback = "permessage-deflate; server_max_window_bits=10";
        let taken = Some(format!("{NONE} server_max_window_bits=10"));
        assert_eq!(answer(&format!("{offer}, {fallback}, permessage-deflate")), taken, "{offer}");
        assert_eq!(answer_with(Compression::new(), &[&offer, fallback]), taken, "{offer}");
    }
}

#[test]
fn other_extensions_are_passed_over() {
    assert_eq!(answer("x-webkit-deflate-frame, permessage-bzip2; a=1"), None);
    assert_eq!(answer("permessage-deflate2"), None);
    assert_eq!(
        answer("x-webkit-deflate-frame; no_context_takeover, permessage-deflate").as_deref(),
        Some(NONE)
    );
    assert_eq!(answer_with(Compression::new(), &[]), None);
    assert_eq!(answer(""), None);
}

#[test]
fn a_header_that_is_no_list_fails_wherever_its_fault_is() {
    for lines in [
        &["permessage-deflate;"][..],
        &["permessage-deflate; server_max_window_bits="],
        &["permessage-deflate", "; x"],
        &["permessage-deflate, a b"],
        &["permessage-deflate; server_max_window_bits=\"10"],
        &["permessage-d\u{e9}flate"],
    ] {
        assert_eq!(offered(&headers(lines)), Err(Malformed), "{lines:?}");
    }
}

#[test]
fn a_cap_on_memory_makes_the_window_smaller_and_then_ends_the_takeover() {
    const KIB: usize = 1024;
    let offer = "permessage-deflate; server_max_window_bits=14";
    let answer = |kib: usize| answer_with(takeover().max_memory(kib * KIB), &[offer]).expect("an answer");
    assert_eq!(answer(500), "server_max_window_bits=14");
    assert_eq!(answer(244 + 64 + 48), "server_max_window_bits=14");
    assert_eq!(answer(244 + 64 + 47), "server_max_window_bits=13");
    assert_eq!(answer(244 + 2 + 48), "server_max_window_bits=9");
    assert_eq!(answer(244 + 2 + 47), "server_no_context_takeover server_max_window_bits=14");
    assert_eq!(answer(48), "server_no_context_takeover server_max_window_bits=14");
    assert_eq!(answer(47), format!("{NONE} server_max_window_bits=14"));
    let unasked = answer_with(takeover().max_memory(300 * KIB), &["permessage-deflate"]);
    assert_eq!(unasked.as_deref(), Some("server_max_window_bits=11"), "the client is told");
}
