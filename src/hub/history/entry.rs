//! [`Published`]: one message of a room, as it stands in the log and as members get it.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::{
    adapter::Position,
    conn::{Conn, ConnId},
    hub::cluster::wire::{MAX_ITEMS, Wire, wire},
    protocol::message::Message,
};

use super::{
    framing::{Frame, Framing, Publication},
    window::Kept,
};

/// The version of what stands in a log: the only one that is read.
const VERSION: u8 = 1;

/// The largest entry. Engines may take less.
const MAX_ENTRY: usize = 16 << 20;

/// A message as it stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Entry {
    /// Whether it is a frame of commands, which says its offset.
    pub(in crate::hub) framed: bool,
    pub(in crate::hub) message: Message,
    /// The same one for those who speak another subprotocol.
    pub(in crate::hub) other: Option<(String, Message)>,
    pub(in crate::hub) except: Vec<ConnId>,
}

wire! {
    Entry { framed, message, other, except }
}

impl Entry {
    /// `None` if it is too large.
    pub(in crate::hub) fn encode(&self) -> Option<Bytes> {
        let mut bytes = vec![VERSION];
        self.write(&mut bytes);
        (bytes.len() <= MAX_ENTRY && self.except.len() <= MAX_ITEMS).then(|| bytes.into())
    }

    fn decode(mut bytes: Bytes) -> Option<Self> {
        let entry = (u8::read(&mut bytes)? == VERSION).then(|| Wire::read(&mut bytes))?;
        entry.filter(|_| bytes.is_empty())
    }
}

/// A message that has come from the log: cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Published(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    offset: u64,
    /// `None` if this build cannot read it: nobody gets it.
    entry: Option<Entry>,
    /// As the hub's own function frames it.
    plain: Option<Message>,
    /// With its offset, in either codec.
    message: OnceLock<Message>,
    other: OnceLock<Message>,
}

impl Published {
    /// What came, framed by the function of the application, which runs under no lock.
    pub(super) fn new(room: &str, position: Position, bytes: Bytes, frame: Option<&Frame>) -> Self {
        let entry = Entry::decode(bytes);
        let plain = match (&entry, frame) {
            (Some(Entry { message, .. }), Some(frame)) => {
                Some(frame(&Publication { room, position, message }))
            }
            _ => None,
        };
        let (message, other) = Default::default();
        Self(Arc::new(Inner { offset: position.offset, entry, plain, message, other }))
    }

    pub(super) fn is_readable(&self) -> bool {
        self.0.entry.is_some()
    }

    /// Whether a connection is meant to get it.
    pub(super) fn is_for(&self, id: ConnId) -> bool {
        self.0.entry.as_ref().is_some_and(|entry| !entry.except.contains(&id))
    }

    /// The form in which a connection gets it whose last one was `last`.
    pub(super) fn form(&self, conn: &Conn, framing: Option<&'static dyn Framing>, last: u64) -> Form {
        let Some(entry) = &self.0.entry else { return Form { framing: None, other: false, prev: None } };
        let other = entry.other.as_ref().is_some_and(|(protocol, _)| conn.protocol() == Some(protocol));
        let framing = framing.filter(|_| entry.framed);
        let prev = (framing.is_some() && last + 1 != self.0.offset).then_some(last);
        Form { framing, other, prev }
    }

    pub(super) fn message(&self, form: Form) -> Message {
        let inner = &*self.0;
        let Some(entry) = &inner.entry else { return Message::from("") };
        let (source, kept) = match (&entry.other, form.other) {
            (Some((_, other)), true) => (other, &inner.other),
            _ => (&entry.message, &inner.message),
        };
        match (form.framing, form.prev) {
            (Some(framing), None) => kept.get_or_init(|| framing.entry(source, inner.offset, None)).clone(),
            (Some(framing), prev) => framing.entry(source, inner.offset, prev),
            (None, _) => inner.plain.as_ref().unwrap_or(source).clone(),
        }
    }
}

impl Kept for Published {
    fn size(&self) -> usize {
        let entry = self.0.entry.as_ref();
        entry.map_or(0, |it| it.message.len() + it.other.as_ref().map_or(0, |(_, it)| it.len())) + 256
    }
}

/// Which bytes of a message a connection gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    framing: Option<&'static dyn Framing>,
    other: bool,
    /// The last message that it was meant to get, if that is not the one before.
    prev: Option<u64>,
}

impl PartialEq for Form {
    fn eq(&self, form: &Self) -> bool {
        // Of each subprotocol there is one framing.
        (self.other, self.prev, self.framing.is_some()) == (form.other, form.prev, form.framing.is_some())
    }
}
