//! [`Source`]: where in a request a credential is.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE};

use crate::connector::Handshake;

use super::Token;

/// Where in a request a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// `Authorization: Bearer <token>` (RFC 6750 §2.1): for clients that are no browsers.
    Bearer,
    /// The cookie of this name, as it is: nothing is decoded.
    Cookie(&'static str),
    /// The query's parameter of this name, percent-decoded.
    Query(&'static str),
    /// A subprotocol with this prefix, such as `bearer.`: `new WebSocket(url, ["chat", "bearer." + token])`. The
    /// token may hold what a subprotocol may (RFC 9110 §5.6.2): base64url without padding does.
    ///
    /// Browsers fail a connection that chooses none of what they offered, so one is chosen if nobody has: the first
    /// other one or, if there is none, the credential itself, which then comes back in the response. Offer another
    /// one. The credential is never [`Conn::protocol`](crate::Conn::protocol).
    Subprotocol(&'static str),
}

/// What a source has.
pub(super) enum Found {
    Nothing,
    One(Token),
    /// Two that differ. A cookie, say, may have been set by another subdomain: none of them counts.
    Several,
}

impl Source {
    pub(super) fn find(self, handshake: &Handshake) -> Found {
        let mut values = self.values(handshake);
        values.retain(|value| !value.is_empty());
        match values.split_first() {
            None => Found::Nothing,
            Some((first, rest)) if rest.iter().all(|value| value == first) => {
                Found::One(Token::new(&**first))
            }
            Some(_) => Found::Several,
        }
    }

    /// Keeps a credential among the subprotocols out of what the application, the response and the log see.
    pub(super) fn hide(self, handshake: &mut Handshake) {
        if let Self::Subprotocol(prefix) = self {
            handshake.hide_protocols(prefix);
        }
    }

    fn values(self, handshake: &Handshake) -> Vec<Cow<'_, str>> {
        let lines = |name| handshake.headers().get_all(name).iter().filter_map(|line| line.to_str().ok());
        match self {
            Self::Bearer => {
                let credentials = lines(AUTHORIZATION).filter_map(|line| line.trim().split_once(' '));
                let bearer = credentials.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
                bearer.map(|(_, token)| token.trim().into()).collect()
            }
            Self::Cookie(name) => {
                let cookies = lines(COOKIE).flat_map(|line| line.split(';'));
                let pairs = cookies.filter_map(|cookie| cookie.trim().split_once('='));
                pairs.filter(|(it, _)| *it == name).map(|(_, value)| unquoted(value).into()).collect()
            }
            Self::Query(name) => {
                let query = handshake.uri().query().unwrap_or_default();
                let pairs = form_urlencoded::parse(query.as_bytes());
                pairs.filter(|(it, _)| it == name).map(|(_, value)| value).collect()
            }
            Self::Subprotocol(prefix) => {
                handshake.hidden_protocols().filter_map(|it| it.strip_prefix(prefix)).map(Cow::from).collect()
            }
        }
    }
}

/// RFC 6265 §4.1.1: a cookie's value may stand in quotes.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}
