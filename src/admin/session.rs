//! [`Sessions`]: who is logged in, known by a token that every process with the same secret can check.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::time::Instant;

use super::secret::random;
use crate::auth::Token;

/// How long one stays logged in.
pub(super) const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// How many that were logged out are remembered; one more ends all that began before.
const MAX_ENDED: usize = 1_000;

/// A session is `UNTIL.RANDOM.SIGNATURE`: nobody has to remember it, and it is good on each node and after a restart. That it
/// was logged out is known where that was asked for.
pub(super) struct Sessions {
    secret: Token,
    /// What time it was, by the clock and by the runtime's, which tests can move.
    started: (SystemTime, Instant),
    ended: Mutex<Ended>,
}

#[derive(Default)]
struct Ended {
    /// Until when each would have been good, in seconds since 1970.
    sessions: HashMap<Box<str>, u64>,
    /// What would be good until then is over.
    all_until: u64,
}

impl Sessions {
    pub(super) fn new(secret: Token) -> Self {
        Self { secret, started: (SystemTime::now(), Instant::now()), ended: Mutex::default() }
    }

    pub(super) fn begin(&self) -> String {
        let session = format!("{}.{}", self.now() + SESSION.as_secs(), random());
        let signature = self.sign("session", &session);
        format!("{session}.{signature}")
    }

    /// Whether the session was begun with this secret, and is not over.
    pub(super) fn has(&self, session: &str) -> bool {
        let Some(until) = self.until(session).filter(|until| *until > self.now()) else { return false };
        let ended = self.ended.lock();
        until > ended.all_until && !ended.sessions.contains_key(session)
    }

    pub(super) fn end(&self, session: &str) {
        let now = self.now();
        let Some(until) = self.until(session).filter(|until| *until > now) else { return };
        let mut ended = self.ended.lock();
        ended.sessions.retain(|_, until| *until > now);
        if ended.sessions.len() >= MAX_ENDED {
            ended.sessions.clear();
            ended.all_until = now + SESSION.as_secs();
        }
        ended.sessions.insert(session.into(), until);
    }

    /// What a change by this session has to show: a page of another site cannot read it.
    pub(super) fn csrf(&self, session: &str) -> Token {
        Token::new(self.sign("csrf", session))
    }

    /// Until when a session is good, if it is one.
    fn until(&self, session: &str) -> Option<u64> {
        let (signed, signature) = session.rsplit_once('.')?;
        let (until, _) = signed.split_once('.')?;
        let until = until.parse().ok()?;
        Token::new(self.sign("session", signed)).matches(signature).then_some(until)
    }

    /// In hexadecimal; `purpose` keeps what is signed for one purpose from being taken for another.
    fn sign(&self, purpose: &str, text: &str) -> String {
        let key = self.secret.expose().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
        mac.update(format!("gustnado admin {purpose} {text}").as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// In seconds since 1970.
    fn now(&self) -> u64 {
        let (clock, runtime) = self.started;
        clock.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(runtime.elapsed()).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn sessions(secret: &str) -> Sessions {
        Sessions::new(Token::new(secret))
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_good_wherever_the_secret_is_the_same_until_its_time() {
        let (one, other, stranger) = (sessions("the same"), sessions("the same"), sessions("another"));
        let session = one.begin();
        assert!(one.has(&session) && other.has(&session) && !stranger.has(&session));
        assert!(other.csrf(&session).matches(one.csrf(&session).expose()));
        assert!(!one.csrf(&session).matches(one.csrf(&one.begin()).expose()));
        tokio::time::advance(SESSION - 2 * SECOND).await;
        assert!(one.has(&session) && other.has(&session));
        tokio::time::advance(3 * SECOND).await;
        assert!(!one.has(&session) && !other.has(&session));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_changed_is_no_session() {
        let sessions = sessions("the same");
        let session = sessions.begin();
        let (until, rest) = session.split_once('.').expect("its parts");
        let later: u64 = until.parse::<u64>().expect("a number") + 1;
        let short = &session[..session.len() - 1];
        for other in
            ["", ".", "..", "99999999999..", short, &format!("{later}.{rest}"), &format!("0{session}")]
        {
            assert!(!sessions.has(other), "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_those_that_are_remembered_a_log_out_ends_all() {
        let sessions = sessions("the same");
        let (kept, first) = (sessions.begin(), sessions.begin());
        sessions.end(&first);
        for _ in 1..MAX_ENDED {
            sessions.end(&sessions.begin());
        }
        assert!(sessions.has(&kept) && !sessions.has(&first));
        sessions.end(&sessions.begin());
        assert!(!sessions.has(&kept) && !sessions.has(&first));
        assert_eq!(sessions.ended.lock().sessions.len(), 1);
        tokio::time::advance(SECOND).await;
        assert!(sessions.has(&sessions.begin()), "who logs in now is in");
    }
}
