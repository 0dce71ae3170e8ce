//! Questions to other nodes, and their answers.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Weak},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::mpsc, time::Instant};

use crate::{
    adapter::{NodeId, Subject},
    conn::{Conn, ConnId},
    hub::{ConnInfo, Counts, Hub, Page, history::Rule},
    stats::Traffic,
};

use super::{
    Cluster,
    lent::{Batch, Wish},
    packet::Packet,
    wire::{Sink, Wire, wire},
};

/// As many connections or rooms as one answer has: what is more is left out, and said to be.
const MAX_ANSWERS: usize = 1_000;

/// What a node can be asked.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Question {
    Counts,
    Rooms,
    Members(Box<str>),
    ConnectionsOf(Box<str>),
    Connection(ConnId),
    /// Which rooms keep history.
    Rules,
    /// To pass on what happens there for a while. Asked again and again, under the same number, and answered with each
    /// batch.
    Tap(Wish),
}

/// What it says.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Answer {
    Counts(Counts),
    /// Names and members, and whether there are more.
    Rooms(Vec<(String, usize)>, bool),
    /// The connections, and whether there are more.
    Conns(Vec<ConnInfo>, bool),
    Rules(Vec<Rule>),
    Events(Batch),
}

/// Who waits for which answers.
#[derive(Default)]
pub(super) struct Questions(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    last: u64,
    askers: HashMap<u64, Asker>,
}

struct Asker {
    answers: mpsc::Sender<(NodeId, Answer)>,
    /// What is asked again and again.
    standing: Option<Question>,
}

/// A question that was asked; dropped, nobody waits for its answers any more.
#[derive(Debug)]
pub(in crate::hub) struct Asked {
    questions: Weak<Questions>,
    id: u64,
}

impl Questions {
    fn enter(self: &Arc<Self>, asker: Asker) -> Asked {
        let mut waiting = self.0.lock();
        waiting.last += 1;
        let id = waiting.last;
        waiting.askers.insert(id, asker);
        Asked { questions: Arc::downgrade(self), id }
    }

    /// Passes an answer on; one that nobody waits for came too late.
    pub(super) fn answer(&self, id: u64, node: NodeId, answer: Answer) {
        if let Some(asker) = self.0.lock().askers.get(&id) {
            let _ = asker.answers.try_send((node, answer));
        }
    }

    fn standing(&self) -> Vec<Packet> {
        let waiting = self.0.lock();
        let standing = waiting.askers.iter().filter_map(|(id, asker)| Some((*id, asker.standing.clone()?)));
        standing.map(|(id, question)| Packet::Question(id, question)).collect()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(questions) = self.questions.upgrade() {
            questions.0.lock().askers.remove(&self.id);
        }
    }
}

impl Cluster {
    /// Asks one node, or all; the answers that come until the deadline, and who has not answered by then.
    pub(in crate::hub) async fn ask(
        &self,
        one: Option<NodeId>,
        question: Question,
        deadline: Instant,
    ) -> (Vec<Answer>, Vec<NodeId>) {
        let (subject, nodes) = match one {
            Some(node) => (Subject::Node(node), vec![node]),
            None => (Subject::Everybody, self.nodes()),
        };
        let mut missing: HashSet<NodeId> = nodes.into_iter().collect();
        // Nodes that are not known yet may answer too.
        let (asker, mut answered) = mpsc::channel(2 * missing.len() + 16);
        let asked = self.questions.enter(Asker { answers: asker, standing: None });
        let mut answers = Vec::new();
        if self.tell(&subject, &Packet::Question(asked.id, question)) {
            while !missing.is_empty() {
                let next = tokio::time::timeout_at(deadline, answered.recv()).await;
                let Ok(Some((node, answer))) = next else { break };
                missing.remove(&node);
                answers.push(answer);
            }
        }
        let mut missing: Vec<_> = missing.into_iter().collect();
        missing.sort_unstable();
        (answers, missing)
    }

    /// Asks all nodes until what this returns is dropped, again and again; at most so many answers wait.
    pub(in crate::hub) fn keep_asking(
        &self,
        question: Question,
        waiting: usize,
    ) -> (Asked, mpsc::Receiver<(NodeId, Answer)>) {
        let (answers, answered) = mpsc::channel(waiting);
        let asked = self.questions.enter(Asker { answers, standing: Some(question.clone()) });
        self.tell(&Subject::Everybody, &Packet::Question(asked.id, question));
        (asked, answered)
    }

    /// Asks again what is asked again and again.
    pub(super) fn ask_again(&self, subject: &Subject) {
        for question in self.questions.standing() {
            self.tell(subject, &question);
        }
    }
}

impl Hub {
    /// What this node has to say at once.
    pub(in crate::hub) fn reply(&self, question: &Question) -> Option<Answer> {
        let page = Page::first(MAX_ANSWERS + 1);
        let conns = |mut conns: Vec<Conn>| {
            let more = conns.len() > MAX_ANSWERS;
            conns.truncate(MAX_ANSWERS);
            Answer::Conns(conns.iter().map(Conn::info).collect(), more)
        };
        Some(match question {
            Question::Counts => Answer::Counts(self.counts()),
            Question::Rooms => {
                let mut rooms = self.room_list(page);
                let more = rooms.len() > MAX_ANSWERS;
                rooms.truncate(MAX_ANSWERS);
                Answer::Rooms(rooms.into_iter().map(|room| (room.name, room.members)).collect(), more)
            }
            Question::Members(room) => conns(self.members(room, page)),
            Question::ConnectionsOf(user) => conns(self.connections_of(user, page)),
            Question::Connection(id) => conns(self.connection(*id).into_iter().collect()),
            Question::Rules => Answer::Rules(self.0.histories.rules()),
            Question::Tap(_) => return None,
        })
    }
}

impl Wire for Question {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Counts => 0_u8.write(out),
            Self::Rooms => 1_u8.write(out),
            Self::Members(room) => {
                2_u8.write(out);
                room.write(out);
            }
            Self::ConnectionsOf(user) => {
                3_u8.write(out);
                user.write(out);
            }
            Self::Connection(id) => {
                4_u8.write(out);
                id.write(out);
            }
            Self::Rules => 5_u8.write(out),
            Self::Tap(wish) => {
                6_u8.write(out);
                wish.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            0 => Some(Self::Counts),
            1 => Some(Self::Rooms),
            2 => Wire::read(input).map(Self::Members),
            3 => Wire::read(input).map(Self::ConnectionsOf),
            4 => Wire::read(input).map(Self::Connection),
            5 => Some(Self::Rules),
            6 => Wire::read(input).map(Self::Tap),
            _ => None,
        }
    }
}

impl Wire for Answer {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Counts(counts) => {
                0_u8.write(out);
                counts.write(out);
            }
            Self::Rooms(rooms, more) => {
                1_u8.write(out);
                rooms.write(out);
                more.write(out);
            }
            Self::Conns(conns, more) => {
                2_u8.write(out);
                conns.write(out);
                more.write(out);
            }
            Self::Rules(rules) => {
                3_u8.write(out);
                rules.write(out);
            }
            Self::Events(batch) => {
                4_u8.write(out);
                batch.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            0 => Counts::read(input).map(Self::Counts),
            1 => Some(Self::Rooms(Wire::read(input)?, Wire::read(input)?)),
            2 => Some(Self::Conns(Wire::read(input)?, Wire::read(input)?)),
            3 => Wire::read(input).map(Self::Rules),
            4 => Wire::read(input).map(Self::Events),
            _ => None,
        }
    }
}

/// As text: it is read by people.
impl Wire for std::net::SocketAddr {
    fn write(&self, out: &mut dyn Sink) {
        self.to_string().write(out);
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        String::read(input)?.parse().ok()
    }
}

wire! {
    Counts { connections, rooms, users, encoded, compressed }
    ConnInfo {
        id, endpoint, user, peer, path, protocol, rooms, since, traffic, buffered, round_trip, metadata,
    }
    Traffic {
        messages_received, bytes_received, messages_sent, bytes_sent, dropped_newest, dropped_oldest, unsent,
        ignored, rate_limited,
    }
}
