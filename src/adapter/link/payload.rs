//! [`Payload`]: what goes over an engine's channels.

use bytes::{BufMut, Bytes, BytesMut};

use crate::adapter::Position;

/// What the first byte of a payload says.
const PACKET: u8 = 0;
/// As `append.lua` of Redis writes it: 32 digits of the epoch, 16 of the offset, the entry.
const ENTRY: u8 = 1;
const ENTRY_HEADER: usize = 1 + 32 + 16;

/// What came over a channel.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::adapter) enum Payload {
    Packet(Bytes),
    Entry(Position, Bytes),
}

impl Payload {
    /// `None` for what no node of ours has sent.
    pub(in crate::adapter) fn parse(bytes: &Bytes) -> Option<Self> {
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

    pub(in crate::adapter) fn of_packet(packet: &Bytes) -> Bytes {
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
    fn payloads_are_told_apart() {
        let packet = Bytes::from_static(b"\x01p");
        assert_eq!(Payload::parse(&Payload::of_packet(&packet)), Some(Payload::Packet(packet)));
        let entry = format!("\x01{:032x}{:016x}entry", 7, 255);
        let position = Position { epoch: Epoch::new(7), offset: 255 };
        assert_eq!(
            Payload::parse(&entry.into()),
            Some(Payload::Entry(position, Bytes::from_static(b"entry")))
        );
        for odd in [&b""[..], b"\x02", b"\x01short", &[1; 60]] {
            assert_eq!(Payload::parse(&Bytes::copy_from_slice(odd)), None);
        }
    }
}
