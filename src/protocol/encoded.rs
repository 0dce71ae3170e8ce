//! [`Encoded`]: a message as it goes over the wire, in each form that somebody may get.

use bytes::{Bytes, BytesMut};

use super::{
    deflate::{Outgoing, Way},
    frame::{Header, MAX_HEADER, OpCode},
    message::Message,
};

/// A frame for many is shared by them from this size on. Smaller ones cost less copied together; larger ones would be
/// written for each member into memory that is in no cache.
const SHARED_MIN: usize = 512;

/// Up to this size header and payload are put together for that, so that a frame is one piece.
const SHARED_MAX: usize = 64 * 1024;

/// Encoded once, however many connections it goes to, and compressed once for each way of compressing.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    message: &'a Message,
    plain: Head,
    /// Header and payload in one piece, for many who share it.
    whole: Option<Bytes>,
    compressed: Vec<Compressed>,
}

#[derive(Debug)]
struct Compressed {
    way: Way,
    /// `None` if the message did not become smaller.
    form: Option<(Head, Bytes)>,
}

/// One form: the only frame of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    head: Head,
    payload: &'a Bytes,
    whole: Option<&'a Bytes>,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl<'a> Encoded<'a> {
    pub(crate) fn new(message: &'a Message) -> Self {
        let plain = Head::new(message, message.len(), false);
        Self { message, plain, whole: None, compressed: Vec::new() }
    }

    /// For many.
    pub(crate) fn shared(message: &'a Message) -> Self {
        let mut encoded = Self::new(message);
        if (SHARED_MIN..=SHARED_MAX).contains(&message.len()) {
            let mut whole = BytesMut::with_capacity(MAX_HEADER + message.len());
            whole.extend_from_slice(encoded.plain.as_bytes());
            whole.extend_from_slice(message.as_bytes());
            encoded.whole = Some(whole.freeze());
        }
        encoded
    }

    /// Makes the form for those with whom this was agreed, if it is not there yet; whether it was made. With context
    /// takeover there is none: their sessions compress what they get.
    pub(crate) fn compress(&mut self, outgoing: &Outgoing) -> bool {
        let Some(way) = outgoing.way(self.message.len()) else { return false };
        if self.compressed.iter().any(|compressed| compressed.way == way) {
            return false;
        }
        let payload = way.compress(self.message.as_bytes());
        let form = payload.map(|payload| (Head::new(self.message, payload.len(), true), payload));
        self.compressed.push(Compressed { way, form });
        true
    }

    /// The form for somebody with whom this was agreed: as it is, where it was not compressed or is the smaller for it.
    pub(crate) fn frame(&self, outgoing: Option<&Outgoing>) -> Frame<'_> {
        let way = outgoing.and_then(|outgoing| outgoing.way(self.message.len()));
        let found = self.compressed.iter().find(|compressed| Some(compressed.way) == way);
        match found.and_then(|compressed| compressed.form.as_ref()) {
            Some((head, payload)) => Frame { head: *head, payload, whole: None },
            None => Frame { head: self.plain, payload: self.message.bytes(), whole: self.whole.as_ref() },
        }
    }

    /// Bytes of the message itself.
    pub(crate) fn message_len(&self) -> usize {
        self.message.len()
    }
}

impl<'a> Frame<'a> {
    /// A message as it is.
    #[inline]
    pub(crate) fn plain(message: &'a Message) -> Self {
        Self { head: Head::new(message, message.len(), false), payload: message.bytes(), whole: None }
    }

    #[inline]
    pub(crate) fn header(&self) -> &[u8] {
        self.head.as_bytes()
    }

    pub(crate) fn payload(&self) -> &'a Bytes {
        self.payload
    }

    /// Header and payload, if they are shared in one piece.
    #[inline]
    pub(crate) fn whole(&self) -> Option<&'a Bytes> {
        self.whole
    }

    /// Bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.head.len) + self.payload.len()
    }
}

impl Head {
    #[inline]
    fn new(message: &Message, len: usize, compressed: bool) -> Self {
        let opcode = if message.is_text() { OpCode::Text } else { OpCode::Binary };
        let mut bytes = [0; MAX_HEADER];
        let header = Header { fin: true, compressed, opcode, mask: None, len: len as u64 };
        let len = header.write(&mut bytes) as u8;
        Self { bytes, len }
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
