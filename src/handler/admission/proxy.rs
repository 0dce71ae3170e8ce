//! [`TrustProxy`]: whose word on a client's address is taken.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::{HeaderMap, HeaderName, header::FORWARDED};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whose word on a client's address is taken, behind a proxy: see
/// [`Handler::trust_proxy`](crate::Handler::trust_proxy).
///
/// Anybody can send such a header, so only what trusted proxies have added to it counts: it is read from its end,
/// and the first address that is no trusted proxy's is the client's. What stands before that may be invented.
///
/// ```
/// use gustnado::{Handler, ProxyHeader, TrustProxy};
/// # use gustnado::{Connector, async_trait};
/// # struct Chat;
/// # #[async_trait] impl Connector for Chat {}
///
/// let proxies = TrustProxy::addresses(["10.0.0.0/8", "::1"])?.header(ProxyHeader::Forwarded);
/// let handler = Handler::new(|| Chat).trust_proxy(proxies).max_connections_per_peer(5);
/// # Ok::<(), gustnado::InvalidProxy>(())
/// ```
#[derive(Debug, Clone)]
pub struct TrustProxy {
    header: ProxyHeader,
    trust: Trust,
}

/// Which header a proxy writes the client's address into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: what most proxies write.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// What stands for proxies is neither an address nor a prefix such as `10.0.0.0/8`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a prefix")]
pub struct InvalidProxy(pub String);

#[derive(Debug, Clone)]
enum Trust {
    Addresses(Box<[Prefix]>),
    Hops(usize),
}

impl TrustProxy {
    /// Trusts the proxies at these addresses, each alone (`::1`) or as a prefix (`10.0.0.0/8`). A header that comes
    /// from elsewhere is ignored.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`] for what is neither.
    pub fn addresses<'a>(proxies: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidProxy> {
        let prefixes = proxies.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { header: ProxyHeader::default(), trust: Trust::Addresses(prefixes) })
    }

    /// Trusts as many proxies as stand in a row before this server, whatever their addresses: the client's is the
    /// `count`th from the end of the header. Only where nobody gets here past them, or clients name themselves.
    pub fn hops(count: usize) -> Self {
        Self { header: ProxyHeader::default(), trust: Trust::Hops(count) }
    }

    /// Which header the proxies write: `X-Forwarded-For` by default. They must overwrite or extend this one, or
    /// what a client sends in it passes for theirs.
    #[must_use]
    pub fn header(mut self, header: ProxyHeader) -> Self {
        self.header = header;
        self
    }

    /// The client's address, where `peer` is at the other end of the transport. One that a header tells without a
    /// port has port 0.
    pub(crate) fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<SocketAddr> {
        let mut told = self.told(headers);
        match &self.trust {
            Trust::Hops(0) => peer,
            Trust::Hops(count) => told.nth(count - 1).flatten().or(peer),
            Trust::Addresses(trusted) => {
                let mut client = peer?;
                while trusted.iter().any(|prefix| prefix.contains(client.ip())) {
                    // A proxy that does not know its client speaks for itself.
                    match told.next() {
                        Some(Some(address)) => client = address,
                        Some(None) | None => break,
                    }
                }
                Some(client)
            }
        }
    }

    /// What each proxy told, the nearest first; `None` where it is no address.
    ///
    /// Elements are split off from the end, so that nothing a client puts at the beginning, such as half of a
    /// quoted string, changes how the proxies' own are read.
    fn told<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = Option<SocketAddr>> + 'a {
        let (name, read): (_, fn(&str) -> Option<SocketAddr>) = match self.header {
            ProxyHeader::XForwardedFor => (X_FORWARDED_FOR, node),
            ProxyHeader::Forwarded => (FORWARDED, forwarded_for),
        };
        let lines = headers.get_all(name).iter().rev().map(|line| line.to_str().unwrap_or_default());
        lines.flat_map(|line| line.rsplit(',')).map(move |element| read(element.trim()))
    }
}

/// The `for` of one element of `Forwarded` (RFC 7239 §4).
fn forwarded_for(element: &str) -> Option<SocketAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    node(quoted.unwrap_or(value))
}

/// An address, with or without a port, an IPv6 one with or without brackets.
fn node(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().map(|address: IpAddr| SocketAddr::new(address, 0));
    let mut address = address.or_else(|_| text.parse()).ok()?;
    address.set_ip(address.ip().to_canonical());
    Some(address)
}

#[derive(Debug, Clone, Copy)]
struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    fn contains(self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits().into(), theirs.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        // All bits beyond the prefix may differ; a shift by the whole width leaves nothing to compare.
        let differ: u128 = ours ^ theirs;
        differ.checked_shr(width - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

impl FromStr for Prefix {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let invalid = || InvalidProxy(text.to_owned());
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits =
            bits.map_or(Ok(width), str::parse).ok().filter(|bits| *bits <= width).ok_or_else(invalid)?;
        Ok(Self { address, bits })
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;
