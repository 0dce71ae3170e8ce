//! What a life may have looked like: the rules of a connection, held against what both sides saw.

use std::sync::atomic::Ordering::SeqCst;

use gustnado::{Closed, ClosedBy, Phase, SendError};

use super::{
    client::Sight,
    life::{Life, Seen, name},
    plan::{Act, Clock, End, Fate},
};

macro_rules! rule {
    ($broken:expr, $holds:expr, $($what:tt)*) => {
        if !$holds {
            $broken.push(format!($($what)*));
        }
    };
}

/// The rules that were broken.
pub fn broken(life: &Life, sight: &Sight, clock: Clock) -> Vec<String> {
    let mut broken = life.take_wrong();
    broken.extend(sight.wrong.iter().cloned());
    let seen = life.seen.lock().clone();
    order(&mut broken, &seen);
    answer(&mut broken, life, sight);
    match life.closed.get() {
        Some(closed) if closed.phase() != Phase::Opening => {
            messages(&mut broken, life, sight, &seen, closed);
            ending(&mut broken, life, sight, &seen, closed, clock);
        }
        Some(closed) => {
            rule!(broken, !seen.contains(&Seen::Open), "opened, and the answer was lost");
            rule!(
                broken,
                closed.by() == ClosedBy::Transport && closed.code() == 1006,
                "a lost answer: {closed:?}"
            );
            rule!(broken, sight.status.is_none(), "the answer was not lost");
        }
        None => rule!(broken, !seen.contains(&Seen::Accept), "no on_close"),
    }
    broken
}

/// on_connect, on_open, on_message and on_pong, on_error, on_close, dropped.
fn order(broken: &mut Vec<String>, seen: &[Seen]) {
    let mut steps =
        seen.iter().filter(|it| !matches!(it, Seen::Ends(_) | Seen::Panics | Seen::Fails)).peekable();
    let mut take = |step: &Seen| steps.next_if(|it| *it == step).is_some();
    if seen.is_empty() {
        return;
    }
    rule!(broken, take(&Seen::Connect), "on_connect is first: {seen:?}");
    if take(&Seen::Accept) {
        let opened = take(&Seen::Open);
        while steps.next_if(|it| opened && matches!(it, Seen::Message(_) | Seen::Pong)).is_some() {}
        let _ = steps.next_if(|it| matches!(it, Seen::Error(_)));
        rule!(broken, steps.next() == Some(&Seen::Close), "on_close is the last callback: {seen:?}");
    }
    rule!(
        broken,
        steps.next() == Some(&Seen::Drop) && steps.next().is_none(),
        "then it is dropped: {seen:?}"
    );
    // A callback that has ended the connection is followed by no other message.
    let ended = seen.iter().position(|it| matches!(it, Seen::Ends(_) | Seen::Panics | Seen::Fails));
    let after = &seen[ended.unwrap_or(seen.len())..];
    rule!(
        broken,
        !after.iter().any(|it| matches!(it, Seen::Message(_) | Seen::Pong)),
        "on after its end: {seen:?}"
    );
}

fn answer(broken: &mut Vec<String>, life: &Life, sight: &Sight) {
    let Some(status) = sight.status else { return };
    let plan = &life.plan;
    let fate = if plan.factory == Fate::Accepted { &plan.on_connect } else { &plan.factory };
    let expected = match fate {
        Fate::Accepted => 101,
        Fate::Refused if plan.factory == Fate::Refused => 418,
        Fate::Refused | Fate::Panics => 500,
        Fate::TooSlow => 503,
    };
    rule!(broken, status == expected, "answered {status}, not {expected}");
}

/// In order, without gaps or duplicates, in both directions; and counted.
fn messages(broken: &mut Vec<String>, life: &Life, sight: &Sight, seen: &[Seen], closed: &Closed) {
    let queued = life.queued.load(SeqCst) + life.queued_elsewhere.load(SeqCst);
    let full = life.full.load(SeqCst);
    let traffic = closed.traffic();
    let delivered: Vec<u64> =
        seen.iter().filter_map(|it| if let Seen::Message(n) = it { Some(*n) } else { None }).collect();
    let count = delivered.len() as u64;
    rule!(broken, delivered.iter().copied().eq(0..count), "messages out of order: {delivered:?}");
    rule!(broken, count <= traffic.messages_received, "{count} delivered of {traffic:?}");
    rule!(broken, traffic.messages_received <= sight.begun, "{} begun, {traffic:?}", sight.begun);

    let failed = seen.iter().any(|it| matches!(it, Seen::Fails | Seen::Panics));
    let to_the_end =
        closed.by() == ClosedBy::Peer || closed.by() == ClosedBy::Transport && cause(closed) == "eof";
    rule!(broken, failed || !to_the_end || count == sight.sent, "{count} delivered, {} sent", sight.sent);
    rule!(
        broken,
        failed || count == traffic.messages_received - traffic.ignored,
        "{count} delivered, {traffic:?}"
    );

    let accounted = traffic.messages_sent + traffic.unsent + traffic.dropped_oldest;
    rule!(broken, accounted == queued, "{queued} queued, {traffic:?}");
    rule!(broken, traffic.dropped_newest == full, "{full} refused, {traffic:?}");
    let came = &sight.numbers;
    rule!(broken, came.is_sorted_by(|a, b| a < b), "replies out of order: {came:?}");
    if traffic.dropped_oldest == 0 {
        rule!(broken, came.iter().copied().eq(0..came.len() as u64), "replies with gaps: {came:?}");
    }
    if sight.ended && closed.was_clean() {
        let all = came.len() as u64 + sight.elsewhere;
        rule!(broken, all == traffic.messages_sent, "{all} came, {traffic:?}");
    }
}

fn cause(closed: &Closed) -> &'static str {
    closed.cause().map_or("", name)
}

fn ending(
    broken: &mut Vec<String>,
    life: &Life,
    sight: &Sight,
    seen: &[Seen],
    closed: &Closed,
    clock: Clock,
) {
    let plan = &life.plan;
    let cause = cause(closed);
    let told = seen.iter().find_map(|it| if let Seen::Error(cause) = it { Some(*cause) } else { None });
    rule!(broken, told.unwrap_or("") == cause, "on_error was told {told:?}, on_close {cause}");

    let all = || std::iter::once(&plan.on_open).chain(&plan.on_message).chain([&plan.on_pong]).flatten();
    let code = closed.code().as_u16();
    let first = seen.iter().find_map(|it| if let Seen::Ends(code) = it { Some(*code) } else { None });
    let elsewhere: Vec<u16> = all()
        .filter_map(|act| if let Act::CloseElsewhere(code) = act { Some(*code) } else { None })
        .collect();
    if let Some(first) = first {
        let raced = clock == Clock::Real && (elsewhere.contains(&code) || cause == "slow reader");
        rule!(broken, closed.by() == ClosedBy::Local, "closed within, {closed:?}");
        rule!(broken, code == first || raced, "closed with {first}, {closed:?}");
    }
    match closed.by() {
        ClosedBy::Local => {
            let garbage = if let End::Garbage(garbage) = plan.end { Some(garbage.code()) } else { None };
            let gave_up = cause == "pong timeout" && code == 1006;
            let plausible = first == Some(code)
                || elsewhere.contains(&code)
                || sight.garbage && garbage == Some(code)
                || cause == "slow reader" && code == 1013
                || gave_up;
            rule!(broken, plausible, "closed for nothing, {closed:?}");
        }
        ClosedBy::Peer => {
            let own = if let End::Close(code) = plan.end { code.unwrap_or(1005) } else { 0 };
            rule!(broken, sight.closed && code == own, "closed by a peer that did not, {closed:?}");
        }
        ClosedBy::Transport => rule!(broken, code == 1006 && !closed.was_clean(), "{closed:?}"),
    }
    let broke = matches!(cause, "eof" | "transport" | "pong timeout" | "close timeout");
    let clean = sight.closed && !broke && closed.phase() == Phase::Closing && code != 1006;
    rule!(broken, !closed.was_clean() || clean, "not clean: {closed:?}");

    // A client that reads, answers and closes always gets a clean end, whatever goes on at the server.
    let polite = matches!(plan.end, End::Close(_)) && plan.reads == usize::MAX && plan.answers_close;
    rule!(broken, !polite || closed.was_clean(), "a polite client: {closed:?}");
    if polite {
        rule!(
            broken,
            matches!(cause, "" | "callback" | "panic" | "invalid close code" | "slow reader"),
            "{cause}"
        );
    }
    if sight.ended && code != 1006 && !matches!(plan.end, End::Drop | End::DropWithinFrame) {
        let expected = (code != 1005).then_some(code);
        rule!(broken, sight.close == Some(expected), "the client saw {:?}, {closed:?}", sight.close);
    }

    let failure = matches!(cause, "callback" | "panic" | "invalid close code");
    if seen.contains(&Seen::Panics) {
        let earlier = broke || matches!(cause, "protocol" | "slow reader");
        rule!(
            broken,
            cause == "panic" || !polite && earlier || cause == "slow reader",
            "a panic, {closed:?}"
        );
        rule!(
            broken,
            first.is_none() || cause == "panic" || clock == Clock::Real,
            "a panic first, {closed:?}"
        );
    } else {
        rule!(broken, !failure || seen.contains(&Seen::Fails), "{cause} for nothing");
    }
    rule!(broken, cause != "protocol" || sight.garbage, "{cause} for nothing");
    rule!(broken, cause != "dropped", "the task was dropped");
}

/// What every clone of a connection that is over does.
pub async fn afterwards(life: &Life) -> Vec<String> {
    let mut broken = Vec::new();
    let (Some(conn), Some(closed)) = (life.conn.get(), life.closed.get()) else { return broken };
    let conn = conn.clone();
    rule!(broken, matches!(conn.try_send("x"), Err(SendError::Closing(_))), "a try_send afterwards");
    let sent = futures_util::FutureExt::now_or_never(conn.send("x"));
    rule!(broken, matches!(sent, Some(Err(SendError::Closing(_)))), "a send afterwards: {sent:?}");
    let over = futures_util::FutureExt::now_or_never(conn.closed());
    rule!(broken, over.is_some_and(|it| it.code() == closed.code()), "closed() waits afterwards");
    rule!(broken, conn.buffered() == 0, "{} bytes left", conn.buffered());
    broken
}
