//! The commands that are there without the application's doing: `join`, `leave`, `presence` and `ping`; and `publish`,
//! where the application lets clients do that.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::hub::{Joined, Left};

use super::{
    context::Context,
    error::{ErrorReply, code},
    frame::{Frame, Outgoing},
    history,
    presence::Users,
    publish,
    router::{Answer, answer},
};

/// Those of the built-in commands that need no membership of the room that they are for.
pub(super) fn is_about_membership(cmd: &str) -> bool {
    matches!(cmd, "join" | "leave")
}

#[derive(Serialize)]
struct Outcome {
    result: &'static str,
}

#[derive(Serialize)]
struct Pong {
    /// Milliseconds since 1970.
    time: u64,
}

/// Carries out a built-in command; `None` if there is none of that name.
pub(super) async fn run<S: Send + Sync + 'static>(
    context: &Context<S>,
    frame: &Frame,
) -> Option<Result<Answer, ErrorReply>> {
    let done = match &*frame.cmd {
        "join" if context.keeps_history() => history::join(context, frame).await,
        "join" => join(context, frame).await,
        "publish" if context.publishes() => publish::run(context, frame).await,
        "leave" => leave(context).await.and_then(|result| answer(frame, &Outcome { result })),
        "ping" => ping(frame),
        "presence" if context.live.link.presence => presence(context).and_then(|users| answer(frame, &users)),
        _ => return None,
    };
    Some(done)
}

async fn join<S: Send + Sync + 'static>(context: &Context<S>, frame: &Frame) -> Result<Answer, ErrorReply> {
    let joined = context.join(context.need_channel()?).await?;
    match history::without_history(frame, joined)? {
        Some(told) => answer(frame, &told),
        None => answer(frame, &Outcome { result: outcome(joined) }),
    }
}

pub(super) fn outcome(joined: Joined) -> &'static str {
    match joined {
        Joined::Created => "created",
        Joined::Joined => "joined",
        Joined::Already => "already",
    }
}

async fn leave<S: Send + Sync + 'static>(context: &Context<S>) -> Result<&'static str, ErrorReply> {
    Ok(match context.leave(context.need_channel()?).await {
        Left::Emptied => "emptied",
        Left::Left => "left",
        Left::NotThere => "not_there",
    })
}

/// Also where commands need no membership: a node knows only of rooms where it has a member itself.
fn presence<S: Send + Sync + 'static>(context: &Context<S>) -> Result<Users, ErrorReply> {
    let channel = context.need_channel()?;
    match context.conn().is_in(channel) {
        true => Ok(Users::in_room(context.conn(), channel)),
        false => Err(ErrorReply::new(code::NOT_A_MEMBER, "join the channel first")),
    }
}

/// One without an `id` is answered too, by a command: what would it be for otherwise?
fn ping(frame: &Frame) -> Result<Answer, ErrorReply> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let pong = Pong { time: u64::try_from(time).unwrap_or(u64::MAX) };
    match frame.id {
        Some(_) => answer(frame, &pong),
        None => Ok(Some(frame.codec.encode(&Outgoing::new("pong", &pong))?)),
    }
}
