//! Which offer is taken, and what was agreed (RFC 7692 §5, §7.1).

use std::mem::replace;

use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

use super::{
    Compression, MAX_WINDOW_BITS, MIN_WINDOW_BITS,
    compress::Outgoing,
    extensions::{Extension, Malformed, parse},
};

const NAME: &str = "permessage-deflate";

/// One offer of the client that is well-formed and can be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// Without a value the client only says that it can be told one: as good as 15.
    client_max_window_bits: Option<u8>,
}

/// The first offer that can be met, over all lines of the header: the client's order is that of its preference.
pub(crate) fn offered(headers: &HeaderMap) -> Result<Option<Offer>, Malformed> {
    let mut first = None;
    for line in headers.get_all(SEC_WEBSOCKET_EXTENSIONS) {
        // All of it is read, since what is malformed fails the handshake wherever it stands.
        let extensions = parse(line.to_str().map_err(|_| Malformed)?)?;
        first = first.or_else(|| extensions.iter().find_map(Offer::read));
    }
    Ok(first)
}

impl Offer {
    /// `None` for what has to be declined (§7.1): a parameter that is unknown, there twice, with a bad value, with one
    /// that it may not have, or without one that it needs.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        if extension.name != NAME {
            return None;
        }
        let mut offer = Self::default();
        for (name, value) in &extension.parameters {
            let first = match (*name, value.as_deref()) {
                ("server_no_context_takeover", None) => !replace(&mut offer.server_no_context_takeover, true),
                ("client_no_context_takeover", None) => !replace(&mut offer.client_no_context_takeover, true),
                ("server_max_window_bits", Some(bits)) => {
                    offer.server_max_window_bits.replace(window_bits(bits)?).is_none()
                }
                ("client_max_window_bits", bits) => {
                    let bits = bits.map_or(Some(MAX_WINDOW_BITS), window_bits)?;
                    offer.client_max_window_bits.replace(bits).is_none()
                }
                _ => return None,
            };
            if !first {
                return None;
            }
        }
        let possible = offer.server_max_window_bits.is_none_or(|bits| bits >= MIN_WINDOW_BITS);
        possible.then_some(offer)
    }

    /// What an application with these options agrees to.
    pub(crate) fn agree(&self, options: &Compression) -> Agreed {
        let hinted = self.client_no_context_takeover && !options.ignore_client_hint;
        let (server_takeover, client_takeover, server_window_bits) = options.within_memory(
            options.server_takeover && !self.server_no_context_takeover,
            options.client_takeover && !hinted,
            self.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS),
        );
        let outgoing = Outgoing {
            level: options.level,
            min_size: options.min_size,
            window_bits: server_window_bits,
            takeover: server_takeover,
        };
        Agreed {
            outgoing,
            client_takeover,
            client_window_bits: self.client_max_window_bits.filter(|bits| *bits < MAX_WINDOW_BITS),
            says_server_window_bits: self.server_max_window_bits.is_some()
                || server_window_bits < MAX_WINDOW_BITS,
        }
    }
}

/// From 8 to 15, in decimal, without leading zeros (§7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    (8..=MAX_WINDOW_BITS).find(|bits| bits.to_string() == value)
}

/// What both sides know from the answer on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    outgoing: Outgoing,
    pub(super) client_takeover: bool,
    /// The client's own limit, confirmed. It binds only the client: any window fits into ours of 15 bits.
    client_window_bits: Option<u8>,
    says_server_window_bits: bool,
}

impl Agreed {
    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// The value of the answer's `Sec-WebSocket-Extensions` (§7.1).
    pub(crate) fn answer(&self) -> HeaderValue {
        let mut answer = NAME.to_owned();
        if !self.outgoing.takeover {
            answer += "; server_no_context_takeover";
        }
        if !self.client_takeover {
            answer += "; client_no_context_takeover";
        }
        if self.says_server_window_bits {
            answer += &format!("; server_max_window_bits={}", self.outgoing.window_bits);
        }
        if let Some(bits) = self.client_window_bits {
            answer += &format!("; client_max_window_bits={bits}");
        }
        HeaderValue::try_from(answer).expect("names and numbers make a header value")
    }
}

#[cfg(test)]
#[path = "negotiate_tests.rs"]
mod tests;
