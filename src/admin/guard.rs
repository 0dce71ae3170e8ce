//! [`Guard`]: who may see the page.

use std::{collections::HashMap, fmt, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use http::{
    HeaderMap, Response, StatusCode,
    header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE},
    request::Parts,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::answer;
use crate::{
    auth::Token,
    connector::{PeerAddr, Reject},
    handler::Body,
    protocol::origin::OriginPolicy,
};

/// How many wrong secrets an address may show before it has to wait.
const FAILURES: u32 = 10;

/// How long it has to wait then, and how long a failure is remembered.
const BACK_OFF: Duration = Duration::from_secs(60);

/// How many addresses with failures are remembered; beyond that all new ones wait.
const MAX_ADDRESSES: usize = 10_000;

/// How long one stays logged in.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

const MAX_SESSIONS: usize = 1_000;

const COOKIE_NAME: &str = "gustnado_admin";

/// Who may see the admin page: there is none without a guard.
#[derive(Clone)]
pub struct Guard(Kind);

#[derive(Clone)]
enum Kind {
    Secret(Arc<Secret>),
    Check(Arc<Check>),
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

impl Guard {
    /// Whoever knows the secret. A browser is asked for it by a form, and then has a cookie for twelve hours, unreadable
    /// for scripts and not sent from other sites; a program sends `Authorization: Bearer`. An address that showed ten wrong ones gets 429
    /// for a minute.
    ///
    /// # Panics
    ///
    /// If the secret is shorter than 16 bytes: it could be guessed.
    pub fn secret(secret: impl Into<Box<str>>) -> Self {
        let secret: Box<str> = secret.into();
        assert!(secret.len() >= 16, "the secret of the admin page has to have 16 bytes or more");
        let state = Mutex::new(State::default());
        Self(Kind::Secret(Arc::new(Secret { secret: Token::new(secret), state })))
    }

    /// Whoever the application lets in: by its own session, its own single sign-on. A [`Reject`] is the answer to all
    /// others.
    pub fn check<F, Fut>(check: F) -> Self
    where
        F: Fn(Parts) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Reject>> + Send + 'static,
    {
        Self(Kind::Check(Arc::new(move |parts| Box::pin(check(parts)))))
    }

    pub(super) fn has_login(&self) -> bool {
        matches!(self.0, Kind::Secret(_))
    }

    pub(super) async fn admit(&self, parts: &Parts) -> Result<Access, Reject> {
        match &self.0 {
            Kind::Secret(secret) => secret.check(parts),
            Kind::Check(check) => check(parts.clone()).await.map(|()| Access::Ambient),
        }
    }

    /// Logs a browser in by its form, and sends it to the page.
    pub(super) fn log_in(&self, parts: &Parts, form: &[u8], base: &str) -> Result<Response<Body>, Reject> {
        let Kind::Secret(secret) = &self.0 else {
            return Err(Reject::new(StatusCode::NOT_FOUND, "there is no such page"));
        };
        if !OriginPolicy::SameHost.allows(parts) {
            return Err(Reject::new(StatusCode::FORBIDDEN, "not from this page"));
        }
        let shown = form_urlencoded::parse(form).find(|(name, _)| name == "secret");
        secret.show(parts, &shown.map(|(_, value)| value).unwrap_or_default())?;
        let mut response = answer::see_other(base);
        set_cookie(response.headers_mut(), &secret.begin_session(), SESSION, base, is_secure(parts));
        Ok(response)
    }

    pub(super) fn log_out(&self, parts: &Parts, base: &str) -> Response<Body> {
        if let (Kind::Secret(secret), Some(session)) = (&self.0, session_of(parts)) {
            secret.state.lock().sessions.remove(session);
        }
        let mut response = answer::empty();
        set_cookie(response.headers_mut(), "", Duration::ZERO, base, is_secure(parts));
        response
    }
}

fn set_cookie(headers: &mut HeaderMap, session: &str, age: Duration, base: &str, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let age = age.as_secs();
    let cookie =
        format!("{COOKIE_NAME}={session}; Path={base}/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    // A base that no header can hold makes no cookie, and nobody can log in.
    if let Ok(cookie) = cookie.parse() {
        headers.insert(SET_COOKIE, cookie);
    }
}

/// Whether the browser's page came by TLS, which may end at a proxy.
fn is_secure(parts: &Parts) -> bool {
    parts.headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

struct Secret {
    secret: Token,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Until when each is good.
    sessions: HashMap<String, Instant>,
    /// Wrong secrets by address, and when the last one was shown. Who has no address counts as one.
    failures: HashMap<Option<IpAddr>, (u32, Instant)>,
}

impl Secret {
    fn check(&self, parts: &Parts) -> Result<Access, Reject> {
        let bearer =
            parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        if let Some(shown) = bearer {
            return self.show(parts, shown).map(|()| Access::Bearer);
        }
        let session = session_of(parts).ok_or_else(|| Reject::unauthorized("log in"))?;
        let good = self.state.lock().sessions.get(session).is_some_and(|until| *until > Instant::now());
        if good { Ok(Access::Ambient) } else { Err(Reject::unauthorized("log in")) }
    }

    /// Whether what was shown is the secret; wrong ones are counted.
    fn show(&self, parts: &Parts, shown: &str) -> Result<(), Reject> {
        let address = parts.extensions.get::<PeerAddr>().map(|peer| peer.0.ip());
        let now = Instant::now();
        let mut state = self.state.lock();
        if !state.may_try(address, now) {
            return Err(
                Reject::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong secrets").retry_after(BACK_OFF)
            );
        }
        if self.secret.matches(shown) {
            state.failures.remove(&address);
            return Ok(());
        }
        let failures = state.failures.entry(address).or_insert((0, now));
        *failures = (failures.0 + 1, now);
        Err(Reject::unauthorized("that is not the secret"))
    }

    fn begin_session(&self) -> String {
        let session = Random::hex();
        let now = Instant::now();
        let mut state = self.state.lock();
        state.sessions.retain(|_, until| *until > now);
        if state.sessions.len() >= MAX_SESSIONS
            && let Some(oldest) =
                state.sessions.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone())
        {
            state.sessions.remove(&oldest);
        }
        state.sessions.insert(session.clone(), now + SESSION);
        session
    }
}

impl State {
    fn may_try(&mut self, address: Option<IpAddr>, now: Instant) -> bool {
        if self.failures.len() >= MAX_ADDRESSES {
            self.failures.retain(|_, (_, last)| now.duration_since(*last) < BACK_OFF);
        }
        match self.failures.get(&address) {
            Some((_, last)) if now.duration_since(*last) >= BACK_OFF => {
                self.failures.remove(&address);
                true
            }
            Some((count, _)) => *count < FAILURES,
            None => self.failures.len() < MAX_ADDRESSES,
        }
    }
}

/// The session that a request's cookie names.
fn session_of(parts: &Parts) -> Option<&str> {
    let lines = parts.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies =
        lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Random numbers.
pub(super) struct Random;

impl Random {
    /// 128 random bits in hexadecimal.
    pub(super) fn hex() -> String {
        let mut random = [0; 16];
        getrandom::fill(&mut random).expect("the operating system has random numbers");
        format!("{:032x}", u128::from_be_bytes(random))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Secret(_) => "Guard::secret(..)",
            Kind::Check(_) => "Guard::check(..)",
        })
    }
}
