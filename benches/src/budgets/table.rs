//! The budgets: what a message and a connection may cost, each with its reason. This is the place to change one.

use crate::work::Work;

/// What one piece of work may cost.
pub struct Budget {
    /// What is done.
    pub work: Work,
    /// What is counted.
    pub unit: Unit,
    /// What it cost when this line was last changed.
    pub recorded: f64,
    /// How much more it may be, as a part of it: counts are exact, but another compiler makes other code.
    pub margin: f64,
    /// Why it costs that, or why it may cost no more.
    #[allow(dead_code, reason = "for who reads this file")]
    pub because: &'static str,
}

/// What is counted for each message, delivery or connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Instructions of user space, by callgrind.
    Instructions,
    /// Calls of the allocator.
    Allocations,
    /// Bytes that are allocated afterwards.
    Bytes,
}

use Unit::{Allocations, Bytes, Instructions};

pub const BUDGETS: &[Budget] = &[
    budget(
        Work::Echo { payload: 16, in_flight: 1 },
        Instructions,
        4_217.0,
        0.10,
        "one wake-up of the task, one read, one callback, one write; the kernel's part is not in it",
    ),
    budget(
        Work::Echo { payload: 16, in_flight: 1 },
        Allocations,
        4.03,
        0.05,
        "the callback's boxed future, the message's bytes, the outbox's chunk and its list of chunks, given back when empty",
    ),
    budget(
        Work::Echo { payload: 16, in_flight: 64 },
        Instructions,
        1_133.0,
        0.10,
        "the wake-up, the read and the write are shared by 64: what is left is framing, the callback and the outbox",
    ),
    budget(
        Work::Echo { payload: 16, in_flight: 64 },
        Allocations,
        1.12,
        0.05,
        "small payloads of a batch share an allocation, and so do the frames in the outbox",
    ),
    budget(
        Work::Echo { payload: 1024, in_flight: 16 },
        Instructions,
        3_228.0,
        0.10,
        "unmasking and two copies of 1 KiB are in it, one of which callgrind counts byte by byte (`rep movsb`)",
    ),
    budget(
        Work::Echo { payload: 1024, in_flight: 16 },
        Allocations,
        2.06,
        0.05,
        "at most three payloads share an allocation of 4 KiB",
    ),
    budget(
        Work::Fanout { payload: 128, members: 128 },
        Instructions,
        1_918.0,
        0.10,
        "encoded once; for each member a lock, a copy into the outbox, a wake-up and a write",
    ),
    budget(
        Work::Fanout { payload: 128, members: 128 },
        Allocations,
        1.47,
        0.05,
        "the outbox's chunk of each member, given back when it is empty",
    ),
    budget(
        Work::Connect,
        Instructions,
        65_036.0,
        0.10,
        "hyper's parsing and upgrade, two tasks, the hub's registration, on_close and its log event's span",
    ),
    budget(Work::Connect, Allocations, 44.0, 0.05, "about half of them are hyper's and http's"),
    budget(
        Work::Idle,
        Bytes,
        1_531.0,
        0.05,
        "task, Conn, hub entries, the copied request; no buffers. It decides how many connections a machine holds. A \
         task of more than 640 bytes takes 128 more",
    ),
    budget(Work::Echoed, Bytes, 1_531.0, 0.05, "as idle: buffers are given back before the task sleeps"),
    budget(
        Work::Closed,
        Bytes,
        8.0,
        0.50,
        "nothing stays but room in the hub's tables, which shrink with a delay",
    ),
];

const fn budget(work: Work, unit: Unit, recorded: f64, margin: f64, because: &'static str) -> Budget {
    Budget { work, unit, recorded, margin, because }
}

impl Budget {
    /// What may not be exceeded.
    pub fn limit(&self) -> f64 {
        self.recorded * (1.0 + self.margin)
    }
}
