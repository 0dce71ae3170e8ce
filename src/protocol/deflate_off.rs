//! What stands in the place of `deflate/` without the feature: nothing is ever agreed. Most of these types have no
//! values, so that the compiler leaves out whatever would be done with one.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};

use super::error::ProtocolError;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Compression {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {}

pub(crate) enum Malformed {}

#[derive(Debug)]
pub(crate) enum Agreed {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {}

#[derive(Debug)]
pub(crate) enum Compressor {}

#[derive(Debug)]
pub(crate) enum Inflater {}

pub(crate) fn by_default() -> Option<Compression> {
    None
}

/// The header is not looked at.
pub(crate) fn offered(_: &HeaderMap) -> Result<Option<Offer>, Malformed> {
    Ok(None)
}

impl Offer {
    pub(crate) fn agree(&self, _: &Compression) -> Agreed {
        match *self {}
    }
}

impl Agreed {
    pub(crate) fn answer(&self) -> HeaderValue {
        match *self {}
    }

    pub(crate) fn outgoing(&self) -> &Outgoing {
        match *self {}
    }
}

impl Outgoing {
    pub(crate) fn takeover(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_worth(&self, _: usize) -> bool {
        match *self {}
    }

    pub(crate) fn way(&self, _: usize) -> Option<Way> {
        match *self {}
    }
}

impl Way {
    pub(crate) fn compress(self, _: &[u8]) -> Option<Bytes> {
        match self {}
    }
}

impl Compressor {
    pub(crate) fn with_context(outgoing: &Outgoing) -> Self {
        match *outgoing {}
    }

    pub(crate) fn message<'a>(&mut self, _: impl IntoIterator<Item = &'a [u8]>, _: &mut Vec<u8>) {
        match *self {}
    }
}

impl Inflater {
    pub(crate) fn new(agreed: &Agreed) -> Self {
        match *agreed {}
    }

    pub(crate) fn push(&mut self, _: &[u8], _: usize, _: &mut BytesMut) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(crate) fn finish(&mut self, _: usize, _: &mut BytesMut) -> Result<(), ProtocolError> {
        match *self {}
    }
}
