//! The checker itself: a sound run passes, and for each rule there is a run that breaks it and is caught.

mod checker;
mod support;

use checker::{Line, Outcome, Position, What, check};

fn at(epoch: &str, offset: u64) -> Position {
    Position { epoch: epoch.into(), offset }
}

fn line(time: u64, who: &str, what: What) -> Line {
    Line { at: time, who: who.into(), what }
}

fn sent(time: u64, id: &str) -> Line {
    let what =
        What::Sent { connection: 1, room: "r".into(), id: id.into(), key: format!("key {id}"), probe: false };
    line(time, "pub", what)
}

fn probe(time: u64, id: &str) -> Line {
    let what =
        What::Sent { connection: 1, room: "r".into(), id: id.into(), key: format!("key {id}"), probe: true };
    line(time, "pub", what)
}

fn answered(time: u64, id: &str, outcome: Outcome) -> Line {
    line(time, "pub", What::Answered { room: "r".into(), id: id.into(), outcome })
}

fn accepted(time: u64, id: &str, offset: u64) -> Line {
    answered(time, id, Outcome::Accepted(at("e", offset)))
}

fn joined(time: u64, who: &str, asked: Option<Position>, lost: Option<&str>, position: Position) -> Line {
    let lost = lost.map(ToOwned::to_owned);
    line(time, who, What::Joined { room: "r".into(), asked, lost, position: Some(position) })
}

fn received(time: u64, who: &str, id: &str, position: Position) -> Line {
    line(time, who, What::Received { room: "r".into(), id: id.into(), position })
}

fn fault(time: u64, fault: &str) -> Line {
    line(time, "world", What::Fault { fault: fault.into() })
}

fn final_log(epoch: &str, entries: &[(u64, &str)]) -> Line {
    let entries = entries.iter().map(|(offset, id)| (*offset, (*id).to_owned())).collect();
    line(90_000, "world", What::Final { room: "r".into(), epoch: epoch.into(), entries })
}

fn online(time: u64, who: &str, user: &str, online: bool) -> Line {
    line(time, who, What::Online { room: "r".into(), user: user.into(), online })
}

/// Two messages, a subscriber that got both over two connections, and the log.
fn sound() -> Vec<Line> {
    vec![
        line(0, "world", What::Run { kept: 100, age: 60_000, recover_max: 50, grace: 2_000 }),
        joined(1, "sub", None, None, at("e", 0)),
        sent(2, "a"),
        accepted(3, "a", 1),
        received(4, "sub", "a", at("e", 1)),
        fault(5, "link"),
        sent(6, "b"),
        answered(7, "b", Outcome::Unknown),
        sent(8, "b"),
        accepted(9, "b", 2),
        joined(10, "sub", Some(at("e", 1)), None, at("e", 2)),
        received(11, "sub", "b", at("e", 2)),
        line(12, "world", What::Healed),
        probe(40_000, "p"),
        accepted(40_001, "p", 3),
        received(40_002, "sub", "p", at("e", 3)),
        final_log("e", &[(1, "a"), (2, "b"), (3, "p")]),
    ]
}

/// The sound run with another line in the place of the one at a time.
fn with(time: u64, other: &[Line]) -> Vec<Line> {
    let mut lines = sound();
    let place = lines.iter().position(|line| line.at == time).expect("a line of that time");
    lines.splice(place..=place, other.iter().cloned());
    lines
}

fn breaks(rule: &str, lines: &[Line]) {
    let findings = check(lines);
    assert!(findings.breaks_rule(rule), "{rule} is not in {:?}", findings.broken);
}

#[test]
fn a_sound_run_breaks_no_rule() {
    let findings = check(&sound());
    assert_eq!(findings.broken, [""; 0]);
    assert_eq!((findings.published, findings.accepted, findings.received, findings.recovered), (3, 3, 3, 1));
}

#[test]
fn l1_what_was_never_sent_there() {
    breaks("L1", &with(4, &[received(4, "sub", "x", at("e", 1))]));
}

#[test]
fn l2_a_message_twice() {
    let twice = [received(11, "sub", "b", at("e", 2)), received(11, "sub", "b", at("e", 2))];
    breaks("L2", &with(11, &twice));
}

#[test]
fn l3_two_messages_at_one_position() {
    breaks("L3", &with(9, &[accepted(9, "b", 1)]));
    let mut lines = sound();
    lines.pop();
    lines.push(final_log("e", &[(1, "b"), (2, "a"), (3, "p")]));
    breaks("L3", &lines);
}

#[test]
fn l4_offsets_that_do_not_rise_and_epochs_that_mix() {
    let swapped = [
        joined(10, "sub", Some(at("e", 1)), None, at("e", 2)),
        received(10, "sub", "b", at("e", 2)),
        received(10, "sub", "a", at("e", 1)),
    ];
    breaks("L4", &with(10, &swapped));
    breaks("L4", &with(11, &[received(11, "sub", "b", at("f", 2))]));
}

#[test]
fn l5_a_hole() {
    breaks("L5", &with(11, &[]));
}

#[test]
fn l6_an_accepted_message_that_never_comes() {
    let mut lines = sound();
    lines.retain(|line| line.at != 40_002);
    breaks("L6", &lines);
}

#[test]
fn l7_a_loss_that_nobody_was_told() {
    let lost = with(90_000, &[final_log("f", &[])]);
    let without = |time| lost.iter().filter(move |line| line.at != time).cloned().collect::<Vec<_>>();
    breaks("L7", &without(40_002));
    let told =
        line(50_000, "sub", What::Lost { room: "r".into(), why: "epoch".into(), position: at("f", 0) });
    let mut lines = without(40_002);
    lines.insert(lines.len() - 1, fault(49_000, "log"));
    lines.insert(lines.len() - 1, told);
    let findings = check(&lines);
    assert!(!findings.breaks_rule("L7"), "{:?}", findings.broken);
    assert_eq!((findings.lost_and_declared, findings.lost_silently), (3, 0));
}

#[test]
fn l8_a_publisher_whose_messages_change_places() {
    let swapped = [sent(2, "z"), accepted(3, "z", 9)];
    breaks("L8", &with(2, &[swapped.to_vec(), vec![sent(2, "a")]].concat()));
}

#[test]
fn l9_a_rejected_message_that_is_seen() {
    let rejected = [sent(4, "x"), answered(4, "x", Outcome::Rejected), received(4, "sub", "x", at("e", 1))];
    breaks("L9", &with(4, &rejected));
}

#[test]
fn l10_a_probe_that_comes_late_or_not_at_all() {
    breaks("L10", &with(40_002, &[received(46_000, "sub", "p", at("e", 3))]));
    breaks("L10", &with(40_001, &[answered(40_001, "p", Outcome::Unknown)]));
}

#[test]
fn l11_a_loss_for_a_reason_that_is_not_true() {
    for why in ["epoch", "trimmed", "limit", "whatever"] {
        breaks("L11", &with(10, &[joined(10, "sub", Some(at("e", 1)), Some(why), at("e", 2))]));
    }
    let healthy = joined(60_000, "sub", Some(at("e", 3)), Some("unavailable"), at("e", 3));
    breaks("L11", &with(90_000, &[healthy]));
}

#[test]
fn l12_a_key_of_several_messages_and_a_message_at_several_positions() {
    let same_key =
        What::Sent { connection: 1, room: "r".into(), id: "c".into(), key: "key a".into(), probe: false };
    breaks("L12", &with(8, &[line(8, "pub", same_key), sent(8, "b")]));
    breaks("L12", &with(9, &[accepted(9, "b", 2), accepted(9, "b", 4)]));
}

/// Ann and Bob are in the room on two nodes from the first second on, and Ann has asked who is there.
fn two_there() -> Vec<Line> {
    let entered = |user: &str, node: &str| {
        let (user, node) = (user.to_owned(), node.to_owned());
        line(1_000, &user.clone(), What::Entered { user, room: "r".into(), node })
    };
    let users = vec!["ann".into(), "bob".into()];
    vec![
        line(0, "world", What::Run { kept: 100, age: 60_000, recover_max: 50, grace: 2_000 }),
        entered("ann", "one"),
        entered("bob", "two"),
        line(1_001, "ann", What::Present { room: "r".into(), users }),
    ]
}

fn gone(time: u64, user: &str) -> Line {
    line(time, user, What::Gone { user: user.into(), room: "r".into(), node: "two".into() })
}

fn members(time: u64, node: &str, users: &[&str]) -> Line {
    let users = users.iter().map(ToString::to_string).collect();
    line(time, node, What::Members { room: "r".into(), users })
}

/// The rules of presence that are broken when this happens after Ann and Bob have come.
fn presence(more: &[Line]) -> Vec<String> {
    check(&[&two_there(), more].concat()).broken
}

fn breaks_presence(rule: &str, more: &[Line]) {
    let broken = presence(more);
    assert!(broken.len() == 1 && broken[0].starts_with(rule), "{rule}: {broken:?}");
}

#[test]
fn p1_a_node_that_lists_others_than_are_there() {
    assert_eq!(presence(&[members(20_000, "one", &["ann", "bob"])]), [""; 0]);
    breaks_presence("P1", &[members(20_000, "one", &["ann"])]);
    breaks_presence("P1", &[members(20_000, "one", &["ann", "bob", "eve"])]);
    let listed = |after| {
        [gone(15_000, "bob"), online(17_000, "ann", "bob", false), members(after, "one", &["ann", "bob"])]
    };
    assert_eq!(presence(&listed(24_000)), [""; 0], "he may still be listed");
    breaks_presence("P1", &listed(26_000));
    let broken = [fault(15_000, "link"), members(20_000, "one", &["ann"])];
    assert_eq!(presence(&broken), [""; 0], "something is broken");
}

#[test]
fn p2_joins_and_leaves_that_are_no_pairs() {
    breaks_presence("P2", &[online(2_000, "ann", "bob", true)]);
    breaks_presence("P2", &[online(2_000, "ann", "eve", false)]);
}

#[test]
fn p2_a_leave_of_a_user_who_is_there_or_was_a_moment_ago() {
    let leave_and_join = |time| [online(time, "ann", "bob", false), online(time + 1, "ann", "bob", true)];
    breaks_presence("P2", &leave_and_join(20_000));
    let away = [gone(20_000, "bob"), online(20_500, "ann", "bob", false)];
    breaks_presence("P2", &away);
    assert_eq!(presence(&[gone(20_000, "bob"), online(22_000, "ann", "bob", false)]), [""; 0]);
}

#[test]
fn p3_a_user_who_is_gone_and_of_whom_nobody_is_told() {
    let later = line(40_000, "world", What::Healed);
    let end = line(60_000, "world", What::Left { room: "r".into() });
    breaks_presence("P3", &[gone(20_000, "bob"), later.clone(), end.clone()]);
    let told = [gone(20_000, "bob"), online(29_000, "ann", "bob", false), later, end];
    assert_eq!(presence(&told), [""; 0]);
}
