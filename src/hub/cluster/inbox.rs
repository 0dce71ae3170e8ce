//! What comes from other nodes, and what is done with it here.

use std::sync::Weak;

use bytes::Bytes;

use crate::{
    adapter::{Inbox, Link, NodeId, Position, Subject},
    hub::{Hub, Inner, taps::What, target::To},
};

use super::{
    Cluster, Question,
    packet::{Beat, Deed, Packet, Undecodable, decode},
};

/// The hub as its adapter knows it, without keeping it alive.
pub(super) struct HubInbox(pub(super) Weak<Inner>);

impl Inbox for HubInbox {
    fn packet(&self, _: &Subject, packet: Bytes) {
        self.with(|hub, cluster| cluster.receive(hub, packet));
    }

    fn entry(&self, room: &str, position: Position, entry: Bytes) {
        self.with(|hub, cluster| {
            cluster.counters.entries.add_one();
            hub.entry(room, position, entry);
        });
    }

    fn link_changed(&self, link: Link) {
        self.with(|hub, cluster| {
            hub.happened(None, || Some(What::Link(link)));
            if link == Link::Up {
                cluster.say_hello(hub);
            }
        });
    }

    fn interrupted(&self) {
        self.with(|hub, cluster| {
            cluster.say_hello(hub);
            hub.check_histories();
        });
    }
}

impl HubInbox {
    fn with(&self, act: impl FnOnce(&Hub, &Cluster)) {
        if let Some(hub) = self.0.upgrade().map(Hub)
            && let Some(cluster) = &hub.0.cluster
        {
            act(&hub, cluster);
        }
    }
}

impl Cluster {
    fn receive(&self, hub: &Hub, packet: Bytes) {
        let counters = &self.counters;
        match decode(packet) {
            Err(Undecodable::Version(version)) => {
                tracing::debug!(version, "a packet of another version");
                counters.unknown_version.add_one();
            }
            Err(Undecodable::Malformed) => {
                tracing::debug!("a packet that cannot be read");
                counters.undecodable.add_one();
            }
            // Its members were served before it left.
            Ok((sender, _)) if sender == self.node => counters.own.add_one(),
            Ok((sender, Packet::Deed(deed))) => self.receive_deed(hub, sender, deed),
            Ok((sender, packet)) => {
                counters.other.add_one();
                self.receive_other(hub, sender, packet);
            }
        }
    }

    /// What nodes tell one another for themselves.
    fn receive_other(&self, hub: &Hub, sender: NodeId, packet: Packet) {
        // Whoever has members is a node that can die, also before its first beat has come.
        if matches!(packet, Packet::Diff(_) | Packet::Snapshot(_) | Packet::Check(_)) {
            self.heard(hub, sender, &Beat::default());
        }
        match packet {
            Packet::Beat(beat) => self.heard(hub, sender, &beat),
            Packet::Bye => self.said_goodbye(hub, sender),
            // Only nodes have something to say.
            Packet::Question(..) if self.quiet => {}
            Packet::Question(id, Question::Tap(wish)) => self.lend(hub, sender, id, wish),
            Packet::Question(id, question) => {
                if let Some(answer) = hub.reply(&question) {
                    self.tell(&Subject::Node(sender), &Packet::Answer(id, answer));
                }
            }
            Packet::Answer(id, answer) => self.questions.answer(id, sender, answer),
            Packet::Diff(diff) => hub.diff(sender, diff),
            Packet::Snapshot(snapshot) => hub.snapshot(sender, snapshot),
            Packet::Check(checks) => hub.compared(sender, checks),
            Packet::Deed(_) => {}
        }
    }

    fn receive_deed(&self, hub: &Hub, sender: NodeId, deed: Deed) {
        if matches!(&deed.to, To::Rooms(rooms) if rooms.len() > 1) && !self.is_new(sender, deed.serial) {
            self.counters.duplicates.add_one();
            return;
        }
        self.counters.deeds.add_one();
        if hub.carry_out(deed) == 0 {
            self.counters.nobody.add_one();
        }
    }
}

impl Hub {
    /// Does here what another node asks for; to how many connections.
    fn carry_out(&self, deed: Deed) -> usize {
        let Deed { to, except, act, serial: _ } = deed;
        self.to(to).except_all(except).do_here(&act)
    }
}
