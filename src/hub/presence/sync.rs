//! Keeping in step with other nodes.
//!
//! Each step of a node's own members goes to the nodes that are interested in the room, and says which step it
//! follows: whoever finds that one is missing asks for all of them. Besides, every node says with its beats what it
//! knows of others, room by room, and whoever knows better about their own members sends them. So nodes agree again
//! whatever was lost; when a link was broken they compare everything at once.

use std::sync::atomic::Ordering::Relaxed;

use crate::{
    adapter::{NodeId, Subject},
    conn::ConnId,
    hub::{Hub, cluster::Packet},
};

use super::{
    Gone, SHARDS,
    room::{Applied, Diff, Member, Room, Snapshot},
};

/// As many members as a part of a snapshot has.
const PART: usize = 256;

/// As many rooms as are compared in one packet; and about as many with each beat.
const COMPARED: usize = 128;

/// What a node knows of others in a room where it has a member itself.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::hub) struct Check {
    pub(in crate::hub) room: Box<str>,
    /// The last step of each node that it knows; of others it knows none.
    pub(in crate::hub) known: Vec<(NodeId, u64)>,
}

impl Hub {
    /// One of this node's own members has come or gone.
    pub(super) fn step(&self, name: &str, room: &mut Room, id: ConnId, came: Option<Member>) {
        if self.0.cluster.is_none() {
            return;
        }
        let version = self.0.presence.version.fetch_add(1, Relaxed) + 1;
        let prev = std::mem::replace(&mut room.version, version);
        let diff = Diff { room: name.into(), prev, version, id, came };
        self.tell_nodes(&Subject::room(name), &Packet::Diff(diff));
    }

    /// This node has a member in the room again: it may not have heard who is there.
    pub(super) fn ask_about(&self, name: &str, room: &Room) {
        let check = Check { room: name.into(), known: room.known() };
        self.tell_nodes(&Subject::room(name), &Packet::Check(vec![check]));
    }

    fn tell_nodes(&self, subject: &Subject, packet: &Packet) {
        if let Some(cluster) = &self.0.cluster {
            // One that is not handed over is made up for by the next comparison.
            cluster.tell(subject, packet);
        }
    }

    /// Compares some rooms with all nodes, and others the next time: every one within sixteen times.
    pub(in crate::hub) fn compare_some(&self) {
        let turn = &self.0.presence.turn;
        let mut checks = Vec::new();
        for _ in 0..SHARDS {
            self.checks(turn.fetch_add(1, Relaxed) % SHARDS, &mut checks);
            if checks.len() >= COMPARED {
                break;
            }
        }
        self.send_checks(&Subject::Everybody, &checks);
    }

    /// Compares every room with one node or all.
    pub(in crate::hub) fn compare_all(&self, with: &Subject) {
        let mut checks = Vec::new();
        (0..SHARDS).for_each(|shard| self.checks(shard, &mut checks));
        self.send_checks(with, &checks);
    }

    fn checks(&self, shard: usize, checks: &mut Vec<Check>) {
        let mut rooms = self.0.presence.shards[shard].lock();
        checks.extend(rooms.iter_mut().map(|(name, room)| {
            room.ask_again();
            Check { room: name.clone(), known: room.known() }
        }));
    }

    fn send_checks(&self, subject: &Subject, checks: &[Check]) {
        for some in checks.chunks(COMPARED) {
            self.tell_nodes(subject, &Packet::Check(some.to_vec()));
        }
    }

    /// Another node says what it knows: it is told what it does not know of this one's members.
    pub(in crate::hub) fn compared(&self, asker: NodeId, checks: Vec<Check>) {
        for Check { room: name, known } in checks {
            let known =
                known.into_iter().find(|(node, _)| *node == self.node()).map_or(0, |(_, version)| version);
            let rooms = self.0.presence.shard(&name).lock();
            let room = rooms.get(&name);
            if known != room.map_or(0, |room| room.version) {
                self.send_snapshot(asker, &name, room);
            }
        }
    }

    fn send_snapshot(&self, to: NodeId, name: &str, room: Option<&Room>) {
        let own = room.into_iter().flat_map(|room| room.of(self.node()));
        let members: Vec<_> = own.map(|(id, member)| (id, member.clone())).collect();
        let parts = members.len().div_ceil(PART).max(1);
        for part in 0..parts {
            let snapshot = Snapshot {
                room: name.into(),
                version: room.map_or(0, |room| room.version),
                part: part as u32,
                last: part + 1 == parts,
                members: members.iter().skip(part * PART).take(PART).cloned().collect(),
            };
            self.tell_nodes(&Subject::Node(to), &Packet::Snapshot(snapshot));
        }
    }

    /// A step of another node.
    pub(in crate::hub) fn diff(&self, node: NodeId, diff: Diff) {
        let name = diff.room.clone();
        let mut rooms = self.0.presence.shard(&name).lock();
        let Some(room) = rooms.get_mut(&name) else { return };
        match room.apply(node, diff) {
            Applied::Done(change) => change.iter().for_each(|change| self.tell(&name, change)),
            Applied::Gap(Some(known)) => {
                let check = Check { room: name, known: vec![(node, known)] };
                self.tell_nodes(&Subject::Node(node), &Packet::Check(vec![check]));
            }
            Applied::Old | Applied::Gap(None) => {}
        }
    }

    /// All members of another node.
    pub(in crate::hub) fn snapshot(&self, node: NodeId, snapshot: Snapshot) {
        let name = snapshot.room.clone();
        let mut rooms = self.0.presence.shard(&name).lock();
        let Some(room) = rooms.get_mut(&name) else { return };
        for change in room.replace(node, snapshot) {
            self.tell(&name, &change);
        }
    }

    /// A node has said goodbye: its members may come back to another one.
    pub(in crate::hub) fn node_left(&self, node: NodeId) {
        self.let_go_later(Gone::Node(node));
    }

    /// A node is dead, and its members are gone.
    pub(in crate::hub) fn forget_node(&self, node: NodeId) {
        for shard in &self.0.presence.shards {
            for (name, room) in shard.lock().iter_mut() {
                for change in room.remove_node(node) {
                    self.tell(name, &change);
                }
            }
        }
    }
}
