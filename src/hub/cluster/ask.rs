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
    hub::{ConnInfo, Counts, Hub, Page, history::Rule, listing::Listing},
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
    /// Those whose names hold a text.
    Rooms(Box<str>),
    /// Those whose names hold a text.
    Users(Box<str>),
    Members(Box<str>),
    ConnectionsOf(Box<str>),
    Connection(ConnId),
    /// Which rooms keep history.
    Rules,
    /// To pass on what happens there for a while. Asked again and again, under the same number, and answered with each
    /// batch.
    Tap(Wish),
    List(Listing),
}

/// What it says.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) enum Answer {
    Counts(Counts),
    /// Names of rooms or users with how many connections each has, and whether there are more.
    Groups(Vec<(String, usize)>, bool),
    /// The connections, and whether there are more.
    Conns(Vec<ConnInfo>, bool),
    Rules(Vec<Rule>),
    Events(Batch),
    /// How many there are, and the first of them.
    Listed(usize, Vec<ConnInfo>),
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
    ) -> (Vec<(NodeId, Answer)>, Vec<NodeId>) {
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
                answers.push((node, answer));
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
            Question::Rooms(search) => groups(self.room_sizes(search)),
            Question::Users(search) => groups(self.user_sizes(search)),
            Question::Members(room) => conns(self.members(room, page)),
            Question::ConnectionsOf(user) => conns(self.connections_of(user, page)),
            Question::Connection(id) => conns(self.connection(*id).into_iter().collect()),
            Question::Rules => Answer::Rules(self.0.histories.rules()),
            Question::List(listing) => {
                let (total, first) =
                    Listing { take: listing.take.min(MAX_ANSWERS), ..listing.clone() }.of(self);
                Answer::Listed(total, first)
            }
            Question::Tap(_) => return None,
        })
    }
}

fn groups(mut sizes: Vec<(String, usize)>) -> Answer {
    let more = sizes.len() > MAX_ANSWERS;
    sizes.truncate(MAX_ANSWERS);
    Answer::Groups(sizes, more)
}

impl Wire for Question {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Counts => 0_u8.write(out),
            Self::Rooms(search) => named(1, search, out),
            Self::Members(room) => named(2, room, out),
            Self::ConnectionsOf(user) => named(3, user, out),
            Self::Connection(id) => {
                4_u8.write(out);
                id.write(out);
            }
            Self::Rules => 5_u8.write(out),
            Self::Tap(wish) => {
                6_u8.write(out);
                wish.write(out);
            }
            Self::Users(search) => named(7, search, out),
            Self::List(listing) => {
                8_u8.write(out);
                listing.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            0 => Some(Self::Counts),
            1 => Wire::read(input).map(Self::Rooms),
            2 => Wire::read(input).map(Self::Members),
            3 => Wire::read(input).map(Self::ConnectionsOf),
            4 => Wire::read(input).map(Self::Connection),
            5 => Some(Self::Rules),
            6 => Wire::read(input).map(Self::Tap),
            7 => Wire::read(input).map(Self::Users),
            8 => Wire::read(input).map(Self::List),
            _ => None,
        }
    }
}

fn named(kind: u8, name: &str, out: &mut dyn Sink) {
    kind.write(out);
    Box::<str>::from(name).write(out);
}

impl Wire for Answer {
    fn write(&self, out: &mut dyn Sink) {
        match self {
            Self::Counts(counts) => {
                0_u8.write(out);
                counts.write(out);
            }
            Self::Groups(sizes, more) => {
                1_u8.write(out);
                sizes.write(out);
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
            Self::Listed(total, first) => {
                5_u8.write(out);
                total.write(out);
                first.write(out);
            }
        }
    }

    fn read(input: &mut Bytes) -> Option<Self> {
        match u8::read(input)? {
            0 => Counts::read(input).map(Self::Counts),
            1 => Some(Self::Groups(Wire::read(input)?, Wire::read(input)?)),
            2 => Some(Self::Conns(Wire::read(input)?, Wire::read(input)?)),
            3 => Wire::read(input).map(Self::Rules),
            4 => Wire::read(input).map(Self::Events),
            5 => Some(Self::Listed(Wire::read(input)?, Wire::read(input)?)),
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
    Listing { room, user, search, sort, descending, take }
    Counts { connections, rooms, users, encoded, compressed }
    ConnInfo {
        id, endpoint, user, peer, path, protocol, rooms, since, traffic, buffered, round_trip, metadata,
    }
    Traffic {
        messages_received, bytes_received, messages_sent, bytes_sent, dropped_newest, dropped_oldest, unsent,
        ignored, rate_limited,
    }
}
