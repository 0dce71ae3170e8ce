//! What a peer may say, however it is cut, and what fails the connection. Sizes and memory are in
//! `receiver_limit_tests.rs`.

use super::{
    super::peer::{self, KEY},
    *,
};

const ROOMY: Limits = Limits { max_message_size: 1 << 20, max_fragments: 1000 };

fn text(payload: &str) -> Event {
    Event::Message(Message::from(payload))
}

fn binary(payload: &[u8]) -> Event {
    Event::Message(Message::from(payload))
}

fn ping(payload: &'static str) -> Event {
    Event::Ping(Bytes::from(payload))
}

fn pong(payload: &'static str) -> Event {
    Event::Pong(Bytes::from(payload))
}

fn close(code: u16, reason: &str) -> Event {
    Event::Close(Some(CloseFrame::new(code, reason).expect("a code that may travel")))
}

/// What a new receiver makes of bytes that come in one read.
fn received(bytes: &[u8]) -> (Vec<Event>, Option<ProtocolError>) {
    peer::feed(&mut Receiver::new(ROOMY), [bytes])
}

/// The same bytes in one read, in every two reads, and byte by byte make the same.
fn assert_received_however_cut(bytes: &[u8], events: &[Event], error: Option<ProtocolError>) {
    let expected = (events.to_vec(), error);
    assert_eq!(received(bytes), expected, "{bytes:x?} in one read");
    for cut in 1..bytes.len() {
        let (head, tail) = bytes.split_at(cut);
        let got = peer::feed(&mut Receiver::new(ROOMY), [head, tail]);
        assert_eq!(got, expected, "{bytes:x?} cut at {cut}");
    }
    let got = peer::feed(&mut Receiver::new(ROOMY), bytes.chunks(1));
    assert_eq!(got, expected, "{bytes:x?} byte by byte");
}

/// How many bytes it takes, one at a time, until the receiver fails, and with what.
fn fails_after(bytes: &[u8]) -> (usize, ProtocolError) {
    let mut receiver = Receiver::new(ROOMY);
    for (i, byte) in bytes.chunks(1).enumerate() {
        if let (_, Some(error)) = peer::feed(&mut receiver, [byte]) {
            return (i + 1, error);
        }
    }
    panic!("{bytes:x?} is accepted");
}

#[test]
fn whole_messages_arrive_as_they_were_sent() {
    let stream = [peer::text("Hello"), peer::binary(&[0, 0xFF, 1]), peer::text("grüße 🦀")].concat();
    let events = [text("Hello"), binary(&[0, 0xFF, 1]), text("grüße 🦀")];
    assert_received_however_cut(&stream, &events, None);
}

#[test]
fn messages_that_come_together_keep_their_order_whatever_comes_between_them() {
    let (short, long) = ("x".repeat(200), "y".repeat(3000));
    let stream = [
        peer::text("a"),
        peer::text(&short),
        peer::ping("now"),
        peer::binary(b"b"),
        peer::text(&long),
        peer::text("c"),
        peer::text(""),
        peer::first_fragment("d"),
        peer::last_fragment("e"),
        peer::text("f"),
        peer::text("g"),
    ];
    let events =
        [text("a"), text(&short), ping("now"), binary(b"b"), text(&long), text("c"), text(""), text("de")];
    assert_received_however_cut(&stream.concat(), &[&events[..], &[text("f"), text("g")]].concat(), None);
}

#[test]
fn text_that_is_none_fails_behind_the_messages_it_came_with() {
    let stream = [peer::text("a"), peer::frame(true, OpCode::Text, b"\xff"), peer::text("b")].concat();
    assert_eq!(received(&stream), (vec![text("a")], Some(ProtocolError::InvalidUtf8)));
}

#[test]
fn empty_messages_are_messages() {
    let stream = [peer::text(""), peer::binary(b""), peer::first_fragment(""), peer::last_fragment("")];
    assert_received_however_cut(&stream.concat(), &[text(""), binary(b""), text("")], None);
}

#[test]
fn messages_of_every_length_form_arrive_whole() {
    for len in [125, 126, 127, 2048, 2049, 4096, 4097, 0xFFFF, 0x1_0000] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let frame = peer::binary(&payload);
        let expected = (vec![binary(&payload)], None);
        assert_eq!(received(&frame), expected, "{len} bytes");
        for size in [1, 3, 1021] {
            let got = peer::feed(&mut Receiver::new(ROOMY), frame.chunks(size));
            assert!(got == expected, "{len} bytes, {size} at a time");
        }
    }
}

#[test]
fn a_length_in_more_bytes_than_it_needs_is_taken() {
    for form in [126, 127] {
        let stream = [peer::raw(0x81, 0x80 | form, b"Hello"), peer::raw(0x89, 0x80 | form, b"now")].concat();
        assert_received_however_cut(&stream, &[text("Hello"), ping("now")], None);
    }
}

#[test]
fn a_key_of_zeros_is_a_key() {
    let frame = [&[0x82, 0x83, 0, 0, 0, 0][..], &[1, 2, 3]].concat();
    assert_received_however_cut(&frame, &[binary(&[1, 2, 3])], None);
}

#[test]
fn fragments_make_one_message() {
    let stream = [
        peer::first_fragment("Hel"),
        peer::next_fragment(""),
        peer::next_fragment("lo, "),
        peer::last_fragment("world"),
        peer::frame(false, OpCode::Binary, &[0xFF, 0xFE]),
        peer::frame(true, OpCode::Continuation, &[0xFD]),
        peer::text("next"),
    ];
    let events = [text("Hello, world"), binary(&[0xFF, 0xFE, 0xFD]), text("next")];
    assert_received_however_cut(&stream.concat(), &events, None);
}

#[test]
fn a_character_may_be_cut_between_fragments() {
    let stream = [
        peer::frame(false, OpCode::Text, b"\xF0\x9F"),
        peer::ping("now"),
        peer::frame(false, OpCode::Continuation, b"\xA6"),
        peer::frame(true, OpCode::Continuation, b"\x80"),
    ];
    assert_received_however_cut(&stream.concat(), &[ping("now"), text("🦀")], None);
}

#[test]
fn control_frames_between_fragments_leave_the_message_whole() {
    let stream = [
        peer::first_fragment("Hel"),
        peer::ping("now"),
        peer::next_fragment("l"),
        peer::pong(""),
        peer::pong("again"),
        peer::last_fragment("o"),
    ];
    let events = [ping("now"), pong(""), pong("again"), text("Hello")];
    assert_received_however_cut(&stream.concat(), &events, None);
}

#[test]
fn a_close_between_fragments_is_a_close() {
    let stream = [peer::first_fragment("Hel"), peer::close(b"\x03\xE9bye")].concat();
    assert_received_however_cut(&stream, &[close(1001, "bye")], None);
}

#[test]
fn control_frames_may_be_cut_anywhere() {
    let longest = "x".repeat(MAX_CONTROL_PAYLOAD);
    let reason = "x".repeat(MAX_CONTROL_PAYLOAD - 2);
    let full_close = [b"\x0F\xA0", reason.as_bytes()].concat();
    for (frame, event) in [
        (peer::ping(""), ping("")),
        (peer::ping("now"), ping("now")),
        (peer::ping(&longest), Event::Ping(Bytes::from(longest.clone()))),
        (peer::pong(""), pong("")),
        (peer::pong(&longest), Event::Pong(Bytes::from(longest.clone()))),
        (peer::close(b""), Event::Close(None)),
        (peer::close(b"\x03\xE8"), close(1000, "")),
        (peer::close(b"\x03\xF6"), close(1014, "")),
        (peer::close("\x0F\x64grüße".as_bytes()), close(3940, "grüße")),
        (peer::close(&full_close), close(4000, &reason)),
    ] {
        assert_received_however_cut(&frame, &[event], None);
    }
}

#[test]
fn a_ping_holds_any_bytes() {
    let frame = peer::frame(true, OpCode::Ping, &[0xFF, 0xC0, 0]);
    assert_received_however_cut(&frame, &[Event::Ping(Bytes::from_static(&[0xFF, 0xC0, 0]))], None);
}

#[test]
fn what_breaks_the_protocol_fails_the_connection_with_its_code_however_it_is_cut() {
    use ProtocolError::*;
    let long = [b'x'; 126];
    let invalid = |code: u16| (peer::close(&code.to_be_bytes()), InvalidCloseCode(code.into()), 1002);
    for (bytes, error, code) in [
        (peer::raw(0x81 | 0x40, 0x82, b"Hi"), ReservedBits, 1002),
        (peer::raw(0x81 | 0x20, 0x82, b"Hi"), ReservedBits, 1002),
        (peer::raw(0x81 | 0x10, 0x82, b"Hi"), ReservedBits, 1002),
        (peer::raw(0x89 | 0x70, 0x80, b""), ReservedBits, 1002),
        (peer::raw(0x83, 0x80, b""), UnknownOpCode(3), 1002),
        (peer::raw(0x87, 0x80, b""), UnknownOpCode(7), 1002),
        (peer::raw(0x8B, 0x80, b""), UnknownOpCode(11), 1002),
        (peer::raw(0x8F, 0x80, b""), UnknownOpCode(15), 1002),
        (vec![0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], LengthOverflow, 1002),
        (peer::raw(0x81, 2, b"Hi"), Unmasked, 1002),
        (peer::raw(0x82, 0, b""), Unmasked, 1002),
        (peer::raw(0x89, 0, b""), Unmasked, 1002),
        (peer::raw(0x88, 2, b"\x03\xE8"), Unmasked, 1002),
        (peer::frame(false, OpCode::Ping, b""), FragmentedControl, 1002),
        (peer::frame(false, OpCode::Pong, b"now"), FragmentedControl, 1002),
        (peer::frame(false, OpCode::Close, b""), FragmentedControl, 1002),
        (peer::frame(true, OpCode::Ping, &long), OversizedControl, 1002),
        (peer::frame(true, OpCode::Pong, &long), OversizedControl, 1002),
        (peer::close(&[b"\x03\xE8", &long[2..]].concat()), OversizedControl, 1002),
        (peer::announced(true, OpCode::Ping, 1 << 62), OversizedControl, 1002),
        (peer::last_fragment("lo"), UnexpectedContinuation, 1002),
        (peer::next_fragment(""), UnexpectedContinuation, 1002),
        ([peer::first_fragment("Hel"), peer::text("lo")].concat(), UnfinishedMessage, 1002),
        ([peer::first_fragment(""), peer::binary(b"")].concat(), UnfinishedMessage, 1002),
        ([peer::first_fragment("Hel"), peer::first_fragment("lo")].concat(), UnfinishedMessage, 1002),
        (peer::close(b"\x03"), TruncatedCloseCode, 1002),
        invalid(0),
        invalid(999),
        invalid(1004),
        invalid(1005),
        invalid(1006),
        invalid(1015),
        invalid(1016),
        invalid(2999),
        invalid(5000),
        invalid(u16::MAX),
        (peer::close(b"\x03\xE8\xFF"), InvalidUtf8, 1007),
        (peer::close(b"\x03\xE8\xE2\x82"), InvalidUtf8, 1007),
        (peer::frame(true, OpCode::Text, b"Hi\xFF"), InvalidUtf8, 1007),
        (peer::frame(true, OpCode::Text, b"Hi\xE2\x82"), InvalidUtf8, 1007),
        (peer::frame(true, OpCode::Text, b"\xED\xA0\x80"), InvalidUtf8, 1007),
        (peer::frame(false, OpCode::Text, b"\xC0\xAF"), InvalidUtf8, 1007),
        (
            [peer::first_fragment(""), peer::frame(true, OpCode::Continuation, b"\x80")].concat(),
            InvalidUtf8,
            1007,
        ),
        ([peer::frame(false, OpCode::Text, b"\xE2"), peer::last_fragment("x")].concat(), InvalidUtf8, 1007),
        ([peer::frame(false, OpCode::Text, b"\xE2"), peer::last_fragment("")].concat(), InvalidUtf8, 1007),
    ] {
        assert_received_however_cut(&bytes, &[], Some(error));
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(error.close_frame().code(), code, "{error}");
        assert_eq!(error.close_frame().reason(), error.to_string());
    }
}

#[test]
fn what_came_before_a_failure_was_received() {
    let stream = [peer::text("Hello"), peer::ping("now"), peer::last_fragment("lo")].concat();
    let error = ProtocolError::UnexpectedContinuation;
    assert_received_however_cut(&stream, &[text("Hello"), ping("now")], Some(error));
}

#[test]
fn a_message_after_a_whole_one_needs_its_own_beginning() {
    let stream = [peer::first_fragment("a"), peer::last_fragment("b"), peer::last_fragment("c")].concat();
    let error = ProtocolError::UnexpectedContinuation;
    assert_received_however_cut(&stream, &[text("ab")], Some(error));
}

#[test]
fn a_header_fails_before_its_payload_comes() {
    let unknown = peer::raw(0x83, 0x85, b"Hello");
    assert_eq!(fails_after(&unknown), (1, ProtocolError::UnknownOpCode(3)));
    let reserved = peer::raw(0xC1, 0x85, b"Hello");
    assert_eq!(fails_after(&reserved), (1, ProtocolError::ReservedBits));
    let unmasked = peer::raw(0x81, 5, b"Hello");
    assert_eq!(fails_after(&unmasked), (2, ProtocolError::Unmasked));
    let continuation = peer::last_fragment("Hello");
    assert_eq!(fails_after(&continuation), (6, ProtocolError::UnexpectedContinuation));
    let oversized = peer::frame(true, OpCode::Ping, &[0; 126]);
    assert_eq!(fails_after(&oversized), (8, ProtocolError::OversizedControl));
}

// Autobahn 6.4.3 and 6.4.4: one frame, "κόσμε", a character above U+10FFFF, "edited".
#[test]
fn text_fails_at_its_first_bad_byte_within_a_frame() {
    let payload = b"\xCE\xBA\xCF\x8C\xCF\x83\xCE\xBC\xCE\xB5\xF4\x90\x80\x80edited";
    let header = 2 + KEY.len();
    let bad = header + payload.iter().position(|byte| *byte == 0x90).expect("0x90 is in it");
    let frame = peer::frame(true, OpCode::Text, payload);
    assert_eq!(fails_after(&frame), (bad + 1, ProtocolError::InvalidUtf8), "0xF4 alone may go on well");

    let cut_before = peer::feed(&mut Receiver::new(ROOMY), [&frame[..bad]]);
    assert_eq!(cut_before, (vec![], None));
    let cut_after = peer::feed(&mut Receiver::new(ROOMY), [&frame[..=bad]]);
    assert_eq!(cut_after, (vec![], Some(ProtocolError::InvalidUtf8)));
}

// Autobahn 6.4.1 and 6.4.2.
#[test]
fn text_fails_at_its_first_bad_byte_across_fragments() {
    let first = peer::frame(false, OpCode::Text, b"\xCE\xBA\xCF\x8C\xF4");
    let second = peer::frame(false, OpCode::Continuation, b"\x90\x80\x80");
    let stream = [&first[..], &peer::ping("now"), &second, &peer::last_fragment("edited")].concat();
    let bad = first.len() + peer::ping("now").len() + 2 + KEY.len();
    assert_eq!(fails_after(&stream), (bad + 1, ProtocolError::InvalidUtf8));
    assert_eq!(received(&stream[..=bad]), (vec![ping("now")], Some(ProtocolError::InvalidUtf8)));
}

#[test]
fn bytes_that_are_no_text_are_fine_in_a_binary_message() {
    let bytes = b"\xFF\xC0\xED\xA0\x80";
    let stream = [
        peer::binary(bytes),
        peer::frame(false, OpCode::Binary, &bytes[..3]),
        peer::frame(true, OpCode::Continuation, &bytes[3..]),
    ];
    assert_received_however_cut(&stream.concat(), &[binary(bytes), binary(bytes)], None);
}
