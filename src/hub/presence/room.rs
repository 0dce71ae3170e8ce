//! [`Room`]: who is in one room, on every node, as far as this node knows. Pure: it tells nobody.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{adapter::NodeId, conn::ConnId};

/// One connection of a user in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hub) struct Member {
    pub(in crate::hub) user: Box<str>,
    pub(in crate::hub) meta: BTreeMap<String, String>,
}

/// A user whose first connection came, or whose last one went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) online: bool,
    pub(crate) id: ConnId,
    pub(in crate::hub) member: Arc<Member>,
}

#[cfg(feature = "commands")]
impl Change {
    pub(crate) fn user(&self) -> &str {
        &self.member.user
    }

    pub(crate) fn meta(&self) -> &BTreeMap<String, String> {
        &self.member.meta
    }
}

/// One step of what a node knows about its own members. Each says which one it follows, and one that follows none is
/// the first.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Diff {
    pub(in crate::hub) room: Box<str>,
    pub(in crate::hub) prev: u64,
    pub(in crate::hub) version: u64,
    pub(in crate::hub) id: ConnId,
    /// `None` if it has gone.
    pub(in crate::hub) came: Option<Member>,
}

/// A part of all that a node knows about its own members.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Snapshot {
    pub(in crate::hub) room: Box<str>,
    /// 0 if it has none.
    pub(in crate::hub) version: u64,
    pub(in crate::hub) part: u32,
    pub(in crate::hub) last: bool,
    pub(in crate::hub) members: Vec<(ConnId, Member)>,
}

/// What became of a [`Diff`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Done(Option<Change>),
    /// It is known already.
    Old,
    /// Something before it is missing; this is what is known, for the node to be asked from there. `None` if it was
    /// asked already.
    Gap(Option<u64>),
}

#[derive(Debug, Default)]
pub(in crate::hub) struct Room {
    members: BTreeMap<ConnId, Arc<Member>>,
    /// How many connections each user has.
    users: HashMap<Box<str>, usize>,
    peers: HashMap<NodeId, Peer>,
    /// Members of this node, those included that are gone and may come back.
    pub(super) own: usize,
    /// Members of this node that are connected.
    pub(super) connected: usize,
    /// The last step of this node's own members.
    pub(super) version: u64,
}

/// What is known of another node with members in the room.
#[derive(Debug, Default)]
struct Peer {
    version: u64,
    asked: bool,
    /// How many parts of a snapshot have come, and their members.
    parts: u32,
    members: Vec<(ConnId, Member)>,
}

impl Room {
    /// By user, each with their connections.
    pub(super) fn members(&self) -> impl Iterator<Item = (ConnId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, &**member))
    }

    /// Members of one node.
    pub(super) fn of(&self, node: NodeId) -> impl Iterator<Item = (ConnId, &Member)> {
        let all = ConnId::new(node, 0)..=ConnId::new(node, u64::MAX);
        self.members.range(all).map(|(id, member)| (*id, &**member))
    }

    pub(super) fn has(&self, id: ConnId) -> bool {
        self.members.contains_key(&id)
    }

    pub(super) fn insert(&mut self, id: ConnId, member: Member) -> Option<Change> {
        let member = Arc::new(member);
        if self.members.insert(id, member.clone()).is_some() {
            return None;
        }
        let count = self.users.entry(member.user.clone()).or_default();
        *count += 1;
        (*count == 1).then_some(Change { online: true, id, member })
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Change> {
        let member = self.members.remove(&id)?;
        let count = self.users.get_mut(&member.user)?;
        *count -= 1;
        if *count > 0 {
            return None;
        }
        self.users.remove(&member.user);
        Some(Change { online: false, id, member })
    }

    /// Every member of a node is gone.
    pub(super) fn remove_node(&mut self, node: NodeId) -> Vec<Change> {
        self.peers.remove(&node);
        let ids: Vec<_> = self.of(node).map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// The last step that is known of each of the others.
    pub(super) fn known(&self) -> Vec<(NodeId, u64)> {
        self.peers.iter().map(|(node, peer)| (*node, peer.version)).collect()
    }

    pub(super) fn apply(&mut self, node: NodeId, diff: Diff) -> Applied {
        let peer = self.peers.entry(node).or_default();
        if diff.version <= peer.version || diff.id.node() != node {
            return Applied::Old;
        }
        if diff.prev != peer.version {
            let asked = std::mem::replace(&mut peer.asked, true);
            return Applied::Gap((!asked).then_some(peer.version));
        }
        peer.version = diff.version;
        let change = match diff.came {
            Some(member) => self.insert(diff.id, member),
            None => self.remove(diff.id),
        };
        self.forget_if_empty(node);
        Applied::Done(change)
    }

    /// Takes a part of a snapshot; what has changed, once it is whole. Who came is told before who went, so that a
    /// user with a new connection for an old one is not gone in between.
    pub(super) fn replace(&mut self, node: NodeId, snapshot: Snapshot) -> Vec<Change> {
        let peer = self.peers.entry(node).or_default();
        let outdated = snapshot.version != 0 && snapshot.version < peer.version;
        if snapshot.part == 0 {
            (peer.parts, peer.members) = (0, Vec::new());
        }
        if outdated || snapshot.part != peer.parts {
            return Vec::new();
        }
        peer.parts += 1;
        peer.members.extend(snapshot.members);
        if !snapshot.last {
            return Vec::new();
        }
        let now = std::mem::take(&mut peer.members);
        *peer = Peer { version: snapshot.version, ..Peer::default() };
        let mut gone: BTreeMap<_, ()> = self.of(node).map(|(id, _)| (id, ())).collect();
        let mut changes = Vec::new();
        for (id, member) in now.into_iter().filter(|(id, _)| id.node() == node) {
            gone.remove(&id);
            changes.extend(self.insert(id, member));
        }
        changes.extend(gone.into_keys().filter_map(|id| self.remove(id)));
        self.forget_if_empty(node);
        changes
    }

    /// Steps begin anew with a node's next first member.
    fn forget_if_empty(&mut self, node: NodeId) {
        if self.of(node).next().is_none() {
            self.peers.remove(&node);
        }
    }

    /// Asks again whoever was asked and has not answered.
    pub(super) fn ask_again(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.asked = false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: NodeId = NodeId::new(7);

    fn member(user: &str) -> Member {
        Member { user: user.into(), meta: BTreeMap::new() }
    }

    fn diff(prev: u64, version: u64, id: u64, came: Option<&str>) -> Diff {
        Diff { room: "r".into(), prev, version, id: ConnId::new(OTHER, id), came: came.map(member) }
    }

    fn snapshot(version: u64, part: u32, last: bool, members: &[(u64, &str)]) -> Snapshot {
        let members = members.iter().map(|(id, user)| (ConnId::new(OTHER, *id), member(user))).collect();
        Snapshot { room: "r".into(), version, part, last, members }
    }

    fn told(changes: &[Change]) -> Vec<(&str, bool)> {
        changes.iter().map(|change| (&*change.member.user, change.online)).collect()
    }

    #[test]
    fn a_second_device_makes_neither_a_join_nor_a_leave() {
        let mut room = Room::default();
        let (phone, laptop) = (ConnId::new(NodeId::new(1), 1), ConnId::new(OTHER, 1));
        assert!(room.insert(phone, member("ann")).is_some_and(|change| change.online));
        assert_eq!(room.insert(laptop, member("ann")), None);
        assert_eq!(room.remove(phone), None);
        assert!(room.remove(laptop).is_some_and(|change| !change.online));
        assert_eq!(room.remove(laptop), None);
    }

    #[test]
    fn a_missing_step_is_noticed_and_asked_for_once() {
        let mut room = Room::default();
        assert!(matches!(room.apply(OTHER, diff(0, 4, 1, Some("ann"))), Applied::Done(Some(_))));
        assert_eq!(room.apply(OTHER, diff(0, 4, 1, Some("ann"))), Applied::Old);
        assert_eq!(room.apply(OTHER, diff(5, 6, 2, Some("bob"))), Applied::Gap(Some(4)));
        assert_eq!(room.apply(OTHER, diff(6, 7, 1, None)), Applied::Gap(None));
        let changes = room.replace(OTHER, snapshot(7, 0, true, &[(2, "bob"), (3, "eve")]));
        assert_eq!(told(&changes), [("bob", true), ("eve", true), ("ann", false)]);
        assert_eq!(room.known(), [(OTHER, 7)]);
        assert!(matches!(room.apply(OTHER, diff(7, 9, 2, None)), Applied::Done(Some(_))));
    }

    #[test]
    fn a_snapshot_counts_when_all_its_parts_have_come_in_order() {
        let mut room = Room::default();
        assert_eq!(room.replace(OTHER, snapshot(3, 1, true, &[(2, "bob")])), [], "its beginning is missing");
        assert_eq!(room.replace(OTHER, snapshot(3, 0, false, &[(1, "ann")])), []);
        assert_eq!(told(&room.replace(OTHER, snapshot(3, 1, true, &[(2, "bob")]))).len(), 2);
        assert_eq!(room.replace(OTHER, snapshot(2, 0, true, &[])), [], "it is older");
        assert_eq!(told(&room.replace(OTHER, snapshot(0, 0, true, &[]))).len(), 2, "it has nobody any more");
        assert_eq!(room.known(), []);
    }

    #[test]
    fn a_node_speaks_for_its_own_members_only() {
        let mut room = Room::default();
        let stranger = ConnId::new(NodeId::new(9), 1);
        let diff = Diff { id: stranger, ..diff(0, 1, 1, Some("ann")) };
        assert_eq!(room.apply(OTHER, diff), Applied::Old);
        let mut snapshot = snapshot(1, 0, true, &[]);
        snapshot.members.push((stranger, member("ann")));
        assert_eq!(room.replace(OTHER, snapshot), []);
    }
}
