//! RFC 6455 as values: bytes in, events out. No runtime, no clock, no log.
//!
//! - [`handshake`] checks an opening request and writes the answer to it (§4).
//! - [`frame`] reads and writes frame headers (§5.2), [`mask`] the masking of payloads (§5.3).
//! - [`receiver`] turns a stream of bytes, cut anywhere, into messages and control frames (§5.4, §5.5).
//! - [`encoded`] has a message as it goes out, [`deflate`] compresses it (RFC 7692).
//! - [`close`] knows which close codes may travel, and what a close frame holds (§7.4).

mod batch;
pub(crate) mod close;
#[cfg(feature = "deflate")]
pub(crate) mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "deflate_off.rs"]
pub(crate) mod deflate;
pub(crate) mod encoded;
pub(crate) mod error;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod mask;
pub(crate) mod message;
pub(crate) mod origin;
pub(crate) mod receiver;
pub(crate) mod text;
pub(crate) mod utf8;

#[cfg(test)]
mod oracle;
#[cfg(test)]
pub(crate) mod peer;
