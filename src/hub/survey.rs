//! What the admin page asks of all nodes: of this one everything, of others what an answer holds.

use std::collections::BTreeMap;

use crate::adapter::NodeId;

use super::{
    ConnInfo, Counts, Everywhere, Gathered, Hub, RoomInfo,
    cluster::{Answer, Question},
    listing::Listing,
};

/// How many connections there are on which node.
pub(crate) type Sizes = BTreeMap<NodeId, usize>;

impl Everywhere {
    /// How many connections each node has, and the first of all.
    pub(crate) async fn list(&self, listing: Listing) -> Gathered<(Sizes, Vec<ConnInfo>)> {
        let (here, mut first) = listing.of(&self.hub);
        let mut sizes = Sizes::from([(self.hub.node(), here)]);
        let (answers, missing) = self.ask(None, Question::List(listing.clone())).await;
        let mut truncated = false;
        for (node, answer) in answers {
            if let Answer::Listed(total, list) = answer {
                truncated |= list.len() < total.min(listing.take);
                sizes.insert(node, total);
                first.extend(list);
            }
        }
        listing.order(&mut first);
        Gathered { value: (sizes, first), missing, truncated }
    }

    /// Rooms whose names hold a text.
    pub(crate) async fn rooms_by_node(&self, search: &str) -> Gathered<BTreeMap<String, Sizes>> {
        self.spread(self.hub.room_sizes(search), Question::Rooms(search.into())).await
    }

    /// Users whose names hold a text.
    pub(crate) async fn users_by_node(&self, search: &str) -> Gathered<BTreeMap<String, Sizes>> {
        self.spread(self.hub.user_sizes(search), Question::Users(search.into())).await
    }

    /// What each node has.
    pub(crate) async fn counts_by_node(&self) -> Gathered<BTreeMap<NodeId, Counts>> {
        let mut value = BTreeMap::from([(self.hub.node(), self.hub.counts())]);
        let (answers, missing) = self.ask(None, Question::Counts).await;
        for (node, answer) in answers {
            if let Answer::Counts(counts) = answer {
                value.insert(node, counts);
            }
        }
        Gathered { value, missing, truncated: false }
    }

    async fn spread(
        &self,
        here: Vec<(String, usize)>,
        question: Question,
    ) -> Gathered<BTreeMap<String, Sizes>> {
        let mut value = BTreeMap::<String, Sizes>::new();
        let mut truncated = false;
        let (answers, missing) = self.ask(None, question).await;
        let others = answers.into_iter().filter_map(|(node, answer)| match answer {
            Answer::Groups(sizes, more) => {
                truncated |= more;
                Some((node, sizes))
            }
            _ => None,
        });
        for (node, sizes) in others.chain([(self.hub.node(), here)]) {
            for (name, size) in sizes {
                value.entry(name).or_default().insert(node, size);
            }
        }
        Gathered { value, missing, truncated }
    }
}

impl Hub {
    /// What this node knows of one of its rooms.
    pub(crate) fn room_info(&self, name: &str) -> Option<RoomInfo> {
        let room = self.0.index.read().rooms.get(name).cloned();
        room.map(|room| RoomInfo::of(&room))
    }
}
