//! Which pages may open a connection (§10.2).

use std::{fmt, sync::Arc};

use http::{
    Uri,
    header::{HOST, ORIGIN},
    request::Parts,
    uri::Authority,
};

type Predicate = dyn Fn(Option<&str>, &Parts) -> bool + Send + Sync;

/// The origin policy of a handler.
///
/// Browsers send cookies along with a WebSocket request whatever page it comes from, and no CORS rule
/// stands between. Without a policy any page can act in the name of a user who happens to visit it
/// (cross-site WebSocket hijacking).
#[derive(Clone, Default)]
pub(crate) enum OriginPolicy {
    /// The origin's host and port are those of the request.
    #[default]
    SameHost,
    /// The origin is one of these, or that of the request's own host.
    List(Arc<[Origin]>),
    /// The application decides.
    Predicate(Arc<Predicate>),
    /// Every origin.
    Any,
}

impl OriginPolicy {
    /// Whether the policy lets the request in. What sends no `Origin` is no browser, and passes: it could
    /// send any origin it likes. A predicate is asked all the same.
    pub(crate) fn allows(&self, parts: &Parts) -> bool {
        let mut lines = parts.headers.get_all(ORIGIN).iter();
        let origin = match (lines.next(), lines.next()) {
            (None, _) => None,
            (Some(line), None) => match line.to_str() {
                Ok(origin) => Some(origin),
                Err(_) => return matches!(self, Self::Any),
            },
            // Two origins: whichever were checked, the other one might be the true one.
            (Some(_), Some(_)) => return matches!(self, Self::Any),
        };
        match (self, origin) {
            (Self::Any, _) => true,
            (Self::Predicate(allows), _) => allows(origin, parts),
            (Self::SameHost | Self::List(_), None) => true,
            (Self::SameHost, Some(origin)) => is_same_host(origin, parts),
            (Self::List(list), Some(origin)) => {
                is_same_host(origin, parts) || Origin::parse(origin).is_ok_and(|it| list.contains(&it))
            }
        }
    }
}

impl fmt::Debug for OriginPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameHost => f.write_str("SameHost"),
            Self::List(list) => f.debug_tuple("List").field(list).finish(),
            Self::Predicate(_) => f.write_str("Predicate"),
            Self::Any => f.write_str("Any"),
        }
    }
}

/// Scheme, host and port of a page (RFC 6454), in lower case and with the port that its scheme implies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: Box<str>,
    host: Box<str>,
    port: u16,
}

/// The text is no origin: it must be a scheme, a host and perhaps a port, as in `https://example.com`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin; one looks like https://example.com or http://localhost:3000")]
pub struct InvalidOrigin(pub String);

impl Origin {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        // `Uri` reads "https://example.com" as having the path "/", so the text itself must end there.
        let after_scheme = text.split_once("://").ok_or_else(invalid)?.1;
        if after_scheme.contains(['/', '?', '#', '@']) {
            return Err(invalid());
        }
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(invalid)?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port(authority).or_else(|| default_port(&scheme)).ok_or_else(invalid)?;
        Ok(Self { scheme: scheme.into(), host: authority.host().to_ascii_lowercase().into(), port })
    }
}

fn is_same_host(origin: &str, parts: &Parts) -> bool {
    let (Ok(origin), Some(host)) = (Origin::parse(origin), host(parts)) else { return false };
    // Without a port in `Host` the request went to its scheme's default port, and behind a proxy that
    // ends TLS we cannot know which that was: the page's own scheme has to do.
    let port = port(&host).or_else(|| default_port(&origin.scheme));
    origin.host.eq_ignore_ascii_case(host.host()) && Some(origin.port) == port
}

/// What the request says it was sent to.
fn host(parts: &Parts) -> Option<Authority> {
    if let Some(authority) = parts.uri.authority() {
        return Some(authority.clone());
    }
    let mut lines = parts.headers.get_all(HOST).iter();
    let host = lines.next().filter(|_| lines.next().is_none())?;
    host.to_str().ok()?.parse().ok()
}

fn port(authority: &Authority) -> Option<u16> {
    authority.port_u16()
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, origins: &[&str]) -> Parts {
        let mut request = http::Request::get("/ws").header(HOST, host);
        for origin in origins {
            request = request.header(ORIGIN, *origin);
        }
        request.body(()).expect("a valid request").into_parts().0
    }

    fn same_host(host: &str, origin: &str) -> bool {
        OriginPolicy::SameHost.allows(&request(host, &[origin]))
    }

    #[test]
    fn the_same_host_passes_whatever_the_case_and_however_its_default_port_is_written() {
        for (host, origin) in [
            ("example.com", "http://example.com"),
            ("example.com", "https://example.com"),
            ("Example.COM", "https://example.com"),
            ("example.com", "https://EXAMPLE.com:443"),
            ("example.com:443", "https://example.com"),
            ("example.com:80", "http://example.com"),
            ("localhost:8080", "http://localhost:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert!(same_host(host, origin), "{origin} to {host}");
        }
    }

    #[test]
    fn what_only_looks_like_the_same_host_does_not_pass() {
        for (host, origin) in [
            ("example.com", "https://evil.com"),
            ("example.com", "https://example.com.evil.com"),
            ("example.com", "https://evilexample.com"),
            ("example.com", "https://example.com@evil.com"),
            ("example.com", "https://evil.com/example.com"),
            ("example.com", "https://example.com:8443"),
            ("example.com:80", "https://example.com"),
            ("localhost:8080", "http://localhost:3000"),
            ("example.com", "null"),
            ("example.com", ""),
            ("example.com", "example.com"),
            ("example.com", "file://"),
            ("", "http://example.com"),
        ] {
            assert!(!same_host(host, origin), "{origin} to {host}");
        }
    }

    #[test]
    fn a_request_with_two_origins_does_not_pass() {
        let parts = request("example.com", &["https://example.com", "https://evil.com"]);
        assert!(!OriginPolicy::SameHost.allows(&parts));
        let asked = OriginPolicy::Predicate(Arc::new(|_, _| true));
        assert!(!asked.allows(&parts));
    }

    #[test]
    fn a_list_compares_scheme_host_and_port() {
        let list = ["https://app.example.com", "http://localhost:3000"];
        let list: Vec<_> = list.iter().map(|origin| Origin::parse(origin).expect("an origin")).collect();
        let policy = OriginPolicy::List(list.into());
        let allows = |origin: &str| policy.allows(&request("api.example.com", &[origin]));
        assert!(allows("https://app.example.com"));
        assert!(allows("https://APP.example.com:443"));
        assert!(allows("http://localhost:3000"));
        assert!(allows("https://api.example.com"), "the request's own host");
        assert!(!allows("http://app.example.com"));
        assert!(!allows("http://localhost:3001"));
        assert!(!allows("null"));
    }

    #[test]
    fn what_is_no_origin_is_refused_when_it_is_listed() {
        for text in
            ["", "null", "example.com", "https://", "https://example.com/", "https://a b", "gopher://x"]
        {
            assert_eq!(Origin::parse(text), Err(InvalidOrigin(text.to_owned())));
        }
    }
}
