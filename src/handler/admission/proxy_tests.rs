use super::*;

fn client(trust: &TrustProxy, peer: &str, lines: &[&str]) -> String {
    let name = match trust.header {
        ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
        ProxyHeader::Forwarded => FORWARDED,
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name.clone(), line.parse().expect("a header value"));
    }
    let client = trust.client(Some(peer.parse().expect("an address")), &headers);
    client.expect("a peer has an address").to_string()
}

fn proxies() -> TrustProxy {
    TrustProxy::addresses(["10.0.0.0/8", "::1"]).expect("prefixes")
}

const PROXY: &str = "10.0.0.1:5000";

#[test]
fn a_header_from_an_untrusted_peer_is_ignored() {
    assert_eq!(client(&proxies(), "192.0.2.1:5000", &["198.51.100.7"]), "192.0.2.1:5000");
}

#[test]
fn the_right_most_untrusted_address_is_the_client_whatever_stands_before_it() {
    let trust = proxies();
    assert_eq!(client(&trust, PROXY, &["198.51.100.7"]), "198.51.100.7:0");
    assert_eq!(client(&trust, PROXY, &["1.1.1.1, 198.51.100.7"]), "198.51.100.7:0");
    assert_eq!(client(&trust, PROXY, &["1.1.1.1, 198.51.100.7, 10.0.0.9"]), "198.51.100.7:0");
    assert_eq!(client(&trust, PROXY, &["1.1.1.1", "198.51.100.7", "10.0.0.9,::1"]), "198.51.100.7:0");
    assert_eq!(client(&trust, "[::ffff:10.0.0.1]:5000", &["198.51.100.7"]), "198.51.100.7:0");
}

#[test]
fn a_proxy_that_tells_no_address_speaks_for_itself() {
    let trust = proxies();
    assert_eq!(client(&trust, PROXY, &[]), PROXY);
    assert_eq!(client(&trust, PROXY, &[""]), PROXY);
    assert_eq!(client(&trust, PROXY, &["198.51.100.7, unknown"]), PROXY);
    assert_eq!(client(&trust, PROXY, &["198.51.100.7, nonsense, 10.0.0.9"]), "10.0.0.9:0");
    assert_eq!(
        client(&trust, PROXY, &["10.0.0.8, 10.0.0.9"]),
        "10.0.0.8:0",
        "a client in the trusted network"
    );
    assert_eq!(trust.client(None, &HeaderMap::new()), None);
}

#[test]
fn addresses_come_with_ports_and_brackets() {
    let trust = proxies();
    assert_eq!(client(&trust, PROXY, &["198.51.100.7:81"]), "198.51.100.7:81");
    assert_eq!(client(&trust, PROXY, &["2001:db8::1"]), "[2001:db8::1]:0");
    assert_eq!(client(&trust, PROXY, &["[2001:db8::1]"]), "[2001:db8::1]:0");
    assert_eq!(client(&trust, PROXY, &["[2001:db8::1]:81"]), "[2001:db8::1]:81");
    assert_eq!(client(&trust, PROXY, &["::ffff:198.51.100.7"]), "198.51.100.7:0");
}

#[test]
fn forwarded_is_read_as_its_rfc_says() {
    let trust = proxies().header(ProxyHeader::Forwarded);
    assert_eq!(client(&trust, PROXY, &["for=198.51.100.7;proto=https"]), "198.51.100.7:0");
    assert_eq!(client(&trust, PROXY, &["by=10.0.0.1; For=\"[2001:db8::1]:81\""]), "[2001:db8::1]:81");
    assert_eq!(client(&trust, PROXY, &["for=1.1.1.1, for=198.51.100.7"]), "198.51.100.7:0");
    assert_eq!(client(&trust, PROXY, &["for=_hidden"]), PROXY);
    assert_eq!(client(&trust, PROXY, &["proto=https"]), PROXY);
    // Half of a quoted string would swallow what the proxy has added, read from the beginning.
    assert_eq!(client(&trust, PROXY, &["for=\"1.1.1.1, for=198.51.100.7"]), "198.51.100.7:0");
    assert_eq!(client(&trust, PROXY, &["for=\"\\, for=\"[2001:db8::1]\""]), "[2001:db8::1]:0");
}

#[test]
fn hops_count_from_the_end() {
    let (one, two) = (TrustProxy::hops(1), TrustProxy::hops(2));
    assert_eq!(client(&one, PROXY, &["1.1.1.1, 198.51.100.7"]), "198.51.100.7:0");
    assert_eq!(client(&two, PROXY, &["1.1.1.1, 198.51.100.7, 10.0.0.9"]), "198.51.100.7:0");
    assert_eq!(client(&two, PROXY, &["198.51.100.7"]), PROXY, "a proxy is missing");
    assert_eq!(client(&one, PROXY, &["1.1.1.1, unknown"]), PROXY);
    assert_eq!(client(&TrustProxy::hops(0), PROXY, &["1.1.1.1"]), PROXY);
    let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, "198.51.100.7".parse().expect("a value"))]);
    let behind_a_unix_socket = one.client(None, &headers).map(|client| client.to_string());
    assert_eq!(behind_a_unix_socket.as_deref(), Some("198.51.100.7:0"));
}

#[test]
fn what_is_neither_an_address_nor_a_prefix_is_refused() {
    for text in ["", "proxy", "10.0.0.0/33", "10.0.0.0/", "::1/129", "10.0.0.0/8/8", "10.0.0.0/-1"] {
        let refused = TrustProxy::addresses([text]).map(drop);
        assert_eq!(refused, Err(InvalidProxy(text.to_owned())));
    }
    let all = TrustProxy::addresses(["0.0.0.0/0", "::/0"]).expect("prefixes");
    assert_eq!(client(&all, "[2001:db8::5]:1", &["192.0.2.1"]), "192.0.2.1:0");
}
