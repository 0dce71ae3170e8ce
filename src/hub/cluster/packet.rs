//! [`Packet`]: what nodes tell one another.
//!
//! A byte for the version, the sending node, a byte for the kind, and what belongs to it. A node that knows another
//! version leaves the packet and counts it.

use bytes::Bytes;

use crate::{
    adapter::{NodeId, Subject},
    conn::ConnId,
    hub::{
        presence::{Check, Diff, Member, Snapshot},
        target::To,
    },
    protocol::{close::CloseFrame, message::Message},
};

use super::{
    ask::{Answer, Question},
    wire::{MAX_ITEMS, Sink, Wire, wire, write_list, write_text},
};

/// The version that this build writes, and the only one that it reads.
const VERSION: u8 = 1;

const DEED: u8 = 0;

/// The longest packet that is sent or looked at. Engines may take less.
pub(in crate::hub) const MAX_PACKET: usize = 16 * 1024 * 1024;

/// What nodes tell one another.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Packet {
    Deed(Deed),
    Beat(Beat),
    /// The sender goes.
    Bye,
    /// With a number that its answers carry.
    Question(u64, Question),
    Answer(u64, Answer),
    /// One of the sender's members has come or gone.
    Diff(Diff),
    /// The sender's members in a room.
    Snapshot(Snapshot),
    /// What the sender knows of the members of others.
    Check(Vec<Check>),
}

/// A node is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::hub) struct Beat {
    /// It is new here, or may have missed something: it wants to hear from everybody.
    pub(in crate::hub) hello: bool,
    /// It only asks and sends: it is not counted among the nodes.
    pub(in crate::hub) quiet: bool,
}

/// Something that is to be done to connections, wherever they are.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Deed {
    /// Rises with each deed of a node, so that one that comes for several rooms is done once.
    pub(in crate::hub) serial: u64,
    pub(in crate::hub) to: To,
    pub(in crate::hub) except: Vec<ConnId>,
    pub(in crate::hub) act: Act,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Act {
    /// A message, and the same one for those who speak another subprotocol.
    Send {
        message: Message,
        other: Option<(String, Message)>,
    },
    Close(CloseFrame),
    Join(Box<str>),
    Leave(Box<str>),
}

/// Why a packet was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Undecodable {
    /// It has another version.
    Version(u8),
    /// It is no packet, or too long.
    Malformed,
}

/// The bytes of a packet, in one allocation; `None` if they are too many.
pub(in crate::hub) fn encode(node: NodeId, packet: &Packet) -> Option<Bytes> {
    build(|out| {
        VERSION.write(out);
        node.write(out);
        packet.write(out);
    })
}

/// As [`encode`] for a deed, of which nothing need be copied.
pub(in crate::hub) fn encode_deed(
    node: NodeId,
    serial: u64,
    to: &To,
    except: &[ConnId],
    act: &Act,
) -> Option<Bytes> {
    if except.len() > MAX_ITEMS {
        return None;
    }
    build(|out| {
        VERSION.write(out);
        node.write(out);
        DEED.write(out);
        serial.write(out);
        to.write(out);
        write_list(except, out);
        act.write(out);
    })
}

fn build(write: impl Fn(&mut dyn Sink)) -> Option<Bytes> {
    let mut len = 0;
    write(&mut len);
    if len > MAX_PACKET {
        return None;
    }
    let mut bytes = Vec::with_capacity(len);
    write(&mut bytes);
    Some(bytes.into())
}

/// The packet, and who has sent it.
pub(in crate::hub) fn decode(mut bytes: Bytes) -> Result<(NodeId, Packet), Undecodable> {
    match bytes.first() {
        Some(&version) if version != VERSION => return Err(Undecodable::Version(version)),
        _ if bytes.len() > MAX_PACKET => return Err(Undecodable::Malformed),
        _ => {}
    }
    let read = u8::read(&mut bytes).and_then(|_version| Wire::read(&mut bytes));
    read.filter(|_| bytes.is_empty()).ok_or(Undecodable::Malformed)
}

impl Wire for Packet {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Deed(deed) => {
                DEED.write(out);
                deed.write(out);
            }
            Self::Beat(beat) => {
                1_u8.write(out);
                beat.write(out);
            }
            Self::Bye => 2_u8.write(out),
            Self::Question(id, question) => {
                3_u8.write(out);
                id.write(out);
                question.write(out);
            }
            Self::Answer(id, answer) => {
                4_u8.write(out);
                id.write(out);
                answer.write(out);
            }
            Self::Diff(diff) => {
                5_u8.write(out);
                diff.write(out);
            }
            Self::Snapshot(snapshot) => {
                6_u8.write(out);
                snapshot.write(out);
            }
            Self::Check(checks) => {
                7_u8.write(out);
                checks.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            DEED => Deed::read(input).map(Self::Deed),
            1 => Beat::read(input).map(Self::Beat),
            2 => Some(Self::Bye),
            3 => Some(Self::Question(Wire::read(input)?, Wire::read(input)?)),
            4 => Some(Self::Answer(Wire::read(input)?, Wire::read(input)?)),
            5 => Diff::read(input).map(Self::Diff),
            6 => Snapshot::read(input).map(Self::Snapshot),
            7 => Wire::read(input).map(Self::Check),
            _ => None,
        }
    }
}

wire! {
    Deed { serial, to, except, act }
    Beat { hello, quiet }
    Member { user, meta }
    Diff { room, prev, version, id, came }
    Snapshot { room, version, part, last, members }
    Check { room, known }
}

impl Wire for Act {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Send { message, other } => {
                0_u8.write(out);
                message.write(out);
                other.write(out);
            }
            Self::Close(frame) => {
                1_u8.write(out);
                frame.write(out);
            }
            Self::Join(room) => {
                2_u8.write(out);
                room.write(out);
            }
            Self::Leave(room) => {
                3_u8.write(out);
                room.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            0 => Some(Self::Send { message: Wire::read(input)?, other: Wire::read(input)? }),
            1 => CloseFrame::read(input).map(Self::Close),
            2 => Wire::read(input).map(Self::Join),
            3 => Wire::read(input).map(Self::Leave),
            _ => None,
        }
    }
}

impl Wire for To {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Everybody => 0_u8.write(out),
            Self::Rooms(rooms) => {
                1_u8.write(out);
                rooms.len().write(out);
                rooms.iter().for_each(|room| write_text(room.name(), out));
            }
            Self::User(user) => {
                2_u8.write(out);
                write_text(user.name(), out);
            }
            Self::Conn(id) => {
                3_u8.write(out);
                id.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            0 => Some(Self::Everybody),
            1 => {
                let names: Vec<Box<str>> = Wire::read(input)?;
                Some(Self::Rooms(names.into_iter().map(Subject::Room).collect()))
            }
            2 => Some(Self::User(Subject::User(Wire::read(input)?))),
            3 => ConnId::read(input).map(Self::Conn),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
