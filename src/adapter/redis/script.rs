//! The scripts, each carried out in one step by the server.

use redis::{Cmd, RedisResult, Script, Value, cmd, pipe};

use super::commands::Connected;

/// What a script is asked to do for one room.
pub(super) struct Call {
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<Vec<u8>>,
}

pub(super) struct Scripts {
    pub(super) append: Source,
    pub(super) read: Source,
    pub(super) top: Source,
}

/// A script's text and the hash that servers know it by.
pub(super) struct Source {
    text: &'static str,
    script: Script,
}

impl Source {
    fn new(text: &'static str) -> Self {
        Self { text, script: Script::new(text) }
    }
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            append: Source::new(concat!(include_str!("lua/life.lua"), include_str!("lua/append.lua"))),
            read: Source::new(concat!(include_str!("lua/life.lua"), include_str!("lua/read.lua"))),
            top: Source::new(concat!(include_str!("lua/life.lua"), include_str!("lua/top.lua"))),
        }
    }
}

/// Carries out a script for each call, in one round trip: an answer or the server's error for each. A server that does
/// not know the script (a new one, or after `SCRIPT FLUSH`) has not carried it out, and is given its text.
pub(super) async fn run(server: &mut Connected, source: &Source, calls: &[Call]) -> RedisResult<Vec<Value>> {
    let mut pipeline = pipe();
    for call in calls {
        pipeline.add_command(command("EVALSHA", source.script.get_hash(), call));
    }
    let mut answers = server.connection.send_packed_commands(&pipeline, 0, calls.len()).await?;
    let unknown: Vec<_> = answers.iter().enumerate().filter(|(_, answer)| is_unknown(answer)).collect();
    let unknown: Vec<_> = unknown.into_iter().map(|(place, _)| place).collect();
    if !unknown.is_empty() {
        let mut pipeline = pipe();
        for place in &unknown {
            pipeline.add_command(command("EVAL", source.text, &calls[*place]));
        }
        let again = server.connection.send_packed_commands(&pipeline, 0, unknown.len()).await?;
        for (place, answer) in unknown.into_iter().zip(again) {
            answers[place] = answer;
        }
    }
    Ok(answers)
}

fn command(name: &str, script: &str, call: &Call) -> Cmd {
    let mut command = cmd(name);
    command.arg(script).arg(call.keys.len());
    call.keys.iter().for_each(|key| {
        command.arg(key);
    });
    call.arguments.iter().for_each(|argument| {
        command.arg(&argument[..]);
    });
    command
}

fn is_unknown(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT")
}
