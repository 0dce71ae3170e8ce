//! The client of one [`Life`]: it plays its half of the plan and tells what it saw.

use std::{io, pin::pin};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split},
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    life::Life,
    plan::{End, Step},
    support::{BINARY, CLOSE, Client, PING, PONG, TEXT, fragment, frame, request_with},
};

/// What a client did and saw.
#[derive(Debug, Default)]
pub struct Sight {
    /// The status of the answer, if it was read.
    pub status: Option<u16>,
    /// Messages that were written, and those that were begun.
    pub sent: u64,
    pub begun: u64,
    /// Whether a close frame of this client may have gone out.
    pub closed: bool,
    /// Whether what breaks the protocol may have gone out.
    pub garbage: bool,
    /// The numbers of the messages that came.
    pub numbers: Vec<u64>,
    /// Messages of other tasks.
    pub elsewhere: u64,
    /// The close frame that came.
    pub close: Option<Option<u16>>,
    /// The transport was read to its end.
    pub ended: bool,
    pub wrong: Vec<String>,
}

#[derive(Default)]
struct Written {
    sent: u64,
    begun: u64,
    closed: bool,
    garbage: bool,
}

pub async fn live(life: &Life, index: usize, io: DuplexStream) -> Sight {
    let mut sight = Sight::default();
    let mut client = Client::new(io);
    let request = request_with(&format!("/ws?n={index}"), &[]);
    if client.io.write_all(request.as_bytes()).await.is_err() || life.plan.end == End::DropBeforeAnswer {
        return sight;
    }
    let status = client.answer().await.status.as_u16();
    sight.status = Some(status);
    if status != 101 {
        return sight;
    }

    let mut written = Written::default();
    {
        let (mut input, mut output) = split(client.io);
        let (answers, mut to_answer) = mpsc::channel(64);
        let mut reading = pin!(read(life, &mut input, answers, &mut sight));
        let mut writing = pin!(write(life, &mut output, &mut to_answer, &mut written));
        tokio::select! {
            biased;
            _ = &mut writing => {
                if !matches!(life.plan.end, End::Drop | End::DropWithinFrame) {
                    reading.await;
                }
            }
            () = &mut reading => { let _ = writing.await; }
        }
    }
    let Written { sent, begun, closed, garbage } = written;
    Sight { sent, begun, closed, garbage, ..sight }
}

type Answers = mpsc::Receiver<Vec<u8>>;

/// Plays the script; an error when the server is gone.
async fn write(
    life: &Life,
    io: &mut WriteHalf<DuplexStream>,
    answers: &mut Answers,
    written: &mut Written,
) -> io::Result<()> {
    for step in &life.plan.client {
        while let Ok(answer) = answers.try_recv() {
            if reply(io, &answer, written).await? {
                return forward(io, answers, written).await;
            }
        }
        match step {
            Step::Message { padding, frames, binary } => {
                written.begun += 1;
                let message = format!("{}:{}", written.sent, "y".repeat(*padding));
                let mut opcode = if *binary { BINARY } else { TEXT };
                let pieces = message.as_bytes().chunks(message.len().div_ceil(*frames));
                let last = pieces.len() - 1;
                for (nth, piece) in pieces.enumerate() {
                    io.write_all(&fragment(nth == last, opcode, piece)).await?;
                    opcode = 0;
                }
                written.sent += 1;
            }
            Step::Ping => io.write_all(&frame(PING, b"there?")).await?,
            Step::Pong => io.write_all(&frame(PONG, b"unasked")).await?,
            Step::Wait(time) => {
                // Only the waiting may be cut short: a frame that was begun is written to its end.
                let until = Instant::now() + *time;
                while let Ok(answer) = timeout_at(until, answers.recv()).await {
                    let Some(answer) = answer else { return Ok(()) };
                    if reply(io, &answer, written).await? {
                        return forward(io, answers, written).await;
                    }
                }
            }
        }
    }
    match &life.plan.end {
        End::Close(code) => {
            written.closed = true;
            let payload = code.map(u16::to_be_bytes);
            io.write_all(&frame(CLOSE, payload.as_ref().map_or(&[], |code| &code[..]))).await?;
        }
        End::Garbage(garbage) => {
            written.garbage = true;
            io.write_all(&garbage.bytes()).await?;
        }
        End::Drop | End::DropBeforeAnswer => return Ok(()),
        End::DropWithinFrame => return io.write_all(&frame(TEXT, &[b'z'; 300])[..100]).await,
        End::Mute => {
            while answers.recv().await.is_some() {}
            return Ok(());
        }
        End::MuteWithinFrame => {
            io.write_all(&frame(TEXT, &[b'z'; 300])[..100]).await?;
            while answers.recv().await.is_some() {}
            return Ok(());
        }
    }
    forward(io, answers, written).await
}

/// Answers pings and a close until nothing more comes.
async fn forward(
    io: &mut (impl AsyncWrite + Unpin),
    answers: &mut Answers,
    written: &mut Written,
) -> io::Result<()> {
    while let Some(answer) = answers.recv().await {
        reply(io, &answer, written).await?;
    }
    Ok(())
}

/// Writes an answer, unless a close went out already; whether it was a close.
async fn reply(io: &mut (impl AsyncWrite + Unpin), answer: &[u8], written: &mut Written) -> io::Result<bool> {
    if written.closed || written.garbage {
        return Ok(false);
    }
    let closes = answer[0] & 0x0F == CLOSE;
    written.closed |= closes;
    io.write_all(answer).await?;
    Ok(closes)
}

async fn read(
    life: &Life,
    io: &mut ReadHalf<DuplexStream>,
    answers: mpsc::Sender<Vec<u8>>,
    sight: &mut Sight,
) {
    for _ in 0..life.plan.reads {
        let Ok((first, payload)) = next(io).await else {
            sight.ended = true;
            return;
        };
        if sight.close.is_some() && first & 0x08 == 0 {
            sight.wrong.push("a message after the close frame".into());
        }
        match first {
            0x81 => {
                let text = String::from_utf8(payload).unwrap_or_default();
                if text == "elsewhere:" {
                    sight.elsewhere += 1;
                    continue;
                }
                match text.split_once(':').and_then(|(number, _)| number.parse().ok()) {
                    Some(number) => sight.numbers.push(number),
                    None => sight.wrong.push(format!("not a message of the connector: {text}")),
                }
            }
            0x88 => {
                if sight.close.is_some() {
                    sight.wrong.push("a second close frame".into());
                }
                sight.close = Some(payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
                if life.plan.answers_close {
                    let _ = answers.send(frame(CLOSE, &payload[..payload.len().min(2)])).await;
                }
            }
            // An answer that finds the queue full is not worth waiting for, except a close.
            0x89 => drop(answers.try_send(frame(PONG, &payload))),
            0x8A => {}
            odd => sight.wrong.push(format!("an odd frame {odd:#x}")),
        }
    }
    life.over().await;
}

async fn next(io: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let first = io.read_u8().await?;
    let len = match io.read_u8().await? {
        126 => usize::from(io.read_u16().await?),
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    io.read_exact(&mut payload).await?;
    Ok((first, payload))
}
