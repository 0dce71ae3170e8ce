//! What is sent, read by an inflater of another make; and what is received, made by zlib in every way there is.

use bytes::Bytes;
use flate2::{Compress, Compression as Level, FlushCompress, Status};
use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};
use proptest::{collection::vec, prelude::*};

use super::{reference_tests::inflate, *};
use crate::protocol::{
    encoded::Encoded,
    error::ProtocolError,
    frame::{Header, OpCode},
    message::Message,
    peer,
    receiver::{Event, Limits, Receiver},
};

const MAX: usize = 200_000;

fn agreed(offer: &str, options: Compression) -> Agreed {
    let mut headers = HeaderMap::new();
    headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::try_from(offer).expect("a value"));
    offered(&headers).ok().flatten().expect("an offer").agree(&options)
}

fn both() -> Compression {
    Compression::new().server_context_takeover(true).client_context_takeover(true).min_size(0)
}

fn receiver(max_message_size: usize, takeover: bool) -> Receiver {
    let agreed = agreed("permessage-deflate", Compression::new().client_context_takeover(takeover));
    let limits = Limits { max_message_size, max_fragments: usize::MAX };
    Receiver::new(limits).inflating(Some(Inflater::new(&agreed)))
}

/// One frame of a client, compressed or the continuation of one.
fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = peer::frame(fin, opcode, payload);
    if opcode != OpCode::Continuation {
        frame[0] |= 0x40;
    }
    frame
}

fn text(payload: &[u8]) -> Vec<u8> {
    frame(true, OpCode::Text, payload)
}

/// What a receiver makes of it, in one piece and byte by byte, which has to be the same.
fn received(takeover: bool, bytes: &[u8]) -> Result<Vec<Message>, ProtocolError> {
    let whole = peer::feed_in_place(&mut receiver(MAX, takeover), [bytes]);
    let cut = peer::feed_in_place(&mut receiver(MAX, takeover), bytes.chunks(1));
    assert_eq!(cut, whole, "byte by byte");
    messages(whole)
}

fn messages((events, error): (Vec<Event>, Option<ProtocolError>)) -> Result<Vec<Message>, ProtocolError> {
    let message = |event| match event {
        Event::Message(message) => Some(message),
        _ => None,
    };
    match error {
        None => Ok(events.into_iter().filter_map(message).collect()),
        Some(error) => Err(error),
    }
}

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn the_examples_of_the_rfc_are_received() {
    let hello = |bytes: &[u8]| assert_eq!(received(false, bytes), Ok(vec!["Hello".into()]));
    // §7.2.3.1, in one frame and in two.
    hello(&text(&HELLO));
    hello(
        &[frame(false, OpCode::Text, &HELLO[..3]), frame(true, OpCode::Continuation, &HELLO[3..])].concat(),
    );
    // §7.2.3.3: a block that is not compressed.
    hello(&text(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]));
    // §7.2.3.4: a final block.
    hello(&text(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]));
    // §7.2.3.5: two blocks.
    hello(&text(&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]));
    // §7.2.3.6: nothing.
    assert_eq!(received(false, &text(&[0x00])), Ok(vec!["".into()]));
}

#[test]
fn a_message_refers_to_the_one_before_it_only_with_context_takeover() {
    // §7.2.3.2.
    let twice = [text(&HELLO), text(&[0xf2, 0x00, 0x11, 0x00, 0x00])].concat();
    assert_eq!(received(true, &twice), Ok(vec!["Hello".into(), "Hello".into()]));
    assert_eq!(received(false, &twice), Err(ProtocolError::InvalidDeflate));
}

#[test]
fn a_message_may_come_as_it_is_and_changes_no_context() {
    let between = [text(&HELLO), peer::text("plain"), text(&[0xf2, 0x00, 0x11, 0x00, 0x00])].concat();
    assert_eq!(received(true, &between), Ok(vec!["Hello".into(), "plain".into(), "Hello".into()]));
}

#[test]
fn a_final_block_may_end_a_message_or_be_followed_by_others() {
    let last = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..];
    for takeover in [false, true] {
        // Without the empty block that should follow it, and that no zlib would miss.
        let ends = [text(last), text(&HELLO)].concat();
        assert_eq!(received(takeover, &ends), Ok(vec!["Hello".into(), "Hello".into()]));
        let twice = text(&[last, last, &HELLO].concat());
        assert_eq!(received(takeover, &twice), Ok(vec!["HelloHelloHello".into()]));
        let empty = text(&[0x01, 0x00, 0x00, 0xff, 0xff, 0x00]);
        assert_eq!(received(takeover, &empty), Ok(vec!["".into()]));
    }
}

#[test]
fn the_bit_of_compression_fails_everywhere_but_at_a_message() {
    let reserved = Err(ProtocolError::ReservedBits);
    let mut continuation = frame(true, OpCode::Continuation, &HELLO[3..]);
    continuation[0] |= 0x40;
    assert_eq!(received(false, &[frame(false, OpCode::Text, &HELLO[..3]), continuation].concat()), reserved);
    for opcode in [OpCode::Ping, OpCode::Pong, OpCode::Close] {
        let mut control = peer::frame(true, opcode, b"");
        control[0] |= 0x40;
        assert_eq!(received(false, &control), reserved);
    }
    let limits = Limits { max_message_size: MAX, max_fragments: 9 };
    let (events, error) = peer::feed(&mut Receiver::new(limits), [&text(&HELLO)[..]]);
    assert_eq!((events, error), (vec![], Some(ProtocolError::ReservedBits)), "it was not negotiated");
}

#[test]
fn a_ping_between_compressed_fragments_leaves_the_message_whole() {
    let bytes = [
        frame(false, OpCode::Text, &HELLO[..2]),
        peer::ping("now"),
        frame(false, OpCode::Continuation, b""),
        frame(true, OpCode::Continuation, &HELLO[2..]),
    ];
    let (events, error) = peer::feed(&mut receiver(MAX, false), [&bytes.concat()[..]]);
    assert_eq!(error, None);
    assert_eq!(events, [Event::Ping(Bytes::from_static(b"now")), Event::Message("Hello".into())]);
}

#[test]
fn what_deflate_never_makes_fails_the_connection_with_1007() {
    for bad in [&[0x07][..], &[0x00, 0x05, 0x00, 0x00, 0x00], &[0xff; 20], b"Hello, world"] {
        let error = received(false, &text(bad)).expect_err("an error");
        assert_eq!(error, ProtocolError::InvalidDeflate);
        assert_eq!(error.code().as_u16(), 1007);
    }
}

#[test]
fn text_is_checked_after_it_is_inflated() {
    let mut zlib = Zlib::new(6, 15);
    let payload = zlib.message(b"fine \xff not", &[]);
    assert_eq!(received(false, &text(&payload)), Err(ProtocolError::InvalidUtf8));
    let binary = frame(true, OpCode::Binary, &payload);
    assert_eq!(received(false, &binary), Ok(vec![Message::from(&b"fine \xff not"[..])]));
}

#[test]
fn the_limit_of_a_message_is_for_what_is_inflated_to_the_byte() {
    const LIMIT: usize = 70_000;
    for (len, fine) in [(LIMIT, true), (LIMIT + 1, false), (50 * LIMIT, false)] {
        let payload = Zlib::new(9, 15).message(&vec![b'a'; len], &[]);
        assert!(payload.len() < LIMIT);
        let in_two = [
            frame(false, OpCode::Binary, &payload[..payload.len() / 2]),
            frame(true, OpCode::Continuation, &payload[payload.len() / 2..]),
        ];
        for bytes in [frame(true, OpCode::Binary, &payload), in_two.concat()] {
            for size in [1, 7, 1000, usize::MAX] {
                let got = messages(peer::feed_in_place(&mut receiver(LIMIT, false), bytes.chunks(size)));
                let expected = Err(ProtocolError::MessageTooBig { limit: LIMIT });
                assert_eq!(got.map(|all| all[0].len()), if fine { Ok(len) } else { expected });
            }
        }
    }
}

#[test]
fn what_does_not_compress_may_take_more_than_the_limit_on_the_wire() {
    let content: Vec<u8> = noise().take(60_000).collect();
    let payload = Zlib::new(6, 15).message(&content, &[]);
    assert!(payload.len() > content.len());
    let bytes = frame(true, OpCode::Binary, &payload);
    let got = messages(peer::feed_in_place(&mut receiver(content.len(), false), [&bytes[..]]));
    assert_eq!(got, Ok(vec![Message::from(content)]));
}

fn noise() -> impl Iterator<Item = u8> {
    std::iter::successors(Some(1_u64), |x| {
        let x = x ^ (x << 13);
        let x = x ^ (x >> 7);
        Some(x ^ (x << 17))
    })
    .map(|x| x as u8)
}

/// A client's compressor.
struct Zlib(Compress);

impl Zlib {
    fn new(level: u32, window_bits: u8) -> Self {
        Self(Compress::new_with_window_bits(Level::new(level), false, window_bits))
    }

    /// A message, flushed at these places in this way too.
    fn message(&mut self, content: &[u8], flushes: &[(usize, FlushCompress)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut done = 0;
        for (at, flush) in flushes.iter().copied().chain([(content.len(), FlushCompress::Sync)]) {
            let at = at.clamp(done, content.len());
            self.push(&content[done..at], flush, &mut out);
            done = at;
        }
        match out.strip_suffix(&TAIL) {
            Some(payload) => payload.to_vec(),
            // There was nothing left to flush.
            None => [&out[..], &[0]].concat(),
        }
    }

    fn push(&mut self, mut piece: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
        loop {
            out.reserve(1000);
            let before = self.0.total_in();
            let status = self.0.compress_vec(piece, out, flush).expect("a stream that has not ended");
            piece = &piece[(self.0.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                // What follows begins anew.
                self.0.reset();
                return;
            }
            if piece.is_empty() && out.len() < out.capacity() && !matches!(flush, FlushCompress::Finish) {
                return;
            }
        }
    }
}

/// Words, numbers and noise, so that there is something to refer to, near and far.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop_oneof![Just("alpha"), Just("{\"id\":"), Just("gustnado "), Just("\u{1F32A}")].prop_map(|w| w.as_bytes().to_vec()),
        2 => (0..50_u32).prop_map(|number| number.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..40),
        1 => (any::<u8>(), 0..2000_usize).prop_map(|(byte, times)| [byte].repeat(times)),
        1 => (0..300_usize).prop_map(|times| "far away ".repeat(times).into_bytes()),
    ];
    vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn flush() -> impl Strategy<Value = FlushCompress> {
    prop_oneof![
        Just(FlushCompress::None),
        Just(FlushCompress::Partial),
        Just(FlushCompress::Sync),
        Just(FlushCompress::Full),
        Just(FlushCompress::Finish),
    ]
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn what_is_sent_is_inflated_by_the_letter_and_refers_no_farther_than_was_agreed(
        contents in vec(content(), 1..5),
        level in 1..10_u8,
        bits in 9..16_u8,
        takeover in any::<bool>(),
    ) {
        let offer = format!("permessage-deflate; server_max_window_bits={bits}");
        let options = both().level(level).server_context_takeover(takeover);
        let agreed = agreed(&offer, options);
        let mut compressor = Compressor::with_context(agreed.outgoing());
        let mut history = Vec::new();
        for content in contents.into_iter().filter(|content| !content.is_empty()) {
            let payload = if takeover {
                let mut out = Vec::new();
                compressor.message(content.chunks(700), &mut out);
                out
            } else {
                let message = Message::from(content.clone());
                let mut encoded = Encoded::new(&message);
                prop_assert!(encoded.compress(agreed.outgoing()));
                prop_assert!(!encoded.compress(agreed.outgoing()), "once");
                let frame = encoded.frame(Some(agreed.outgoing()));
                let (header, _) = Header::parse(frame.header(), true).unwrap().unwrap();
                prop_assert_eq!(header.len, frame.payload().len() as u64);
                if !header.compressed {
                    prop_assert_eq!(frame.payload(), &content, "it would not become smaller");
                    continue;
                }
                prop_assert!(frame.payload().len() < content.len());
                frame.payload().to_vec()
            };
            let (inflated, farthest) = inflate(&payload, &history);
            prop_assert_eq!(&inflated, &content);
            prop_assert!(farthest <= 1 << bits, "{} back", farthest);
            if takeover {
                history.extend(inflated);
            }
        }
    }

    #[test]
    fn whatever_zlib_sends_is_received_however_it_is_flushed_fragmented_and_cut(
        messages_ in vec((content(), vec((any::<prop::sample::Index>(), flush()), 0..4), vec(any::<prop::sample::Index>(), 0..4)), 1..5),
        level in 0..10_u32,
        bits in 9..16_u8,
        takeover in any::<bool>(),
        sizes in prop_oneof![vec(1..50_usize, 1..10), vec(1..30_000_usize, 1..10)],
    ) {
        let mut zlib = Zlib::new(level, bits);
        let mut bytes = Vec::new();
        for (content, flushes, cuts) in &messages_ {
            if !takeover {
                zlib = Zlib::new(level, bits);
            }
            let mut flushes: Vec<_> =
                flushes.iter().map(|(at, flush)| (at.index(content.len() + 1), *flush)).collect();
            flushes.sort_by_key(|(at, _)| *at);
            let payload = zlib.message(content, &flushes);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            cuts.sort_unstable();
            let mut from = 0;
            for (nth, cut) in cuts.iter().copied().chain([payload.len()]).enumerate() {
                let opcode = if nth == 0 { OpCode::Binary } else { OpCode::Continuation };
                bytes.extend(frame(nth == cuts.len(), opcode, &payload[from..cut]));
                from = cut;
            }
        }
        let mut sizes = sizes.iter().cycle();
        let mut rest = &bytes[..];
        let chunks = std::iter::from_fn(|| {
            let (chunk, after) = rest.split_at((*sizes.next()?).min(rest.len()));
            rest = after;
            (!chunk.is_empty()).then_some(chunk)
        });
        let got = messages(peer::feed_in_place(&mut receiver(MAX, takeover), chunks));
        let expected: Vec<_> = messages_.iter().map(|(content, ..)| Message::from(&content[..])).collect();
        prop_assert_eq!(got, Ok(expected));
    }

    #[test]
    fn no_bytes_make_the_receiver_panic_or_keep_more_than_the_limit(
        pieces in vec(vec(any::<u8>(), 0..300), 1..6),
        takeover in any::<bool>(),
    ) {
        let mut receiver = receiver(1000, takeover);
        for piece in &pieces {
            let (events, error) = peer::feed(&mut receiver, [&frame(true, OpCode::Binary, piece)[..]]);
            for event in events {
                let Event::Message(message) = event else { panic!("{event:?}") };
                prop_assert!(message.len() <= 1000);
            }
            if error.is_some() {
                break;
            }
        }
    }
}
