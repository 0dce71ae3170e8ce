//! How events stand in a packet.

use bytes::Bytes;

use crate::{
    adapter::{Epoch, Link, NotHandedOver, Position},
    hub::{Event, EventKind, Preview, Remote, Report},
};

use super::wire::{Sink, Wire, wire};

wire! {
    Event { conn, user, kind }
    Preview { text, len, is_text }
    Report { queued, dropped, disconnected, too_large, closing, remote, position, not_logged }
    Position { epoch, offset }
}

impl Wire for EventKind {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Opened => 0_u8.write(out),
            Self::Closed { code, reason, cause } => {
                1_u8.write(out);
                code.write(out);
                reason.write(out);
                cause.write(out);
            }
            Self::Joined { room, created } => {
                2_u8.write(out);
                room.write(out);
                created.write(out);
            }
            Self::Left { room, emptied } => {
                3_u8.write(out);
                room.write(out);
                emptied.write(out);
            }
            Self::Received(preview) => {
                4_u8.write(out);
                preview.write(out);
            }
            Self::Sent(preview) => {
                5_u8.write(out);
                preview.write(out);
            }
            Self::Broadcast { rooms, preview, report } => {
                6_u8.write(out);
                rooms.write(out);
                preview.write(out);
                report.write(out);
            }
            Self::Link(link) => {
                7_u8.write(out);
                link.write(out);
            }
            Self::Presence { room, online, meta } => {
                8_u8.write(out);
                room.write(out);
                online.write(out);
                meta.write(out);
            }
            Self::NodeCame(node) => {
                9_u8.write(out);
                node.write(out);
            }
            Self::NodeGone(node) => {
                10_u8.write(out);
                node.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        Some(match u8::read(input)? {
            0 => Self::Opened,
            1 => Self::Closed {
                code: Wire::read(input)?,
                reason: Wire::read(input)?,
                cause: Wire::read(input)?,
            },
            2 => Self::Joined { room: Wire::read(input)?, created: Wire::read(input)? },
            3 => Self::Left { room: Wire::read(input)?, emptied: Wire::read(input)? },
            4 => Self::Received(Wire::read(input)?),
            5 => Self::Sent(Wire::read(input)?),
            6 => Self::Broadcast {
                rooms: Wire::read(input)?,
                preview: Wire::read(input)?,
                report: Wire::read(input)?,
            },
            7 => Self::Link(Wire::read(input)?),
            8 => Self::Presence {
                room: Wire::read(input)?,
                online: Wire::read(input)?,
                meta: Wire::read(input)?,
            },
            9 => Self::NodeCame(Wire::read(input)?),
            10 => Self::NodeGone(Wire::read(input)?),
            _ => return None,
        })
    }
}

/// Values without content, each by its place.
macro_rules! places {
    ($($name:ident { $($value:expr),* $(,)? })*) => {$(
        impl Wire for $name {
            fn write(&self, out: &mut dyn Sink) {
                let place = [$($value),*].iter().position(|value| value == self);
                (place.unwrap_or_default() as u8).write(out);
            }

            fn read(input: &mut Bytes) -> Option<Self> {
                [$($value),*].get(usize::from(u8::read(input)?)).copied()
            }
        }
    )*};
}

places! {
    Link { Self::Up, Self::Degraded, Self::Down }
    Remote {
        Self::None,
        Self::HandedOver,
        Self::NotHandedOver(NotHandedOver::Down),
        Self::NotHandedOver(NotHandedOver::Full),
        Self::NotHandedOver(NotHandedOver::TooLarge),
    }
}

impl Wire for Epoch {
    fn write(&self, out: &mut dyn Sink) {
        out.put(&self.as_u128().to_be_bytes());
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        let (high, low): (u64, u64) = Wire::read(input)?;
        Some(Self::new(u128::from(high) << 64 | u128::from(low)))
    }
}
