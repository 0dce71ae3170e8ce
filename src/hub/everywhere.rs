//! [`Everywhere`]: looking things up on all nodes.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{adapter::NodeId, conn::ConnId};

use super::{
    ConnInfo, Counts, Hub, TapEverywhere, TapFilter,
    cluster::{Answer, Question},
};

/// Asks all nodes at once, this one included; made by [`Hub::everywhere`].
///
/// An answer is waited for until a deadline, one second by default: what has come by then is [`Gathered`].
#[derive(Debug, Clone)]
#[must_use = "nothing is asked yet"]
pub struct Everywhere {
    pub(super) hub: Hub,
    deadline: Duration,
}

/// What the nodes have answered, and which have not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gathered<T> {
    /// What those that answered know.
    pub value: T,
    /// Nodes that did not answer in time: what they know is missing.
    pub missing: Vec<NodeId>,
    /// Some node had more to say than the 1,000 entries that an answer has.
    pub truncated: bool,
}

impl<T> Gathered<T> {
    /// Whether every node that is known has said all that it knows.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && !self.truncated
    }
}

impl Everywhere {
    /// How long to wait for answers: one second by default.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The connections in a room, by their ids.
    pub async fn members(&self, room: &str) -> Gathered<Vec<ConnInfo>> {
        self.conns(None, Question::Members(room.into())).await
    }

    /// The connections of a user, by their ids.
    pub async fn connections_of(&self, user: &str) -> Gathered<Vec<ConnInfo>> {
        self.conns(None, Question::ConnectionsOf(user.into())).await
    }

    /// What is known about a connection, wherever it is; `None` if it is gone.
    pub async fn connection(&self, id: ConnId) -> Gathered<Option<ConnInfo>> {
        let Gathered { value, missing, truncated } =
            self.conns(Some(id.node()), Question::Connection(id)).await;
        Gathered { value: value.into_iter().next(), missing, truncated }
    }

    /// How many connections, rooms and users the nodes have, added up. A room or a user may be on several.
    pub async fn counts(&self) -> Gathered<Counts> {
        self.gather(None, Question::Counts, Counts::default(), |counts, answer| {
            if let Answer::Counts(more) = answer {
                counts.connections += more.connections;
                counts.rooms += more.rooms;
                counts.users += more.users;
                counts.encoded += more.encoded;
                counts.compressed += more.compressed;
            }
            false
        })
        .await
    }

    /// Rooms, and how many connections are in them, by name.
    pub async fn rooms(&self) -> Gathered<BTreeMap<String, usize>> {
        self.gather(None, Question::Rooms("".into()), BTreeMap::new(), |rooms, answer| {
            let Answer::Groups(list, more) = answer else { return false };
            for (room, members) in list {
                *rooms.entry(room).or_default() += members;
            }
            more
        })
        .await
    }

    /// Watches what happens on every node from here on, this one included. Drop the tap to stop.
    ///
    /// The deadline does not matter here. A filter's [`redact`](TapFilter::redact) runs here; what nodes show one
    /// another goes through their own [`HubBuilder::redact`](crate::HubBuilder::redact) before.
    pub fn tap(&self, filter: TapFilter) -> TapEverywhere {
        TapEverywhere::new(&self.hub, filter)
    }

    async fn conns(&self, one: Option<NodeId>, question: Question) -> Gathered<Vec<ConnInfo>> {
        let add = |conns: &mut Vec<ConnInfo>, answer| {
            let Answer::Conns(list, more) = answer else { return false };
            conns.extend(list);
            more
        };
        let mut gathered = self.gather(one, question, Vec::new(), add).await;
        gathered.value.sort_unstable_by_key(|conn| conn.id);
        gathered
    }

    /// Adds the answers up, of `one` node or of all; `add` tells whether there was more.
    async fn gather<T>(
        &self,
        one: Option<NodeId>,
        question: Question,
        mut value: T,
        mut add: impl FnMut(&mut T, Answer) -> bool,
    ) -> Gathered<T> {
        let here = one.is_none_or(|node| node == self.hub.node());
        let own = here.then(|| self.hub.reply(&question)).flatten();
        let mut truncated = own.is_some_and(|answer| add(&mut value, answer));
        let mut missing = Vec::new();
        if !here || one.is_none() {
            let (answers, silent) = self.ask(one, question).await;
            for (_, answer) in answers {
                truncated |= add(&mut value, answer);
            }
            missing = silent;
        }
        Gathered { value, missing, truncated }
    }

    /// What `one` other node says, or all others, and who says nothing until the deadline.
    pub(super) async fn ask(
        &self,
        one: Option<NodeId>,
        question: Question,
    ) -> (Vec<(NodeId, Answer)>, Vec<NodeId>) {
        match &self.hub.0.cluster {
            Some(cluster) => cluster.ask(one, question, Instant::now() + self.deadline).await,
            None => (Vec::new(), Vec::new()),
        }
    }
}

impl Hub {
    /// Looks things up on every node.
    ///
    /// ```
    /// # async fn example(hub: gustnado::Hub) {
    /// let lobby = hub.everywhere().members("lobby").await;
    /// println!("{} connections in the lobby", lobby.value.len());
    /// if !lobby.missing.is_empty() {
    ///     println!("and what these nodes have: {:?}", lobby.missing);
    /// }
    /// # }
    /// ```
    pub fn everywhere(&self) -> Everywhere {
        Everywhere { hub: self.clone(), deadline: Duration::from_secs(1) }
    }
}
