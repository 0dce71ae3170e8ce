//! permessage-deflate (RFC 7692) as values. `deflate_off.rs` stands in its place without the feature.
//!
//! - [`extensions`] reads the list of what the client offers (RFC 6455 §9.1).
//! - [`negotiate`] takes an offer and says what was agreed (RFC 7692 §5, §7.1).
//! - [`compress`] makes the payload of a compressed message (§7.2.1), [`inflate`] reads one (§7.2.2).
//! - [`options`] has what the application chooses.

mod compress;
mod extensions;
mod inflate;
mod negotiate;
mod options;

pub use self::options::Compression;
pub(crate) use self::{
    compress::{Compressor, Outgoing, Way},
    inflate::Inflater,
    negotiate::{Agreed, Offer, offered},
};

/// What every flush ends with, and what no message carries (§7.2.1): an empty block without its first byte.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The largest window that there is, of 32 KiB.
const MAX_WINDOW_BITS: u8 = 15;

/// The smallest window that zlib and its kin can compress for. The RFC knows one of 8 bits too: asked for that, zlib
/// takes 9 and says nothing, and a peer that believes in 8 cannot inflate what it gets.
const MIN_WINDOW_BITS: u8 = 9;

/// The knob's default.
pub(crate) fn by_default() -> Option<Compression> {
    Some(Compression::default())
}

#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod stream_tests;
