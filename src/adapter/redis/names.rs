//! What channels and keys are called, and what goes over the channels.

use bytes::{BufMut, Bytes, BytesMut};

use crate::adapter::{Position, Subject};

/// What the first byte of a payload says.
const PACKET: u8 = 0;
/// As `append.lua` writes it: 32 digits of the epoch, 16 of the offset, the entry.
const ENTRY: u8 = 1;
const ENTRY_HEADER: usize = 1 + 32 + 16;

/// The channel of a subject, and its slot in a Cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Channel(String);

/// The keys of a room's log: all in the slot of the room's channel, by the hash tag.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) channel: Channel,
    pub(super) stream: String,
    pub(super) meta: String,
}

impl Channel {
    pub(super) fn new(prefix: &str, subject: &Subject) -> Self {
        Self(format!("{prefix}:{{{subject}}}"))
    }

    /// As a server names it.
    pub(super) fn from_wire(name: String) -> Self {
        Self(name)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// CRC16 of the hash tag, of which every channel has one.
    pub(super) fn slot(&self) -> u16 {
        let (_, tag) = self.0.split_once('{').unwrap_or(("", &self.0));
        crc16::State::<crc16::XMODEM>::calculate(tag.trim_end_matches('}').as_bytes()) % 16384
    }
}

impl Keys {
    pub(super) fn new(prefix: &str, room: &str) -> Self {
        let channel = Channel::new(prefix, &Subject::room(room));
        Self { stream: format!("{}:log", channel.0), meta: format!("{}:meta", channel.0), channel }
    }

    /// Where is noted what became of an append with this idempotency key.
    pub(super) fn note(&self, key: &str) -> String {
        format!("{}:key:{key}", self.channel.0)
    }
}

/// What came over a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Packet(Bytes),
    Entry(Position, Bytes),
}

impl Payload {
    /// `None` for what no node of ours has sent.
    pub(super) fn parse(bytes: Bytes) -> Option<Self> {
        match *bytes.first()? {
            PACKET => Some(Self::Packet(bytes.slice(1..))),
            ENTRY => {
                let header = std::str::from_utf8(bytes.get(1..ENTRY_HEADER)?).ok()?;
                let (epoch, offset) = header.split_at(32);
                let position =
                    Position { epoch: epoch.parse().ok()?, offset: u64::from_str_radix(offset, 16).ok()? };
                Some(Self::Entry(position, bytes.slice(ENTRY_HEADER..)))
            }
            _ => None,
        }
    }

    pub(super) fn of_packet(packet: &Bytes) -> Bytes {
        let mut bytes = BytesMut::with_capacity(1 + packet.len());
        bytes.put_u8(PACKET);
        bytes.put_slice(packet);
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Epoch;

    #[test]
    fn all_keys_of_a_room_are_in_the_slot_of_its_channel() {
        let keys = Keys::new("shop", "news/{1}");
        assert_eq!(keys.channel.as_str(), "shop:{room.news%2f%7b1%7d}");
        for key in [&keys.stream, &keys.meta, &keys.note("k}")] {
            assert!(key.starts_with("shop:{room.news%2f%7b1%7d}:"), "{key}");
        }
        // `CLUSTER KEYSLOT gustnado:{all}`
        assert_eq!(Channel::new("gustnado", &Subject::Everybody).slot(), 3894);
    }

    #[test]
    fn payloads_are_told_apart() {
        let packet = Bytes::from_static(b"\x01p");
        assert_eq!(Payload::parse(Payload::of_packet(&packet)), Some(Payload::Packet(packet)));
        let entry = format!("\x01{:032x}{:016x}entry", 7, 255);
        let position = Position { epoch: Epoch::new(7), offset: 255 };
        assert_eq!(
            Payload::parse(entry.into()),
            Some(Payload::Entry(position, Bytes::from_static(b"entry")))
        );
        for odd in [&b""[..], b"\x02", b"\x01short", &[1; 60]] {
            assert_eq!(Payload::parse(Bytes::copy_from_slice(odd)), None);
        }
    }
}
