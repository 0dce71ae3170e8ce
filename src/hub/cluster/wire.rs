//! [`Wire`]: how values stand in a packet. Numbers are big-endian, lists and texts begin with their length.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Buf, Bytes};

use crate::{
    adapter::NodeId,
    conn::ConnId,
    protocol::{close::CloseFrame, message::Message, text::Text},
};

/// As many items as a list may have: what comes grows in memory, and by how much is bounded before it is read.
pub(in crate::hub) const MAX_ITEMS: usize = 1 << 16;

/// Where bytes are written: to memory, or only counted, so that a packet takes one allocation.
pub(in crate::hub) trait Sink {
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts.
impl Sink for usize {
    fn put(&mut self, bytes: &[u8]) {
        *self += bytes.len();
    }
}

/// A value that can stand in a packet. Reading gives `None` for bytes that are none of its values.
pub(in crate::hub) trait Wire: Sized {
    fn write(&self, out: &mut dyn Sink);
    fn read(input: &mut Bytes) -> Option<Self>;
}

/// Structs, field by field.
macro_rules! wire {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::hub::cluster::wire::Wire for $name {
            fn write(&self, out: &mut dyn $crate::hub::cluster::wire::Sink) {
                $($crate::hub::cluster::wire::Wire::write(&self.$field, out);)*
            }

            fn read(input: &mut bytes::Bytes) -> Option<Self> {
                $(let $field = $crate::hub::cluster::wire::Wire::read(input)?;)*
                Some(Self { $($field),* })
            }
        }
    )*};
}
pub(in crate::hub) use wire;

macro_rules! numbers {
    ($($type:ty, $get:ident;)*) => {$(
        impl Wire for $type {
            fn write(&self, out: &mut dyn Sink) {
                out.put(&self.to_be_bytes());
            }

            fn read(input: &mut Bytes) -> Option<Self> {
                input.$get().ok()
            }
        }
    )*};
}

numbers! {
    u8, try_get_u8;
    u16, try_get_u16;
    u32, try_get_u32;
    u64, try_get_u64;
}

impl Wire for usize {
    fn write(&self, out: &mut dyn Sink) {
        (*self as u64).write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        u64::read(input)?.try_into().ok()
    }
}

impl Wire for bool {
    fn write(&self, out: &mut dyn Sink) {
        u8::from(*self).write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

/// Shares the packet's memory.
impl Wire for Bytes {
    fn write(&self, out: &mut dyn Sink) {
        write_slice(self, out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        let len = u32::read(input)? as usize;
        (len <= input.len()).then(|| input.split_to(len))
    }
}

fn write_slice(slice: &[u8], out: &mut dyn Sink) {
    // What is sent is at most `MAX_PACKET`, which is checked before it goes out.
    (slice.len() as u32).write(out);
    out.put(slice);
}

pub(in crate::hub) fn write_text(text: &str, out: &mut dyn Sink) {
    write_slice(text.as_bytes(), out);
}

impl Wire for Text {
    fn write(&self, out: &mut dyn Sink) {
        write_text(self, out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        Bytes::read(input)?.try_into().ok()
    }
}

impl Wire for String {
    fn write(&self, out: &mut dyn Sink) {
        write_text(self, out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        Some(Text::read(input)?.as_str().to_owned())
    }
}

impl Wire for Box<str> {
    fn write(&self, out: &mut dyn Sink) {
        write_text(self, out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        Some(Text::read(input)?.as_str().into())
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut dyn Sink) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match bool::read(input)? {
            true => T::read(input).map(Some),
            false => Some(None),
        }
    }
}

pub(in crate::hub) fn write_list<T: Wire>(list: &[T], out: &mut dyn Sink) {
    list.len().write(out);
    list.iter().for_each(|item| item.write(out));
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut dyn Sink) {
        write_list(self, out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        let len = usize::read(input)?;
        // Nothing is reserved for what has not come.
        if len > MAX_ITEMS { None } else { (0..len).map(|_| T::read(input)).collect() }
    }
}

impl<K: Wire + Ord, V: Wire> Wire for BTreeMap<K, V> {
    fn write(&self, out: &mut dyn Sink) {
        self.len().write(out);
        for (key, value) in self {
            key.write(out);
            value.write(out);
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        Some(Vec::<(K, V)>::read(input)?.into_iter().collect())
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn write(&self, out: &mut dyn Sink) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        Some((A::read(input)?, B::read(input)?))
    }
}

impl Wire for NodeId {
    fn write(&self, out: &mut dyn Sink) {
        self.as_u64().write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        u64::read(input).map(Self::new)
    }
}

impl Wire for ConnId {
    fn write(&self, out: &mut dyn Sink) {
        (self.node(), self.number()).write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        <(NodeId, u64)>::read(input).map(|(node, number)| Self::new(node, number))
    }
}

impl Wire for Message {
    fn write(&self, out: &mut dyn Sink) {
        self.is_text().write(out);
        write_slice(self.as_bytes(), out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match bool::read(input)? {
            true => Text::read(input).map(Self::Text),
            false => Bytes::read(input).map(Self::Binary),
        }
    }
}

impl Wire for CloseFrame {
    fn write(&self, out: &mut dyn Sink) {
        self.code().as_u16().write(out);
        write_text(self.reason(), out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        let code = u16::read(input)?;
        Self::new(code, Text::read(input)?).ok()
    }
}

/// In nanoseconds.
impl Wire for Duration {
    fn write(&self, out: &mut dyn Sink) {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX).write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        u64::read(input).map(Self::from_nanos)
    }
}

/// Since 1970; what was before is 1970.
impl Wire for SystemTime {
    fn write(&self, out: &mut dyn Sink) {
        self.duration_since(UNIX_EPOCH).unwrap_or_default().write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        UNIX_EPOCH.checked_add(Duration::read(input)?)
    }
}
