//! [`Guard`]: who may see the page.

use std::{fmt, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use http::{
    HeaderMap, Response, StatusCode,
    header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE},
    request::Parts,
};

use super::{
    answer,
    secret::{Secret, random},
    session::SESSION,
};
use crate::{
    auth::Token,
    connector::{PeerAddr, Reject},
    handler::{Body, TrustProxy},
    protocol::origin::OriginPolicy,
};

const COOKIE_NAME: &str = "gustnado_admin";

/// Who may see the admin page: there is none without a guard.
#[derive(Clone)]
pub struct Guard {
    kind: Kind,
    proxies: Option<TrustProxy>,
}

#[derive(Clone)]
enum Kind {
    Secret(Arc<Secret>),
    /// And the token that changes need.
    Check(Arc<Check>, Token),
}

type Check = dyn Fn(Parts) -> Checking + Send + Sync;
type Checking = Pin<Box<dyn Future<Output = Result<(), Reject>> + Send>>;

/// How a request got past the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// By what a browser sends by itself.
    Ambient,
    /// By the secret itself, which no browser sends by itself.
    Bearer,
}

/// What an open socket of the page needs to stay open.
#[derive(Clone)]
pub(super) enum Pass {
    /// Nothing: whoever got past the guard stays.
    Unlimited,
    /// That its session goes on.
    Session(Arc<Secret>, String),
}

impl Guard {
    /// Whoever knows the secret.
    ///
    /// A program shows it as `Authorization: Bearer`. A browser is asked for it by a form, and then has a cookie for twelve
    /// hours, which no script can read and other sites do not send.
    ///
    /// The cookie is signed by the secret, and good on every node that has the same one. Logging out takes it from the browser, and
    /// ends its session and sockets on the node that is asked. A copy of the cookie, if somebody made one, is good on other
    /// nodes until its time, and here again after a restart: only another secret ends it there. Let the secret be
    /// random, since who has a cookie can try words until one fits.
    ///
    /// An address that has shown ten wrong ones gets 429 for a minute, be the next one right or wrong; of IPv6 the
    /// first 64 bits count. The address is the request's [`PeerAddr`], which [`serve()`](crate::serve()) sets; without one,
    /// all requests count as of one address, and who guesses locks out who wants to log in.
    ///
    /// # Panics
    ///
    /// If the secret is shorter than 16 bytes: it could be guessed.
    pub fn secret(secret: impl Into<Box<str>>) -> Self {
        let secret: Box<str> = secret.into();
        assert!(secret.len() >= 16, "the secret of the admin page has to have 16 bytes or more");
        Self { kind: Kind::Secret(Arc::new(Secret::new(secret))), proxies: None }
    }

    /// Whoever the application lets in: by its own session, its own single sign-on. A [`Reject`] is the answer to all
    /// others. It is asked for every request, and once for each socket. The value of `x-csrf-token` is this process's:
    /// where a balancer stands before several, it has to send an operator to the same one each time.
    ///
    /// ```
    /// use gustnado::{Reject, admin::Guard};
    /// use http::{StatusCode, request::Parts};
    ///
    /// #[derive(Clone)]
    /// struct Operator; // what a layer of the application has put into the request
    ///
    /// let guard = Guard::check(|parts: Parts| async move {
    ///     match parts.extensions.get::<Operator>() {
    ///         Some(_) => Ok(()),
    ///         None => Err(Reject::new(StatusCode::UNAUTHORIZED, "operators only")),
    ///     }
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers.
    pub fn check<F, Fut>(check: F) -> Self
    where
        F: Fn(Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Reject>> + Send + 'static,
    {
        let check = Arc::new(move |parts| -> Checking { Box::pin(check(parts)) });
        Self { kind: Kind::Check(check, Token::new(random())), proxies: None }
    }

    /// Whose word on the client's address is taken when wrong secrets are counted: nobody's by default. Without it,
    /// all clients of a proxy share one count.
    #[must_use]
    pub fn trust_proxy(mut self, proxies: TrustProxy) -> Self {
        self.proxies = Some(proxies);
        self
    }

    pub(super) fn has_login(&self) -> bool {
        matches!(self.kind, Kind::Secret(_))
    }

    pub(super) async fn admit(&self, parts: &Parts) -> Result<Access, Reject> {
        let secret = match &self.kind {
            Kind::Secret(secret) => secret,
            Kind::Check(check, _) => return check(parts.clone()).await.map(|()| Access::Ambient),
        };
        let bearer =
            parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if let Some(shown) = bearer {
            return secret.show(self.address(parts), shown).map(|()| Access::Bearer);
        }
        match session_of(parts) {
            Some(session) if secret.sessions.has(session) => Ok(Access::Ambient),
            _ => Err(Reject::unauthorized("log in")),
        }
    }

    /// For a request that was admitted.
    pub(super) fn pass(&self, parts: &Parts, access: Access) -> Pass {
        match (&self.kind, session_of(parts)) {
            (Kind::Secret(secret), Some(session)) if access == Access::Ambient => {
                Pass::Session(secret.clone(), session.to_owned())
            }
            _ => Pass::Unlimited,
        }
    }

    /// Logs a browser in by its form, and sends it to the page.
    pub(super) fn log_in(&self, parts: &Parts, form: &[u8], base: &str) -> Result<Response<Body>, Reject> {
        let Kind::Secret(secret) = &self.kind else {
            return Err(Reject::new(StatusCode::NOT_FOUND, "there is no such page"));
        };
        if !OriginPolicy::SameHost.allows(parts) {
            return Err(Reject::new(StatusCode::FORBIDDEN, "not from this page"));
        }
        let shown = form_urlencoded::parse(form).find(|(name, _)| name == "secret");
        secret.show(self.address(parts), &shown.map(|(_, value)| value).unwrap_or_default())?;
        let mut response = answer::see_other(base);
        let session = secret.sessions.begin();
        set_cookie(response.headers_mut(), &session, SESSION, base, is_secure(parts));
        Ok(response)
    }

    pub(super) fn log_out(&self, parts: &Parts, base: &str) -> Response<Body> {
        if let (Kind::Secret(secret), Some(session)) = (&self.kind, session_of(parts)) {
            secret.sessions.end(session);
        }
        let mut response = answer::empty();
        set_cookie(response.headers_mut(), "", Duration::ZERO, base, is_secure(parts));
        response
    }

    /// What a change has to show, of the session that asks for it.
    pub(super) fn csrf(&self, parts: &Parts) -> Token {
        match &self.kind {
            Kind::Secret(secret) => secret.sessions.csrf(session_of(parts).unwrap_or_default()),
            Kind::Check(_, token) => token.clone(),
        }
    }

    fn address(&self, parts: &Parts) -> Option<IpAddr> {
        let peer = parts.extensions.get::<PeerAddr>().map(|peer| peer.0);
        let client = match &self.proxies {
            Some(proxies) => proxies.client(peer, &parts.headers),
            None => peer,
        };
        client.map(|client| client.ip())
    }
}

impl Pass {
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Session(secret, session) => secret.sessions.has(session),
        }
    }
}

fn set_cookie(headers: &mut HeaderMap, session: &str, age: Duration, base: &str, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let age = age.as_secs();
    let path = if base.is_empty() { "/" } else { base };
    let cookie =
        format!("{COOKIE_NAME}={session}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    // A base that no header can hold makes no cookie, and nobody can log in.
    if let Ok(cookie) = cookie.parse() {
        headers.insert(SET_COOKIE, cookie);
    }
}

/// Whether the browser's page came by TLS, which may end at a proxy.
fn is_secure(parts: &Parts) -> bool {
    parts.headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// The session that a request's cookie names.
fn session_of(parts: &Parts) -> Option<&str> {
    let lines = parts.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies =
        lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Secret(_) => "Guard::secret(..)",
            Kind::Check(..) => "Guard::check(..)",
        })
    }
}
