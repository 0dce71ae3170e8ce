//! [`Secret`]: a secret that is shown, with a back-off for who guesses.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use http::StatusCode;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::session::Sessions;
use crate::{auth::Token, connector::Reject};

/// How many wrong secrets an address may show before it has to wait.
const FAILURES: u32 = 10;

/// How long it has to wait then, and how long a failure is remembered.
const BACK_OFF: Duration = Duration::from_secs(60);

/// How many addresses with failures are remembered; beyond that all new ones wait.
const MAX_ADDRESSES: usize = 10_000;

pub(super) struct Secret {
    secret: Token,
    /// Of those who knew it.
    pub(super) sessions: Sessions,
    failures: Mutex<Known>,
}

/// Who has shown wrong ones.
#[derive(Default)]
struct Known(HashMap<Network, Failures>);

/// Whose failures are counted together: who has no address counts as one.
type Network = Option<IpAddr>;

struct Failures {
    count: u32,
    last: Instant,
}

impl Secret {
    pub(super) fn new(secret: Box<str>) -> Self {
        let secret = Token::new(secret);
        Self { sessions: Sessions::new(secret.clone()), secret, failures: Mutex::default() }
    }

    /// Whether what was shown is the secret; wrong ones are counted.
    pub(super) fn show(&self, address: Option<IpAddr>, shown: &str) -> Result<(), Reject> {
        let network = address.map(network);
        let now = Instant::now();
        let mut known = self.failures.lock();
        if !known.may_try(network, now) {
            let refusal = Reject::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong secrets");
            return Err(refusal.retry_after(BACK_OFF));
        }
        if self.secret.matches(shown) {
            known.0.remove(&network);
            return Ok(());
        }
        let failures = known.0.entry(network).or_insert(Failures { count: 0, last: now });
        *failures = Failures { count: failures.count + 1, last: now };
        Err(Reject::unauthorized("that is not the secret"))
    }
}

impl Known {
    fn may_try(&mut self, network: Network, now: Instant) -> bool {
        let is_over = |failures: &Failures| now.duration_since(failures.last) >= BACK_OFF;
        if self.0.len() >= MAX_ADDRESSES {
            self.0.retain(|_, failures| !is_over(failures));
        }
        match self.0.get(&network) {
            Some(failures) if is_over(failures) => {
                self.0.remove(&network);
                true
            }
            Some(failures) => failures.count < FAILURES,
            None => self.0.len() < MAX_ADDRESSES,
        }
    }
}

/// What one client can choose from is one: of IPv6 the first 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// 128 random bits in hexadecimal.
///
/// # Panics
///
/// If the operating system has no random numbers.
pub(super) fn random() -> String {
    format!("{:032x}", crate::random::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: &str = "not the secret of this page";

    fn secret() -> Secret {
        Secret::new("the secret of this page".into())
    }

    fn status(result: Result<(), Reject>) -> u16 {
        result.map_or_else(|reject| reject.status().as_u16(), |()| 200)
    }

    #[tokio::test(start_paused = true)]
    async fn an_ipv6_client_is_its_network_and_a_mapped_address_is_the_address_itself() {
        let secret = secret();
        for last in 0..u128::from(FAILURES) {
            let address = Ipv6Addr::from_bits(0x2001_0db8 << 96 | last).into();
            assert_eq!(status(secret.show(Some(address), WRONG)), 401);
        }
        let shows = |address: &str| status(secret.show(Some(address.parse().expect("an address")), WRONG));
        assert_eq!(shows("2001:db8::ffff"), 429);
        assert_eq!(shows("2001:db8:0:1::1"), 401);
        for _ in 0..5 {
            assert_eq!((shows("192.0.2.1"), shows("::ffff:192.0.2.1")), (401, 401));
        }
        assert_eq!(shows("192.0.2.1"), 429);
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_that_are_remembered_have_a_limit_and_new_ones_wait_beyond_it() {
        let secret = secret();
        let address = |number: usize| Some(IpAddr::from((number as u32).to_be_bytes()));
        for number in 0..MAX_ADDRESSES {
            assert_eq!(status(secret.show(address(number), WRONG)), 401);
        }
        assert_eq!(status(secret.show(address(MAX_ADDRESSES), WRONG)), 429);
        assert_eq!(secret.failures.lock().0.len(), MAX_ADDRESSES);
        tokio::time::advance(BACK_OFF).await;
        assert_eq!(status(secret.show(address(MAX_ADDRESSES), WRONG)), 401);
        assert_eq!(secret.failures.lock().0.len(), 1);
    }
}
