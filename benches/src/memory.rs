//! What connections cost that nobody uses: memory while they are open, and what is left of it afterwards.

use std::io::{Read, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::connect;
use crate::dialect::Dialect;
use crate::measure::micros;
use crate::process::Process;
use crate::replies::Replies;
use crate::stream::Stream;
use crate::usage;
use crate::wire;

/// Resident bytes per connection over those of the same server without any, and what opening and closing took.
#[derive(Debug, Clone, Copy)]
pub struct MemorySample {
    /// All handshakes done, nothing sent.
    pub idle: f64,
    /// After each connection has echoed one message.
    pub after_echo: f64,
    /// After all have closed.
    pub after_close: f64,
    /// Microseconds of the server's CPU per connection, to accept it and for both handshakes.
    pub open_close_micros: f64,
}

/// Opens this many connections, sends a message on each, and closes them, one at a time.
pub fn idle(process: &Process, dialect: &Dialect, connections: usize) -> Result<MemorySample> {
    usage::ensure_descriptors(connections)?;

    // Once before counting, so that code and pools which the first connection brings in count for none.
    let mut first = connect::open(process.address, dialect)?;
    echo(dialect, &mut first)?;
    close(first)?;
    let before = settled(process)?;
    let per_connection = |now: f64| (now - before) / connections as f64;

    let began = usage::cpu_time(process.pid)?;
    let mut streams = Vec::with_capacity(connections);
    for index in 0..connections {
        streams.push(connect::open(process.address, dialect).with_context(|| format!("connection {index}"))?);
    }
    let opening = usage::cpu_time(process.pid)? - began;
    let idle = per_connection(settled(process)?);

    for (index, stream) in streams.iter_mut().enumerate() {
        echo(dialect, stream).with_context(|| format!("the message of connection {index}"))?;
    }
    let after_echo = per_connection(settled(process)?);

    let began = usage::cpu_time(process.pid)?;
    for (index, stream) in streams.into_iter().enumerate() {
        close(stream).with_context(|| format!("closing connection {index}"))?;
    }
    let closing = usage::cpu_time(process.pid)? - began;
    let after_close = per_connection(settled(process)?);

    let open_close_micros = micros(opening + closing) / connections as f64;
    Ok(MemorySample { idle, after_echo, after_close, open_close_micros })
}

fn echo(dialect: &Dialect, stream: &mut Stream) -> Result<()> {
    let messages = wire::messages(dialect);
    stream.write_all(&messages[0])?;
    let mut replies = Replies::expecting(dialect);
    let mut buffer = [0; 2048];
    loop {
        let length = connect::read(stream, &mut buffer)?;
        if replies.count(&buffer[..length])? == 1 {
            return Ok(());
        }
    }
}

/// Starts the closing handshake and reads until the server has answered it, or closed TCP without a word.
fn close(mut stream: Stream) -> Result<()> {
    stream.write_all(&wire::masked_close())?;
    let mut buffer = [0; 256];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 || buffer[..length].contains(&wire::CLOSE) {
            break;
        }
    }
    Ok(())
}

/// The resident bytes once three readings in a row agree.
fn settled(process: &Process) -> Result<f64> {
    /// Agreement, for ten pages come and go with nobody asking for them.
    const SLACK: u64 = 40 * 1024;
    let give_up = Instant::now() + connect::PATIENCE;
    let mut last = usage::resident_bytes(process.pid)?;
    let mut agreed = 0;
    while agreed < 2 {
        ensure!(
            Instant::now() < give_up,
            "the server's memory has not settled within {:?}",
            connect::PATIENCE
        );
        sleep(Duration::from_millis(50));
        let now = usage::resident_bytes(process.pid)?;
        agreed = if now.abs_diff(last) <= SLACK { agreed + 1 } else { 0 };
        last = now;
    }
    Ok(last as f64)
}
