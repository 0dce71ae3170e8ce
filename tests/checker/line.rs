//! [`Line`]: what somebody did or saw, as one line of JSON.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

/// What somebody did or saw, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// In milliseconds, by a clock that all of the run share.
    pub at: u64,
    /// The publisher, the subscriber, the node, or whoever made the fault.
    pub who: String,
    #[serde(flatten)]
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub epoch: String,
    pub offset: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// How the hubs are set up.
    Run {
        kept: u64,
        age: u64,
        recover_max: u64,
        /// For how long somebody who is away has not gone.
        grace: u64,
    },
    /// A publisher sends, over its so many-th connection.
    Sent {
        connection: u64,
        room: String,
        id: String,
        key: String,
        probe: bool,
    },
    /// It was told what became of it, or gives up waiting.
    Answered {
        room: String,
        id: String,
        outcome: Outcome,
    },
    /// A subscriber was answered to its join, in which it gave its position or did not.
    Joined {
        room: String,
        asked: Option<Position>,
        lost: Option<String>,
        position: Option<Position>,
    },
    /// It was told that it lost messages.
    Lost {
        room: String,
        why: String,
        position: Position,
    },
    /// Its handler got a message.
    Received {
        room: String,
        id: String,
        position: Position,
    },
    /// It left; nothing is due to it any more.
    Left {
        room: String,
    },
    /// Something is broken. What begins with `log` may make logs begin anew.
    Fault {
        fault: String,
    },
    /// Nothing is broken from here on.
    Healed,
    /// What the log has in the end.
    Final {
        room: String,
        epoch: String,
        entries: Vec<(u64, String)>,
    },
    /// A connection of a user entered a room, on a node; or left it.
    Entered {
        user: String,
        room: String,
        node: String,
    },
    Gone {
        user: String,
        room: String,
        node: String,
    },
    /// A subscriber has asked who is there, over a new connection.
    Present {
        room: String,
        users: Vec<String>,
    },
    /// A subscriber was told of a user.
    Online {
        room: String,
        user: String,
        online: bool,
    },
    /// The members of a room as a node lists them, when nobody has come or gone for ten seconds.
    Members {
        room: String,
        users: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted(Position),
    Rejected,
    Unknown,
}

/// Where lines are written: kept, and in a file if there is one.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<(Vec<Line>, Option<File>)>>);

impl Sink {
    pub fn to_file(path: &Path) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new((Vec::new(), Some(File::create(path)?))))))
    }

    pub fn write(&self, at: u64, who: &str, what: What) {
        let line = Line { at, who: who.into(), what };
        let (lines, file) = &mut *self.0.lock().expect("nobody panics with it");
        if let Some(file) = file {
            let text = serde_json::to_string(&line).expect("a line is JSON");
            writeln!(file, "{text}").expect("the file takes it");
        }
        lines.push(line);
    }

    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().expect("nobody panics with it").0.clone()
    }
}

/// The lines of a file, for runs of several processes.
pub fn read(path: &Path) -> std::io::Result<Vec<Line>> {
    let lines = BufReader::new(File::open(path)?).lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}
