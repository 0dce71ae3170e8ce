//! How much a peer may make us keep: limits, allocations that messages share, buffers filled in place.

use super::{super::peer, *};

fn limited(max_message_size: usize, max_fragments: usize) -> Receiver {
    Receiver::new(Limits { max_message_size, max_fragments })
}

fn error(receiver: &mut Receiver, bytes: &[u8]) -> Option<ProtocolError> {
    peer::feed(receiver, [bytes]).1
}

fn messages(receiver: &mut Receiver, bytes: &[u8]) -> Vec<Bytes> {
    let (events, error) = peer::feed(receiver, [bytes]);
    assert_eq!(error, None);
    let payload = |event| match event {
        Event::Message(message) => message.into_bytes(),
        other => panic!("{other:?} is no message"),
    };
    events.into_iter().map(payload).collect()
}

fn too_big(limit: usize) -> Option<ProtocolError> {
    Some(ProtocolError::MessageTooBig { limit })
}

fn is_idle(receiver: &Receiver) -> bool {
    receiver.header_len == 0
        && receiver.frame.is_none()
        && receiver.message.is_none()
        && receiver.control.is_none()
}

/// How many bytes stay allocated for `bytes`, of whose allocation nothing else is kept.
fn pinned(bytes: Bytes) -> usize {
    let mut own = bytes.try_into_mut().expect("nobody else holds a part of it");
    let len = own.len();
    (len..64 * 1024).rev().find(|size| own.try_reclaim(size - len)).expect("at least itself")
}

#[test]
fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    for limit in [1, 10, 125, 126, 5000] {
        let payload = "x".repeat(limit + 1);
        for split in [0, 1, limit] {
            let mut receiver = limited(limit, 2);
            let (head, tail) = payload[..limit].split_at(split);
            let fits = [peer::text(&payload[..limit]), peer::first_fragment(head), peer::last_fragment(tail)];
            assert_eq!(messages(&mut receiver, &fits.concat()), [&payload[..limit]; 2]);

            assert_eq!(error(&mut limited(limit, 2), &peer::text(&payload)), too_big(limit));
            let (head, tail) = payload.split_at(split);
            let over = [peer::first_fragment(head), peer::last_fragment(tail)].concat();
            assert_eq!(error(&mut receiver, &over), too_big(limit));
        }
    }
}

#[test]
fn a_message_too_big_closes_with_1009() {
    assert_eq!(ProtocolError::MessageTooBig { limit: 1 }.code(), 1009);
    assert_eq!(ProtocolError::TooManyFragments { limit: 1 }.code(), 1009);
}

#[test]
fn a_large_message_is_refused_at_its_header_before_memory_is_reserved() {
    for len in [11, 1 << 32, 1 << 62, i64::MAX as u64] {
        let mut receiver = limited(10, 2);
        assert_eq!(error(&mut receiver, &peer::announced(true, OpCode::Binary, len)), too_big(10), "{len}");
        assert!(is_idle(&receiver), "{len}");

        let mut receiver = limited(10, 2);
        let rest = peer::announced(true, OpCode::Continuation, len);
        let stream = [peer::first_fragment("Hello"), rest].concat();
        assert_eq!(error(&mut receiver, &stream), too_big(10), "{len} after five bytes");
        let kept = receiver.message.expect("the fragment").data.capacity();
        assert!(kept <= 10, "{kept} bytes are kept of five");
    }
}

#[test]
fn an_announced_message_is_given_room_once_and_no_more_than_it_needs() {
    let mut receiver = limited(1 << 20, 2);
    assert_eq!(error(&mut receiver, &peer::announced(true, OpCode::Binary, 1000)), None);
    let room = |receiver: &Receiver| receiver.message.as_ref().expect("it has begun").data.capacity();
    assert_eq!(room(&receiver), 1000);
    for chunk in [0; 999].chunks(10) {
        assert_eq!(error(&mut receiver, chunk), None);
        assert_eq!(room(&receiver), 1000);
    }
    assert_eq!(messages(&mut receiver, &[0])[0].len(), 1000);
}

#[test]
fn a_limit_of_zero_lets_only_empty_messages_through() {
    let mut receiver = limited(0, 2);
    let stream = [peer::text(""), peer::first_fragment(""), peer::last_fragment("")].concat();
    assert_eq!(messages(&mut receiver, &stream), [""; 2]);
    assert_eq!(error(&mut receiver, &peer::ping("pings are no messages")), None);
    assert_eq!(error(&mut receiver, &peer::binary(b"x")), too_big(0));
}

#[test]
fn empty_fragments_count_as_fragments() {
    let mut receiver = limited(10, 3);
    let three = [peer::first_fragment(""), peer::next_fragment(""), peer::ping(""), peer::last_fragment("x")];
    for _ in 0..2 {
        let (events, error) = peer::feed(&mut receiver, [&three.concat()[..]]);
        assert_eq!(error, None, "three are allowed, and the ping is none of them");
        assert_eq!(events, [Event::Ping(Bytes::new()), Event::Message(Message::from("x"))]);
    }
    let begun = [peer::first_fragment(""), peer::next_fragment(""), peer::next_fragment("")].concat();
    assert_eq!(error(&mut receiver, &begun), None);
    let too_many = Some(ProtocolError::TooManyFragments { limit: 3 });
    assert_eq!(error(&mut receiver, &peer::last_fragment("")), too_many);
}

#[test]
fn one_fragment_at_most_means_whole_messages_only() {
    let mut receiver = limited(10, 1);
    assert_eq!(messages(&mut receiver, &[peer::text("a"), peer::text("b")].concat()), ["a", "b"]);
    assert_eq!(error(&mut receiver, &peer::first_fragment("a")), None);
    let too_many = Some(ProtocolError::TooManyFragments { limit: 1 });
    assert_eq!(error(&mut receiver, &peer::last_fragment("b")), too_many);
}

#[test]
fn new_limits_apply_to_the_next_header() {
    let small = Limits { max_message_size: 3, max_fragments: 1 };
    let mut receiver = limited(10, 2);
    let frame = peer::text("Hello");
    assert_eq!(messages(&mut receiver, &frame[..8]), [""; 0]);
    receiver.set_limits(small);
    assert_eq!(messages(&mut receiver, &frame[8..]), ["Hello"], "its header came before");
    assert_eq!(error(&mut receiver, &frame), too_big(3));

    let mut receiver = Receiver::new(small);
    assert_eq!(messages(&mut receiver, &peer::text("abc")), ["abc"]);
    receiver.set_limits(Limits { max_message_size: 5, max_fragments: 2 });
    let stream = [peer::text("Hello"), peer::first_fragment("Hel"), peer::last_fragment("lo")].concat();
    assert_eq!(messages(&mut receiver, &stream), ["Hello"; 2]);
}

#[test]
fn a_message_that_is_already_over_a_new_limit_fails_at_its_next_fragment() {
    let mut receiver = limited(10, 5);
    assert_eq!(error(&mut receiver, &peer::first_fragment("Hello")), None);
    receiver.set_limits(Limits { max_message_size: 3, max_fragments: 5 });
    assert_eq!(error(&mut receiver, &peer::last_fragment("x")), too_big(3));
}

#[test]
fn messages_that_share_an_allocation_hold_their_own_bytes() {
    let payload = |i: usize| format!("{i}:").repeat(i % 40 + 1);
    let stream: Vec<u8> = (0..1000).flat_map(|i| peer::text(&payload(i))).collect();
    for read in [1, 7, 64, 4096, stream.len()] {
        let mut receiver = limited(1000, 1);
        let kept: Vec<Bytes> = stream.chunks(read).flat_map(|read| messages(&mut receiver, read)).collect();
        assert_eq!(kept.len(), 1000);
        for (i, message) in kept.iter().enumerate() {
            assert_eq!(message, &payload(i), "message {i}, {read} bytes at a time");
        }
        let mut places: Vec<_> = kept.iter().map(|message| message.as_ptr_range()).collect();
        places.sort_by_key(|place| place.start);
        assert!(places.windows(2).all(|pair| pair[0].end <= pair[1].start), "no byte is in two messages");
    }
}

#[test]
fn a_small_message_that_is_kept_pins_no_more_than_four_kibibytes() {
    let stream = peer::binary(&[7; 100]).repeat(1000);
    let pinned_by = |place| {
        let mut receiver = limited(100, 1);
        let kept = messages(&mut receiver, &stream).swap_remove(place);
        pinned(kept)
    };
    // 38 fit into one allocation: every place in one is looked at, and the last of all.
    let pinned: Vec<usize> = (0..45).chain([999]).map(pinned_by).collect();
    assert!(pinned.iter().all(|&size| size <= 4096), "{pinned:?}");
    assert!(pinned.contains(&(38 * 106)), "or an allocation is made for each: {pinned:?}");
}

#[test]
fn a_message_that_came_alone_pins_only_itself() {
    for len in [1, 100, 2048, 2049, 5000] {
        let mut receiver = limited(5000, 1);
        let message = messages(&mut receiver, &peer::binary(&vec![7; len])).remove(0);
        assert_eq!(pinned(message), len);
        assert!(receiver.batch.is_empty(), "{len} bytes");
    }
}

#[test]
fn nothing_is_kept_once_everything_was_consumed() {
    let stream = [
        peer::text("Hello"),
        peer::first_fragment("Hel"),
        peer::ping("now"),
        peer::last_fragment("lo"),
        peer::binary(&[0; 20_000]),
        peer::pong(&"x".repeat(125)),
        peer::text(""),
    ]
    .concat();
    for read in [1, 2, 13, 5000, stream.len()] {
        let mut receiver = limited(1 << 20, 10);
        let (events, error) = peer::feed_in_place(&mut receiver, stream.chunks(read));
        assert_eq!((events.len(), error), (6, None));
        assert!(is_idle(&receiver) && receiver.batch.is_empty(), "{read} bytes at a time: {receiver:?}");
    }
}

#[test]
fn messages_that_come_together_are_each_held_to_the_limit_in_their_turn() {
    for (sizes, fit) in [([5, 10, 11, 5], 2), ([11, 5, 5, 5], 0), ([5, 5, 5, 11], 3)] {
        let stream: Vec<u8> = sizes.iter().flat_map(|&size| peer::binary(&vec![7; size])).collect();
        let (events, error) = peer::feed(&mut limited(10, 1), [&stream[..]]);
        assert_eq!((events.len(), error), (fit, too_big(10)), "{sizes:?}");
    }
}

#[test]
fn filling_in_place_gives_what_feeding_gives_at_odd_cuts() {
    let payload = "aé→🦀".repeat(5000);
    let (head, tail) = payload.as_bytes().split_at(20_003);
    let stream = [
        peer::text(&payload),
        peer::frame(false, OpCode::Text, head),
        peer::ping("now"),
        peer::frame(true, OpCode::Continuation, tail),
        peer::binary(payload.as_bytes()),
    ]
    .concat();
    let expected = peer::feed(&mut limited(1 << 20, 10), [&stream[..]]);
    assert_eq!((expected.0.len(), expected.1), (4, None));
    for first in 0..20 {
        for read in [999, 4097, 16_383, 1 << 16] {
            let (start, rest) = stream.split_at(first);
            let chunks = std::iter::once(start).chain(rest.chunks(read));
            let got = peer::feed_in_place(&mut limited(1 << 20, 10), chunks);
            assert!(got == expected, "{first} bytes, then {read} at a time");
        }
    }
}

#[test]
fn a_large_message_after_a_large_one_stays_where_it_was_read() {
    let large = |len: usize| peer::binary(&vec![7; len]);
    let mut receiver = limited(1 << 20, 2);
    assert!(receiver.expected().is_none());
    assert_eq!(messages(&mut receiver, &large(50_000))[0].len(), 50_000);
    for len in [50_000, 20_000, 60_000] {
        let frame = large(len);
        let mut buffer = receiver.expected().expect("the last one was large");
        let place = buffer.as_ptr() as usize;
        let (piece, rest) = frame.split_at(buffer.capacity().min(frame.len()));
        buffer.extend_from_slice(piece);
        let event = receiver.adopt(&mut buffer).expect("it is in order");
        assert!(buffer.is_empty(), "{len} bytes are taken over");
        let event = event.or_else(|| peer::feed_in_place(&mut receiver, [rest]).0.pop());
        let Some(Event::Message(message)) = event else { panic!("no message of {len} bytes") };
        assert_eq!(message, Message::from(vec![7; len]));
        let moved = (message.as_bytes().as_ptr() as usize).wrapping_sub(place);
        // A larger one may have to move.
        assert!(moved <= MAX_HEADER || len == 60_000, "{len} bytes");
    }
}

#[test]
fn what_is_not_the_large_message_that_was_expected_is_left_and_expected_no_more() {
    for stream in [peer::text("a").repeat(3), peer::ping("now"), peer::first_fragment("a"), vec![0x82]] {
        let mut receiver = limited(1 << 20, 2);
        messages(&mut receiver, &peer::binary(&[7; 50_000]));
        let mut buffer = receiver.expected().expect("the last one was large");
        buffer.extend_from_slice(&stream);
        assert_eq!(receiver.adopt(&mut buffer), Ok(None));
        assert_eq!(buffer, stream);
        assert!(receiver.expected().is_none());
    }
}

#[test]
fn text_that_is_filled_in_place_fails_at_its_first_bad_byte() {
    let mut payload = "🦀".repeat(10_000).into_bytes();
    payload[20_001] = b'x';
    let frame = peer::frame(true, OpCode::Text, &payload);
    let bad = frame.len() - payload.len() + 20_001;
    for read in [1, 1001, 4096] {
        let (before, after) = frame[..=bad].split_at(bad);
        let mut receiver = limited(1 << 20, 1);
        assert_eq!(peer::feed_in_place(&mut receiver, before.chunks(read)), (vec![], None));
        let failed = (vec![], Some(ProtocolError::InvalidUtf8));
        assert_eq!(peer::feed_in_place(&mut receiver, [after]), failed);
    }
}

#[test]
fn only_a_payload_of_which_much_is_missing_is_filled_in_place() {
    let mut receiver = limited(1 << 20, 2);
    assert!(receiver.in_place().is_none(), "nothing has come");
    assert_eq!(error(&mut receiver, &peer::announced(false, OpCode::Binary, 16 * 1024 + 2)), None);
    assert_eq!(receiver.in_place().map(|(_, missing)| missing), Some(16 * 1024 + 2));
    assert_eq!(error(&mut receiver, &[0; 2]), None);
    assert_eq!(receiver.in_place().map(|(_, missing)| missing), Some(16 * 1024));
    assert_eq!(error(&mut receiver, &[0]), None);
    assert!(receiver.in_place().is_none(), "less than 16 KiB are missing");
    assert_eq!(error(&mut receiver, &[0; 16 * 1024 - 1]), None);
    assert_eq!(error(&mut receiver, &peer::announced(true, OpCode::Ping, 125)), None);
    assert!(receiver.in_place().is_none(), "a ping within the message");
}
