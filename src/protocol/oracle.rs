//! Comparison with tungstenite, which has read frames for ten years: random streams, mostly valid, are
//! given to both, and both must receive the same and fail for the same class of reason.

mod streams;

use std::io::{self, Read, Write};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use tokio_tungstenite::tungstenite::{
    self, Error, WebSocket,
    error::CapacityError,
    protocol::{
        Role, WebSocketConfig,
        frame::{
            FrameHeader,
            coding::{Control, Data, OpCode as TheirOpCode},
        },
    },
};

use super::{
    close::CloseFrame,
    error::ProtocolError,
    frame::{Header, MAX_HEADER, OpCode},
    message::Message,
    peer,
    receiver::{Event, Limits, Receiver},
    text::Text,
};
use streams::stream;

/// The limit for messages, on both sides.
const MAX_MESSAGE: usize = 40_000;

/// tungstenite's limit for one frame; above ours, so that it judges messages and not frames.
const MAX_FRAME: usize = 100_000;

/// What was received, and the close code of the failure, if there was one.
type Outcome = (Vec<Event>, Option<Failure>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Ours(ProtocolError),
    /// A close code: 1002, 1007 or 1009.
    Theirs(u16),
    /// A frame above [`MAX_FRAME`].
    TheirFrameTooBig,
}

/// What our receiver makes of a stream that is read in these chunks, up to a close frame.
fn ours<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let limits = Limits { max_message_size: MAX_MESSAGE, max_fragments: usize::MAX };
    let (mut events, mut error) = peer::feed_in_place(&mut Receiver::new(limits), chunks);
    // What follows a close frame is not read (§1.4); the connection sees to that, as it has to see to
    // the receiver being left alone.
    if let Some(close) = events.iter().position(|event| matches!(event, Event::Close(_))) {
        events.truncate(close + 1);
        error = None;
    }
    (events, error.map(Failure::Ours))
}

/// A socket from which these bytes have come so far; what is written to it is lost.
struct SoFar(Bytes);

impl Read for SoFar {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.split_to(self.0.len().min(buffer.len())) {
            bytes if bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            bytes => bytes.as_ref().read(buffer),
        }
    }
}

impl Write for SoFar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite makes of a stream, in our words.
fn theirs(stream: Vec<u8>) -> Outcome {
    let config = WebSocketConfig::default()
        .read_buffer_size(1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_FRAME));
    let mut socket = WebSocket::from_raw_socket(SoFar(stream.into()), Role::Server, Some(config));
    let mut events = Vec::new();
    let failure = loop {
        match socket.read() {
            Ok(tungstenite::Message::Text(text)) => {
                events.push(Event::Message(Message::Text(Text::from(text.as_str()))));
            }
            Ok(tungstenite::Message::Binary(bytes)) => events.push(Event::Message(Message::Binary(bytes))),
            Ok(tungstenite::Message::Ping(payload)) => events.push(Event::Ping(payload)),
            Ok(tungstenite::Message::Pong(payload)) => events.push(Event::Pong(payload)),
            // A code that may not travel is answered with 1002 and reported as if the peer had sent
            // that: tungstenite does not fail, but what goes over the wire is the same.
            Ok(tungstenite::Message::Close(Some(close))) if close.reason == "Protocol violation" => {
                break Some(Failure::Theirs(1002));
            }
            Ok(tungstenite::Message::Close(close)) => {
                let close = close.map(|close| {
                    let reason = Text::from(close.reason.as_str());
                    CloseFrame::new(u16::from(close.code), reason).expect("a code that may travel")
                });
                events.push(Event::Close(close));
                break None;
            }
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break None,
            Err(Error::Protocol(_)) => break Some(Failure::Theirs(1002)),
            Err(Error::Utf8(_)) => break Some(Failure::Theirs(1007)),
            Err(Error::Capacity(CapacityError::MessageTooLong { max_size: MAX_FRAME, .. })) => {
                break Some(Failure::TheirFrameTooBig);
            }
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => break Some(Failure::Theirs(1009)),
            other => panic!("tungstenite never says this to a server that only reads: {other:?}"),
        }
    };
    (events, failure)
}

/// Whether both sides see the same in the stream, but for where tungstenite is allowed to differ.
fn assert_same(stream: &[u8], ours: &Outcome) -> Result<(), TestCaseError> {
    let mut theirs = theirs(stream.to_vec());
    if ours.1.is_some() && theirs.1.is_none() {
        // We fail at the byte that shows the fault, tungstenite when the frame has come whole: so the
        // rest of the frame comes.
        theirs = self::theirs([stream, &[0; MAX_FRAME]].concat());
    }
    if let (Some(Event::Close(Some(close))), Some(Failure::Theirs(1002))) = (ours.0.last(), theirs.1)
        && close.code() == 1014
    {
        // 1014 was registered with IANA after the RFC; tungstenite does not know it.
        theirs.0.push(Event::Close(Some(close.clone())));
        theirs.1 = None;
    }
    prop_assert_eq!(&ours.0, &theirs.0);
    let same = match (ours.1, theirs.1) {
        (None, None) => true,
        // Two faults in one frame, of which tungstenite sees the other one first: it looks at the length
        // before anything else but the opcode, a length of more than 63 bits being only a large one, ...
        (Some(Failure::Ours(error)), Some(Failure::TheirFrameTooBig)) => {
            error.code() == 1009 || error.code() == 1002
        }
        // ... and at a close frame's reason before its code.
        (Some(Failure::Ours(ProtocolError::InvalidCloseCode(_))), Some(Failure::Theirs(1007))) => true,
        (Some(Failure::Ours(error)), Some(Failure::Theirs(code))) => error.code() == code,
        _ => false,
    };
    prop_assert!(same, "{ours:?} is not {theirs:?}");
    Ok(())
}

/// `stream` in pieces of these sizes, over and over.
fn chunks<'a>(mut stream: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let size = *sizes.next()?;
        let (chunk, rest) = stream.split_at(size.min(stream.len()));
        stream = rest;
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(6000))]

    #[test]
    fn a_stream_cut_at_random_is_what_tungstenite_makes_of_it(
        stream in stream(6, MAX_MESSAGE),
        sizes in prop_oneof![vec(1..50_usize, 1..20), vec(1..5000_usize, 1..20), Just(vec![usize::MAX])],
    ) {
        assert_same(&stream, &ours(chunks(&stream, &sizes)))?;
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_short_stream_cut_anywhere_is_what_tungstenite_makes_of_it(stream in stream(3, 150)) {
        let whole = ours([&stream[..]]);
        assert_same(&stream, &whole)?;
        for cut in 0..=stream.len() {
            let (head, tail) = stream.split_at(cut);
            prop_assert_eq!(&ours([head, tail]), &whole, "cut at {}", cut);
        }
        prop_assert_eq!(&ours(stream.chunks(1)), &whole, "byte by byte");
    }
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn a_header_is_written_as_tungstenite_writes_it(
        len in (any::<u64>(), 0..64_u32).prop_map(|(len, shift)| len >> shift),
        boundary in prop::option::of(prop_oneof![Just(125_u64), Just(126), Just(0xFFFF), Just(0x1_0000)]),
        mask in any::<Option<[u8; 4]>>(),
        is_final in any::<bool>(),
        (opcode, their_opcode) in prop_oneof![
            Just((OpCode::Continuation, TheirOpCode::Data(Data::Continue))),
            Just((OpCode::Text, TheirOpCode::Data(Data::Text))),
            Just((OpCode::Binary, TheirOpCode::Data(Data::Binary))),
            Just((OpCode::Close, TheirOpCode::Control(Control::Close))),
            Just((OpCode::Ping, TheirOpCode::Control(Control::Ping))),
            Just((OpCode::Pong, TheirOpCode::Control(Control::Pong))),
        ],
    ) {
        let len = boundary.unwrap_or(len);
        let mut out = [0; MAX_HEADER];
        let size = Header { fin: is_final, compressed: false, opcode, mask, len }.write(&mut out);
        let mut expected = Vec::new();
        let theirs = FrameHeader { is_final, opcode: their_opcode, mask, ..FrameHeader::default() };
        theirs.format(len, &mut expected).expect("a vector takes it");
        prop_assert_eq!(&out[..size], &expected[..]);
    }
}
