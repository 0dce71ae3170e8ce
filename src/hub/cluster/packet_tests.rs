//! Packets come back as they were sent; other bytes are no packets, and harm nobody.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    adapter::{Epoch, Link, NotHandedOver, Position, Retention},
    hub::{
        ConnInfo, Counts, Event, EventKind, Preview, Remote, Report, TapFilter,
        cluster::lent::{Batch, Wish},
        history::Rule,
        listing::Listing,
        presence::Member,
    },
    stats::Traffic,
};

fn conn_id() -> impl Strategy<Value = ConnId> {
    (any::<u64>(), any::<u64>()).prop_map(|(node, number)| ConnId::new(NodeId::new(node), number))
}

fn name() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![name().prop_map(Message::from), vec(any::<u8>(), 0..300).prop_map(Message::from)]
}

fn act() -> impl Strategy<Value = Act> {
    let close = (4000..5000_u16, name());
    prop_oneof![
        (message(), option::of((name(), message())))
            .prop_map(|(message, other)| Act::Send { message, other }),
        close.prop_map(|(code, reason)| Act::Close(CloseFrame::new(code, reason).expect("it may travel"))),
        name().prop_map(|room| Act::Join(room.into())),
        name().prop_map(|room| Act::Leave(room.into())),
    ]
}

fn to() -> impl Strategy<Value = To> {
    prop_oneof![
        Just(To::Everybody),
        vec(name(), 0..4).prop_map(|rooms| To::Rooms(rooms.iter().map(|room| Subject::room(room)).collect())),
        name().prop_map(|user| To::User(Subject::user(&user))),
        conn_id().prop_map(To::Conn),
    ]
}

fn meta() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map(name(), name(), 0..3)
}

fn member() -> impl Strategy<Value = Member> {
    (name(), meta()).prop_map(|(user, meta)| Member { user: user.into(), meta })
}

fn conn_info() -> impl Strategy<Value = ConnInfo> {
    let first = (conn_id(), option::of(name()), option::of(name()), any::<Option<SocketAddr>>(), name());
    let then = (option::of(name()), vec(name(), 0..3), any::<u32>(), any::<[u64; 2]>(), meta());
    (first, then).prop_map(
        |((id, endpoint, user, peer, path), (protocol, rooms, since, counts, metadata))| {
            // A flow and a scope of IPv6 mean something on one machine only, and are not in the text of an address.
            let peer = peer.map(|peer| SocketAddr::new(peer.ip(), peer.port()));
            let since = SystemTime::UNIX_EPOCH + Duration::from_secs(since.into());
            let traffic = Traffic { messages_sent: counts[0], rate_limited: counts[1], ..Traffic::default() };
            let round_trip = (counts[0] % 2 == 0).then(|| Duration::from_micros(counts[1] % 1_000_000));
            let buffered = counts[1] as usize;
            ConnInfo {
                id,
                endpoint,
                user,
                peer,
                path,
                protocol,
                rooms,
                since,
                traffic,
                buffered,
                round_trip,
                metadata,
            }
        },
    )
}

fn question() -> impl Strategy<Value = Question> {
    prop_oneof![
        Just(Question::Counts),
        name().prop_map(|search| Question::Rooms(search.into())),
        name().prop_map(|search| Question::Users(search.into())),
        (option::of(name()), option::of(name()), name(), name(), any::<bool>(), any::<usize>()).prop_map(
            |(room, user, search, sort, descending, take)| {
                Question::List(Listing { room, user, search, sort, descending, take })
            }
        ),
        name().prop_map(|room| Question::Members(room.into())),
        name().prop_map(|user| Question::ConnectionsOf(user.into())),
        conn_id().prop_map(Question::Connection),
        Just(Question::Rules),
        (any::<usize>(), option::of(name()), option::of(conn_id())).prop_map(|(preview, name, conn)| {
            let filter = TapFilter::default().preview(preview);
            Question::Tap(Wish::of(&TapFilter { conn, room: name.clone(), contains: name, ..filter }))
        }),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    (name(), any::<bool>(), 1..usize::MAX, any::<u32>()).prop_map(|(name, is_prefix, messages, age)| Rule {
        name: name.into(),
        is_prefix,
        retention: Retention::last(messages).within(Duration::from_millis(age.into())),
    })
}

fn report() -> impl Strategy<Value = Report> {
    let remote = prop_oneof![
        Just(Remote::None),
        Just(Remote::HandedOver),
        Just(Remote::NotHandedOver(NotHandedOver::Down)),
        Just(Remote::NotHandedOver(NotHandedOver::Full)),
        Just(Remote::NotHandedOver(NotHandedOver::TooLarge)),
    ];
    let position = (any::<u128>(), any::<u64>())
        .prop_map(|(epoch, offset)| Position { epoch: Epoch::new(epoch), offset });
    (any::<usize>(), remote, option::of(position)).prop_map(|(queued, remote, position)| Report {
        queued,
        remote,
        position,
        ..Report::default()
    })
}

fn preview() -> impl Strategy<Value = Preview> {
    (name(), any::<usize>(), any::<bool>()).prop_map(|(text, len, is_text)| Preview { text, len, is_text })
}

fn kind() -> impl Strategy<Value = EventKind> {
    let link = prop_oneof![Just(Link::Up), Just(Link::Degraded), Just(Link::Down)];
    prop_oneof![
        Just(EventKind::Opened),
        (any::<u16>(), name(), option::of(name())).prop_map(|(code, reason, cause)| EventKind::Closed {
            code,
            reason,
            cause
        }),
        (name(), any::<bool>()).prop_map(|(room, created)| EventKind::Joined { room, created }),
        (name(), any::<bool>()).prop_map(|(room, emptied)| EventKind::Left { room, emptied }),
        preview().prop_map(EventKind::Received),
        preview().prop_map(EventKind::Sent),
        (vec(name(), 0..3), preview(), report()).prop_map(|(rooms, preview, report)| EventKind::Broadcast {
            rooms,
            preview,
            report
        }),
        link.prop_map(EventKind::Link),
        (name(), any::<bool>(), meta()).prop_map(|(room, online, meta)| EventKind::Presence {
            room,
            online,
            meta
        }),
        any::<u64>().prop_map(|node| EventKind::NodeCame(NodeId::new(node))),
        any::<u64>().prop_map(|node| EventKind::NodeGone(NodeId::new(node))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    (option::of(conn_id()), option::of(name()), kind()).prop_map(|(conn, user, kind)| Event {
        conn,
        user,
        kind,
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let counts = any::<[u16; 5]>().prop_map(|it| Counts {
        connections: it[0].into(),
        rooms: it[1].into(),
        users: it[2].into(),
        encoded: it[3].into(),
        compressed: it[4].into(),
    });
    prop_oneof![
        counts.prop_map(Answer::Counts),
        (vec((name(), any::<usize>()), 0..4), any::<bool>())
            .prop_map(|(rooms, more)| Answer::Groups(rooms, more)),
        (vec(conn_info(), 0..3), any::<bool>()).prop_map(|(conns, more)| Answer::Conns(conns, more)),
        vec(rule(), 0..3).prop_map(Answer::Rules),
        (any::<u64>(), any::<u64>(), vec(event(), 0..4))
            .prop_map(|(tap, before, events)| Answer::Events(Batch { tap, before, events })),
        (any::<usize>(), vec(conn_info(), 0..3)).prop_map(|(total, first)| Answer::Listed(total, first)),
    ]
}

fn diff() -> impl Strategy<Value = Diff> {
    (name(), any::<[u64; 2]>(), conn_id(), option::of(member()))
        .prop_map(|(room, [prev, version], id, came)| Diff { room: room.into(), prev, version, id, came })
}

fn snapshot() -> impl Strategy<Value = Snapshot> {
    (name(), any::<u64>(), any::<u32>(), any::<bool>(), vec((conn_id(), member()), 0..3)).prop_map(
        |(room, version, part, last, members)| Snapshot { room: room.into(), version, part, last, members },
    )
}

fn check() -> impl Strategy<Value = Check> {
    (name(), vec((any::<u64>().prop_map(NodeId::new), any::<u64>()), 0..4))
        .prop_map(|(room, known)| Check { room: room.into(), known })
}

fn packet() -> impl Strategy<Value = Packet> {
    let deed = (any::<u64>(), to(), vec(conn_id(), 0..4), act())
        .prop_map(|(serial, to, except, act)| Packet::Deed(Deed { serial, to, except, act }));
    prop_oneof![
        deed,
        (any::<bool>(), any::<bool>()).prop_map(|(hello, quiet)| Packet::Beat(Beat { hello, quiet })),
        Just(Packet::Bye),
        (any::<u64>(), question()).prop_map(|(id, question)| Packet::Question(id, question)),
        (any::<u64>(), answer()).prop_map(|(id, answer)| Packet::Answer(id, answer)),
        diff().prop_map(Packet::Diff),
        snapshot().prop_map(Packet::Snapshot),
        vec(check(), 0..3).prop_map(Packet::Check),
    ]
}

proptest! {
    #[test]
    fn a_packet_comes_back_as_it_was_sent(node in any::<u64>(), packet in packet()) {
        let node = NodeId::new(node);
        let bytes = encode(node, &packet).expect("it is small");
        if let Packet::Deed(Deed { serial, to, except, act }) = &packet {
            prop_assert_eq!(&encode_deed(node, *serial, to, except, act).expect("it is small"), &bytes);
        }
        prop_assert_eq!(decode(bytes), Ok((node, packet)));
    }

    #[test]
    fn a_packet_that_is_cut_or_goes_on_is_none(packet in packet(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(NodeId::new(1), &packet).expect("it is small");
        prop_assert_eq!(decode(bytes.slice(..cut.index(bytes.len()))), Err(Undecodable::Malformed));
        let longer = [&bytes[..], &[0]].concat();
        prop_assert_eq!(decode(longer.into()), Err(Undecodable::Malformed));
    }

    #[test]
    fn whatever_bytes_come_nothing_panics(
        packet in packet(), flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = encode(NodeId::new(1), &packet).expect("it is small").to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = decode(bytes.into());
    }

    #[test]
    fn garbage_is_no_packet(mut bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(bytes.clone().into());
        if let Some(version) = bytes.first_mut() {
            *version = VERSION;
        }
        let _ = decode(bytes.into());
    }
}

#[test]
fn another_version_is_told_apart() {
    let mut bytes = encode(NodeId::new(1), &Packet::Bye).expect("it is small").to_vec();
    bytes[0] = 2;
    bytes.extend_from_slice(b"whatever it says");
    assert_eq!(decode(bytes.into()), Err(Undecodable::Version(2)));
    assert_eq!(decode(Bytes::new()), Err(Undecodable::Malformed));
}

#[test]
fn a_list_that_claims_to_be_long_reserves_nothing() {
    let mut bytes = vec![VERSION, 0, 0, 0, 0, 0, 0, 0, 1, 7];
    bytes.extend_from_slice(&u64::MAX.to_be_bytes());
    assert_eq!(decode(bytes.into()), Err(Undecodable::Malformed));
}

#[test]
fn what_is_too_long_is_not_sent() {
    let message = Message::from(vec![0; MAX_PACKET]);
    let act = Act::Send { message, other: None };
    assert_eq!(encode_deed(NodeId::new(1), 1, &To::Everybody, &[], &act), None);
    let except = vec![ConnId::new(NodeId::new(1), 1); MAX_ITEMS + 1];
    let act = Act::Join("room".into());
    assert_eq!(encode_deed(NodeId::new(1), 1, &To::Everybody, &except, &act), None);
}

/// What the documentation of `Target::send` and the cost of a broadcast rest on.
#[test]
fn a_message_is_not_copied_out_of_its_packet() {
    let message = Message::from(vec![7; 1000]);
    let act = Act::Send { message, other: None };
    let bytes = encode_deed(NodeId::new(1), 1, &To::Everybody, &[], &act).expect("it is small");
    let range = bytes.as_ptr_range();
    let Ok((_, Packet::Deed(Deed { act: Act::Send { message, .. }, .. }))) = decode(bytes) else {
        panic!("a message");
    };
    assert!(range.contains(&message.as_bytes().as_ptr()));
}
