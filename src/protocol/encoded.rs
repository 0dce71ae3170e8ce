//! [`Encoded`]: a message as it goes over the wire, in each form that somebody may get.

use bytes::Bytes;

use super::{
    deflate::{Outgoing, Way},
    frame::{Header, MAX_HEADER, OpCode},
    message::Message,
};

/// Encoded once, however many connections it goes to, and compressed once for each way of compressing.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    message: &'a Message,
    plain: Head,
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
}

#[derive(Debug, Clone, Copy)]
struct Head {
    bytes: [u8; MAX_HEADER],
    len: u8,
}

impl<'a> Encoded<'a> {
    pub(crate) fn new(message: &'a Message) -> Self {
        Self { message, plain: Head::new(message, message.len(), false), compressed: Vec::new() }
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
            Some((head, payload)) => Frame { head: *head, payload },
            None => Frame { head: self.plain, payload: self.message.bytes() },
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
        Self { head: Head::new(message, message.len(), false), payload: message.bytes() }
    }

    #[inline]
    pub(crate) fn header(&self) -> &[u8] {
        &self.head.bytes[..usize::from(self.head.len)]
    }

    pub(crate) fn payload(&self) -> &'a Bytes {
        self.payload
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
}
