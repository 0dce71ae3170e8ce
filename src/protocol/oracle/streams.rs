//! Random streams of frames, most of them valid.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::super::{frame::OpCode, mask};

/// One frame as it is written, well or badly.
#[derive(Debug, Clone)]
struct Written {
    /// FIN, the reserved bits and the opcode.
    first: u8,
    key: Option<[u8; 4]>,
    form: LengthForm,
    /// The length the header tells, where that is not the payload's.
    told: Option<u64>,
    payload: Vec<u8>,
}

/// How a length is written. What is longer than it must be is accepted by both sides.
#[derive(Debug, Clone, Copy)]
enum LengthForm {
    Shortest,
    Two,
    Eight,
}

impl Written {
    fn new(fin: bool, opcode: OpCode, payload: Vec<u8>, (key, form): ([u8; 4], LengthForm)) -> Self {
        let first = u8::from(fin) << 7 | opcode as u8;
        Self { first, key: Some(key), form, told: None, payload }
    }

    fn write(&self, stream: &mut Vec<u8>) {
        let masked = u8::from(self.key.is_some()) << 7;
        let len = self.told.unwrap_or(self.payload.len() as u64);
        stream.push(self.first);
        match self.form {
            LengthForm::Shortest if len < 126 => stream.push(masked | len as u8),
            LengthForm::Shortest | LengthForm::Two if len <= 0xFFFF => {
                stream.push(masked | 126);
                stream.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => {
                stream.push(masked | 127);
                stream.extend_from_slice(&len.to_be_bytes());
            }
        }
        stream.extend_from_slice(self.key.as_ref().map_or(&[], |key| &key[..]));
        let start = stream.len();
        stream.extend_from_slice(&self.payload);
        mask::apply(&mut stream[start..], self.key.unwrap_or_default());
    }
}

fn written(frames: &[Written]) -> Vec<u8> {
    let mut stream = Vec::new();
    frames.iter().for_each(|frame| frame.write(&mut stream));
    stream
}

/// The key and the length form of a frame.
fn dress() -> impl Strategy<Value = ([u8; 4], LengthForm)> {
    let form = prop_oneof![8 => Just(LengthForm::Shortest), 1 => Just(LengthForm::Two), 1 => Just(LengthForm::Eight)];
    (any::<[u8; 4]>(), form)
}

fn ping_or_pong() -> impl Strategy<Value = Written> {
    let opcode = prop_oneof![Just(OpCode::Ping), Just(OpCode::Pong)];
    (opcode, vec(any::<u8>(), 0..=125), dress())
        .prop_map(|(opcode, payload, dress)| Written::new(true, opcode, payload, dress))
}

fn close() -> impl Strategy<Value = Written> {
    let code = prop_oneof![6 => 1000..=1015_u16, 2 => 3000..=4999_u16, 1 => any::<u16>()];
    let with_code = (code, "\\PC{0,40}").prop_map(|(code, reason)| {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        payload.truncate(125);
        payload
    });
    let payload = prop_oneof![8 => with_code, 1 => Just(vec![]), 1 => vec![any::<u8>()]];
    (payload, dress()).prop_map(|(payload, dress)| Written::new(true, OpCode::Close, payload, dress))
}

/// A message's payload of at most `max` bytes, and whether it is text.
fn payload(max: usize) -> impl Strategy<Value = (OpCode, Vec<u8>)> {
    let text = "[a-zé→🦀\\PC]{0,40}".prop_map(|text| (OpCode::Text, text.into_bytes()));
    let sizes = prop_oneof![4 => 0..200_usize, 1 => 0..max, 1 => max - 1..max + 2];
    let long = (sizes, any::<bool>(), any::<u8>()).prop_map(|(len, text, seed)| {
        // Two bytes a character, so that cuts fall within characters.
        let opcode = if text { OpCode::Text } else { OpCode::Binary };
        let byte = |i| if text { [0xC3, 0xA4][i % 2] } else { seed.wrapping_mul(i as u8) };
        (opcode, (0..if text { len / 2 * 2 } else { len }).map(byte).collect())
    });
    prop_oneof![3 => text, 2 => long]
}

/// A message in up to four frames, with control frames between them.
fn message(max: usize) -> impl Strategy<Value = Vec<Written>> {
    let between = prop::option::weighted(0.3, ping_or_pong());
    (payload(max), vec((any::<Index>(), between, dress()), 1..=4)).prop_map(
        |((opcode, payload), mut cuts)| {
            cuts.sort_by_key(|(at, ..)| at.index(payload.len() + 1));
            let (mut frames, mut start) = (Vec::new(), 0);
            for (i, (at, between, dress)) in cuts.iter().enumerate() {
                let last = i + 1 == cuts.len();
                let end = if last { payload.len() } else { at.index(payload.len() + 1) };
                let opcode = if i == 0 { opcode } else { OpCode::Continuation };
                frames.push(Written::new(last, opcode, payload[start..end].to_vec(), *dress));
                frames.extend(between.clone().filter(|_| !last));
                start = end;
            }
            frames
        },
    )
}

/// Something wrong with one frame, most of the time.
#[derive(Debug, Clone)]
enum Fault {
    Bit(u8),
    Unmasked,
    Length(u64),
    Byte(Index, u8),
    Oversized,
    Cut(Index),
    Twice,
    Gone,
}

fn fault() -> impl Strategy<Value = Fault> {
    let length = prop_oneof![0..70_000_u64, (1..63_u32).prop_map(|bits| 1_u64 << bits), any::<u64>()];
    prop_oneof![
        4 => (0..8_u8).prop_map(Fault::Bit),
        1 => Just(Fault::Unmasked),
        2 => length.prop_map(Fault::Length),
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Fault::Byte(at, byte)),
        1 => Just(Fault::Oversized),
        2 => any::<Index>().prop_map(Fault::Cut),
        1 => Just(Fault::Twice),
        2 => Just(Fault::Gone),
    ]
}

impl Fault {
    fn put_into(self, frames: &mut Vec<Written>, at: usize) {
        let frame = &mut frames[at];
        match self {
            Self::Bit(bit) => frame.first ^= 1 << bit,
            Self::Unmasked => frame.key = None,
            Self::Length(len) => frame.told = Some(len),
            Self::Byte(at, byte) if !frame.payload.is_empty() => {
                let at = at.index(frame.payload.len());
                frame.payload[at] = byte;
            }
            Self::Byte(..) => {}
            Self::Oversized => frame.payload.resize(126, b'x'),
            Self::Cut(at) => frame.payload.truncate(at.index(frame.payload.len() + 1)),
            Self::Twice => frames.insert(at, frames[at].clone()),
            Self::Gone => drop(frames.remove(at)),
        }
    }
}

/// A stream of up to `messages` messages and control frames, with a fault in two of five.
pub(super) fn stream(messages: usize, max: usize) -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        8 => message(max),
        2 => ping_or_pong().prop_map(|frame| vec![frame]),
        1 => close().prop_map(|frame| vec![frame]),
    ];
    let fault = prop::option::weighted(0.4, (any::<Index>(), fault()));
    (vec(one, 1..=messages), fault).prop_map(|(frames, fault)| {
        let mut frames = frames.concat();
        if let Some((at, fault)) = fault {
            let at = at.index(frames.len());
            fault.put_into(&mut frames, at);
        }
        written(&frames)
    })
}
