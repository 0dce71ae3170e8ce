//! [`Admission`]: how many connections are let in, and how fast. A place is a guard: dropping it gives it back.

mod pace;
mod places;
mod proxy;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Arc, Weak},
    time::Duration,
};

use http::{HeaderValue, StatusCode, header::RETRY_AFTER};

use parking_lot::Mutex;

use crate::connector::Reject;

pub use self::proxy::{InvalidProxy, ProxyHeader, TrustProxy};
use self::{
    pace::Pace,
    places::{Place, Places},
};

/// What a client that found no place is told to wait: nobody knows when one gets free.
const RETRY: Duration = Duration::from_secs(5);

/// How many bits of an IPv6 address say whose it is: a provider gives each customer a /64 at least.
const IPV6_PREFIX: u8 = 64;

/// The limits of one handler, and what all its clones have let in.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    pub(super) max_connections: Option<usize>,
    pub(super) max_per_peer: Option<usize>,
    pub(super) max_per_user: Option<usize>,
    pub(super) ipv6_prefix: u8,
    pub(super) trust_proxy: Option<Arc<TrustProxy>>,
    pace: Option<Arc<Pace>>,
    everybody: Arc<Places<()>>,
    peers: Arc<Places<Option<IpAddr>>>,
    users: Arc<Places<Box<str>>>,
}

/// The places that one connection takes, from its handshake until its task ends. Boxed, since most handlers have no
/// limits.
#[derive(Debug, Default)]
pub(super) struct Permit(Option<Box<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    total: Option<Place<()>>,
    peer: Option<Place<Option<IpAddr>>>,
    user: Option<UserPlace>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            max_connections: None,
            max_per_peer: None,
            max_per_user: None,
            ipv6_prefix: IPV6_PREFIX,
            trust_proxy: None,
            pace: None,
            everybody: Arc::default(),
            peers: Arc::default(),
            users: Arc::default(),
        }
    }
}

impl Admission {
    pub(super) fn set_pace(&mut self, per_second: u32, burst: u32) {
        self.pace = Some(Arc::new(Pace::new(per_second, burst)));
    }

    /// Takes the places that can be taken before it is known who asks.
    ///
    /// The pace comes last, so that what is refused anyway does not use it up.
    pub(super) fn admit(&self, peer: Option<SocketAddr>) -> Result<Permit, Reject> {
        let total = take(&self.everybody, || (), self.max_connections)
            .map_err(|Full| busy(StatusCode::SERVICE_UNAVAILABLE, "too many connections", RETRY))?;
        let peer = take(&self.peers, || peer.map(|peer| self.network(peer.ip())), self.max_per_peer)
            .map_err(|Full| {
                if peer.is_none() {
                    tracing::warn!("a peer's address is not known: see PeerAddr and Handler::peer_from");
                }
                let text = "too many connections from this address";
                busy(StatusCode::TOO_MANY_REQUESTS, text, RETRY)
            })?;
        if let Some(pace) = &self.pace {
            pace.step()
                .map_err(|wait| busy(StatusCode::SERVICE_UNAVAILABLE, "too many new connections", wait))?;
        }
        let taken = Taken { total, peer, user: None };
        Ok(Permit((taken.total.is_some() || taken.peer.is_some()).then(|| Box::new(taken))))
    }

    /// Takes a place of the user, once it is known who asks.
    pub(super) fn admit_user(&self, permit: &mut Permit, user: Option<&str>) -> Result<(), Reject> {
        let Some(max) = self.max_per_user else { return Ok(()) };
        let place = UserPlace { users: self.users.clone(), max, taken: Arc::default() };
        let place = permit.0.get_or_insert_default().user.insert(place);
        user.map_or(Ok(()), |user| place.gate().admit(user))
    }

    /// What one peer is: an IPv4 address, or the network of an IPv6 one.
    fn network(&self, address: IpAddr) -> IpAddr {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.ipv6_prefix)).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
            address @ IpAddr::V4(_) => address,
        }
    }
}

/// The place of a user, who may be named late.
#[derive(Debug)]
struct UserPlace {
    users: Arc<Places<Box<str>>>,
    max: usize,
    taken: Arc<Mutex<Option<Place<Box<str>>>>>,
}

/// Takes the user's place of a connection. It does not hold it: whoever keeps a connection's writer has one.
#[derive(Debug, Clone)]
pub(crate) struct UserGate {
    users: Arc<Places<Box<str>>>,
    max: usize,
    taken: Weak<Mutex<Option<Place<Box<str>>>>>,
}

impl Permit {
    /// What lets the connection name its user after its handshake, if users have limits.
    pub(super) fn gate(&self) -> Option<UserGate> {
        self.0.as_ref()?.user.as_ref().map(UserPlace::gate)
    }
}

impl UserPlace {
    fn gate(&self) -> UserGate {
        UserGate { users: self.users.clone(), max: self.max, taken: Arc::downgrade(&self.taken) }
    }
}

impl UserGate {
    /// Takes a place of this user, once.
    pub(crate) fn admit(&self, user: &str) -> Result<(), Reject> {
        let Some(taken) = self.taken.upgrade() else { return Ok(()) };
        let mut taken = taken.lock();
        if taken.is_none() {
            *taken = Some(self.users.take(user.into(), self.max).ok_or_else(|| {
                busy(StatusCode::TOO_MANY_REQUESTS, "too many connections of this user", RETRY)
            })?);
        }
        Ok(())
    }
}

/// No place is free.
struct Full;

/// A place, if there is a limit at all.
fn take<K: places::Key>(
    places: &Arc<Places<K>>,
    key: impl FnOnce() -> K,
    max: Option<usize>,
) -> Result<Option<Place<K>>, Full> {
    let Some(max) = max else { return Ok(None) };
    places.take(key(), max).map(Some).ok_or(Full)
}

/// Refuses for now. The wait is told in whole seconds, at least one.
fn busy(status: StatusCode, text: &'static str, wait: Duration) -> Reject {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Reject::new(status, text).header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, ipv6_prefix: u8) -> String {
        let admission = Admission { ipv6_prefix, ..Admission::default() };
        admission.network(address.parse().expect("an address")).to_string()
    }

    #[test]
    fn a_peer_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(network("192.0.2.7", 64), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7", 64), "192.0.2.7", "the same peer by another socket");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", 64), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", 128), "2001:db8:1:2:3:4:5:6");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", 0), "::");
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        let told = |wait| {
            let answer =
                busy(StatusCode::SERVICE_UNAVAILABLE, "", wait).into_response(http::Version::HTTP_11, false);
            answer.headers()[RETRY_AFTER].to_str().expect("digits").to_owned()
        };
        assert_eq!(told(Duration::ZERO), "1");
        assert_eq!(told(Duration::from_millis(1001)), "2");
    }
}
