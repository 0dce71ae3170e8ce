//! [`Tickets`]: credentials that work once, and not for long.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::random::random;

/// How many tickets are remembered, unless said otherwise.
const CAPACITY: usize = 100_000;

/// Issues tickets: credentials that work once, and not for long, so that one may stand in a URL. Cheap to clone.
///
/// A page asks for one by an ordinary request, where it has its cookie or its header, and opens the connection with
/// it at once. They are remembered by this process alone, and hold 128 random bits.
///
/// ```
/// use std::time::Duration;
/// use gustnado::{Authenticate, Identity, Reject, Source, Tickets, Token};
///
/// let tickets = Tickets::new(Duration::from_secs(30));
/// let ticket = tickets.issue("alice"); // in an HTTP route, for the page
///
/// let auth = Authenticate::new(move |token: Token| {
///     let user = tickets.redeem(token.expose());
///     async move { user.map(Identity::new).ok_or_else(|| Reject::unauthorized("no such ticket")) }
/// })
/// .from(Source::Query("ticket"));
/// ```
#[derive(Clone)]
pub struct Tickets {
    ttl: Duration,
    capacity: usize,
    issued: Arc<Mutex<Issued>>,
}

#[derive(Default)]
struct Issued {
    users: HashMap<u128, Box<str>>,
    /// All that were issued and have not expired, redeemed or not, the oldest first.
    order: VecDeque<(Instant, u128)>,
}

impl Tickets {
    /// Tickets that work for so long.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, capacity: CAPACITY, issued: Arc::default() }
    }

    /// How many are remembered at most: 100,000 by default, at least one. With more issued within one lifetime, the
    /// oldest stop working.
    #[must_use]
    pub fn capacity(mut self, tickets: usize) -> Self {
        self.capacity = tickets.max(1);
        self
    }

    /// A new ticket of this user: 32 characters of hexadecimal.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers.
    pub fn issue(&self, user: impl Into<Box<str>>) -> String {
        let ticket = random();
        let now = Instant::now();
        let mut issued = self.issued.lock();
        issued.forget_expired(now, self.ttl);
        while issued.order.len() >= self.capacity {
            issued.forget_oldest();
        }
        issued.users.insert(ticket, user.into());
        issued.order.push_back((now, ticket));
        format!("{ticket:032x}")
    }

    /// Whose ticket it is, the first time it is asked and before it expires.
    pub fn redeem(&self, ticket: &str) -> Option<Box<str>> {
        let digits = ticket.len() == 32 && ticket.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ticket = u128::from_str_radix(ticket, 16).ok().filter(|_| digits)?;
        let mut issued = self.issued.lock();
        issued.forget_expired(Instant::now(), self.ttl);
        issued.users.remove(&ticket)
    }
}

impl Issued {
    fn forget_expired(&mut self, now: Instant, ttl: Duration) {
        while self.order.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) >= ttl) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, ticket)) = self.order.pop_front() {
            self.users.remove(&ticket);
        }
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.issued.lock().users.len();
        f.debug_struct("Tickets").field("ttl", &self.ttl).field("open", &open).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_ticket_works_once_and_not_after_its_time() {
        let tickets = Tickets::new(30 * SECOND);
        let (used, late) = (tickets.issue("alice"), tickets.issue("bob"));
        assert_ne!(used, late);
        tokio::time::advance(29 * SECOND).await;
        assert_eq!(tickets.redeem(&used).as_deref(), Some("alice"));
        assert_eq!(tickets.redeem(&used), None);
        tokio::time::advance(SECOND).await;
        assert_eq!(tickets.redeem(&late), None);
        assert!(tickets.issued.lock().order.is_empty());
    }

    #[test]
    fn of_too_many_the_oldest_stop_working() {
        let tickets = Tickets::new(30 * SECOND).capacity(2);
        let issued = ["a", "b", "c"].map(|user| tickets.issue(user));
        assert_eq!(tickets.redeem(&issued[0]), None);
        assert_eq!(tickets.redeem(&issued[1]).as_deref(), Some("b"));
        assert_eq!(tickets.redeem(&issued[2]).as_deref(), Some("c"));
        for _ in 0..10 {
            tickets.redeem(&tickets.issue("d"));
        }
        assert!(tickets.issued.lock().order.len() <= 2);
    }

    #[test]
    fn what_is_no_ticket_is_nobodys() {
        let tickets = Tickets::new(30 * SECOND);
        let ticket = tickets.issue("alice");
        for other in ["", "0", "+0000000000000000000000000000000", "ü", &ticket[1..], &format!("{ticket}0")]
        {
            assert_eq!(tickets.redeem(other), None, "{other}");
        }
    }

    #[test]
    fn of_many_at_once_exactly_one_gets_it() {
        let tickets = Tickets::new(30 * SECOND);
        for _ in 0..100 {
            let ticket = tickets.issue("alice");
            let redeemed = std::thread::scope(|scope| {
                let all = [(); 4].map(|()| scope.spawn(|| tickets.redeem(&ticket)));
                all.map(|one| one.join().expect("no panic")).into_iter().flatten().count()
            });
            assert_eq!(redeemed, 1);
        }
    }
}
