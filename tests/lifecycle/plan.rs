//! [`Plan`]: what will happen to one connection, drawn before it begins.

use std::time::Duration;

use gustnado::SlowReader;
use rand::{Rng, rngs::SmallRng, seq::IndexedRandom};

/// Whether time is virtual, so that a script may wait for timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    Virtual,
    Real,
}

/// The script of both sides.
#[derive(Debug)]
pub struct Plan {
    pub factory: Fate,
    pub on_connect: Fate,
    pub on_open: Vec<Act>,
    /// What the nth message sets off; those beyond the last get one reply.
    pub on_message: Vec<Vec<Act>>,
    pub on_pong: Vec<Act>,
    pub on_error: Last,
    pub on_close: Last,
    pub slow_reader: SlowReader,
    /// Bytes and messages.
    pub outbox: (usize, usize),
    pub pipe: usize,
    pub client: Vec<Step>,
    pub end: End,
    /// After how many frames the client stops reading.
    pub reads: usize,
    /// Whether the client answers a close frame of the server.
    pub answers_close: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Accepted,
    Refused,
    Panics,
    /// Slower than the handshake timeout.
    TooSlow,
}

/// One thing that a callback does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Reply,
    /// Another task sends.
    SendElsewhere,
    Ping,
    Work(Duration),
    /// More than the outbox takes, at once.
    Flood,
    CloseHere(u16),
    CloseElsewhere(u16),
    Fail,
    Kick(u16),
    KickWithInvalidCode,
    Panic,
}

/// What `on_error` or `on_close` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Last {
    Returns,
    Works(Duration),
    Panics,
}

/// One thing that the client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A message of so many more bytes than its number takes, in so many frames.
    Message {
        padding: usize,
        frames: usize,
        binary: bool,
    },
    Ping,
    Pong,
    Wait(Duration),
}

/// How the client ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Close(Option<u16>),
    Garbage(Garbage),
    /// The client's end is dropped: in memory, a reset.
    Drop,
    DropWithinFrame,
    DropBeforeAnswer,
    /// Says nothing more, but reads.
    Mute,
    /// Says and reads nothing more, with half a frame sent.
    MuteWithinFrame,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Garbage {
    ReservedBits,
    UnknownOpCode,
    Unmasked,
    NotUtf8,
    TooBig,
    HalfACode,
    InvalidCode,
    StrayContinuation,
}

impl Garbage {
    pub fn bytes(self) -> Vec<u8> {
        use super::support::{CLOSE, TEXT, frame};
        match self {
            Self::ReservedBits => vec![0xC1, 0x80, 0, 0, 0, 0],
            Self::UnknownOpCode => vec![0x83, 0x80, 0, 0, 0, 0],
            Self::Unmasked => vec![0x81, 0x01, b'x'],
            Self::NotUtf8 => frame(TEXT, b"\xFF\xFE"),
            Self::TooBig => [&[0x82, 0xFF][..], &(1_u64 << 40).to_be_bytes(), &[0; 4]].concat(),
            Self::HalfACode => frame(CLOSE, b"\x03"),
            Self::InvalidCode => frame(CLOSE, &1005_u16.to_be_bytes()),
            Self::StrayContinuation => frame(0, b"x"),
        }
    }

    pub fn code(self) -> u16 {
        match self {
            Self::NotUtf8 => 1007,
            Self::TooBig => 1009,
            _ => 1002,
        }
    }
}

impl Plan {
    pub fn draw(rng: &mut SmallRng, clock: Clock) -> Self {
        let messages = rng.random_range(0..12);
        let mut plan = Self {
            factory: fate(rng, clock, 0.02),
            on_connect: fate(rng, clock, 0.03),
            on_open: calm(rng, clock),
            on_message: (0..messages).map(|_| calm(rng, clock)).collect(),
            on_pong: Vec::new(),
            on_error: last(rng, clock),
            on_close: last(rng, clock),
            slow_reader: *[SlowReader::Disconnect, SlowReader::DropNewest, SlowReader::DropOldest]
                .choose(rng)
                .expect("one"),
            outbox: (rng.random_range(300..4096), rng.random_range(1..12)),
            pipe: *[64, 1024, 16 * 1024].choose(rng).expect("one"),
            client: steps(rng, clock, messages),
            end: end(rng, clock),
            reads: usize::MAX,
            answers_close: true,
        };
        if rng.random_bool(0.6) {
            let trouble = trouble(rng);
            let place = match rng.random_range(0..messages + 3) {
                0 => &mut plan.on_open,
                1 => &mut plan.on_pong,
                nth if nth - 2 < messages => &mut plan.on_message[nth - 2],
                _ => &mut plan.on_open,
            };
            place.insert(rng.random_range(0..=place.len()), trouble);
        }
        if !plan.on_pong.is_empty() {
            plan.on_open.insert(0, Act::Ping);
        }
        if clock == Clock::Virtual {
            if rng.random_bool(0.15) {
                plan.reads = rng.random_range(0..6);
            }
            plan.answers_close = rng.random_bool(0.8);
        }
        plan
    }
}

fn fate(rng: &mut SmallRng, clock: Clock, trouble: f64) -> Fate {
    match rng.random_range(0..3) {
        _ if rng.random_bool(1.0 - trouble) => Fate::Accepted,
        0 => Fate::Refused,
        1 if clock == Clock::Virtual => Fate::TooSlow,
        _ => Fate::Panics,
    }
}

fn calm(rng: &mut SmallRng, clock: Clock) -> Vec<Act> {
    let mut acts = Vec::new();
    for _ in 0..rng.random_range(0..4) {
        acts.push(match rng.random_range(0..10) {
            0..5 => Act::Reply,
            5 => Act::SendElsewhere,
            6 => Act::Ping,
            7 if rng.random_bool(0.2) => Act::Flood,
            _ => Act::Work(work(rng, clock)),
        });
    }
    acts
}

fn trouble(rng: &mut SmallRng) -> Act {
    let code = rng.random_range(4000..5000);
    match rng.random_range(0..7) {
        0 => Act::CloseHere(code),
        1 => Act::CloseElsewhere(code),
        2 => Act::Fail,
        3 => Act::Kick(code),
        4 => Act::KickWithInvalidCode,
        5 => Act::Flood,
        _ => Act::Panic,
    }
}

fn last(rng: &mut SmallRng, clock: Clock) -> Last {
    match rng.random_range(0..8) {
        0 => Last::Panics,
        1 => Last::Works(work(rng, clock)),
        _ => Last::Returns,
    }
}

/// Real time only yields; virtual time passes for nothing, up to beyond every timeout.
fn work(rng: &mut SmallRng, clock: Clock) -> Duration {
    match clock {
        Clock::Real => Duration::ZERO,
        Clock::Virtual if rng.random_bool(0.1) => Duration::from_secs(rng.random_range(1..100)),
        Clock::Virtual => Duration::from_millis(rng.random_range(0..50)),
    }
}

fn steps(rng: &mut SmallRng, clock: Clock, messages: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..messages {
        let padding = match rng.random_range(0..100) {
            0 => rng.random_range(16_000..60_000),
            1..10 => rng.random_range(100..5_000),
            _ => rng.random_range(0..100),
        };
        let frames = if rng.random_bool(0.2) { rng.random_range(2..6) } else { 1 };
        steps.push(Step::Message { padding, frames, binary: rng.random() });
        match rng.random_range(0..10) {
            0 => steps.push(Step::Ping),
            1 => steps.push(Step::Pong),
            2 => steps.push(Step::Wait(work(rng, clock))),
            _ => {}
        }
    }
    steps
}

fn end(rng: &mut SmallRng, clock: Clock) -> End {
    const GARBAGE: [Garbage; 8] = [
        Garbage::ReservedBits,
        Garbage::UnknownOpCode,
        Garbage::Unmasked,
        Garbage::NotUtf8,
        Garbage::TooBig,
        Garbage::HalfACode,
        Garbage::InvalidCode,
        Garbage::StrayContinuation,
    ];
    match rng.random_range(0..if clock == Clock::Virtual { 20 } else { 16 }) {
        0..5 => End::Close(Some(rng.random_range(3000..4000))),
        5 => End::Close(None),
        6..9 => End::Garbage(*GARBAGE.choose(rng).expect("one")),
        9..13 => End::Drop,
        13 | 14 => End::DropWithinFrame,
        15 => End::DropBeforeAnswer,
        16 | 17 => End::Mute,
        _ => End::MuteWithinFrame,
    }
}
