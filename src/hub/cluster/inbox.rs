//! What comes from other nodes, and what is done with it here.

use std::sync::Weak;

use bytes::Bytes;

use crate::{
    adapter::{Inbox, Link, Position, Subject},
    hub::{Hub, Inner, tap::What, target::To},
};

use super::{
    Cluster,
    packet::{Deed, Packet, Undecodable, decode},
};

/// The hub as its adapter knows it, without keeping it alive.
pub(super) struct HubInbox(pub(super) Weak<Inner>);

impl Inbox for HubInbox {
    fn packet(&self, _: &Subject, packet: Bytes) {
        if let Some(hub) = self.0.upgrade().map(Hub)
            && let Some(cluster) = &hub.0.cluster
        {
            cluster.receive(&hub, packet);
        }
    }

    fn entry(&self, room: &str, position: Position, entry: Bytes) {
        if let Some(hub) = self.0.upgrade().map(Hub) {
            hub.entry(room, position, entry);
        }
    }

    fn link_changed(&self, link: Link) {
        if let Some(hub) = self.0.upgrade().map(Hub) {
            hub.happened(None, || Some(What::Link(link)));
        }
    }

    fn interrupted(&self) {
        if let Some(hub) = self.0.upgrade().map(Hub) {
            hub.check_histories();
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
            Ok((sender, Packet::Deed(deed))) => {
                if matches!(&deed.to, To::Rooms(rooms) if rooms.len() > 1)
                    && !self.is_new(sender, deed.serial)
                {
                    counters.duplicates.add_one();
                    return;
                }
                counters.deeds.add_one();
                if hub.carry_out(deed) == 0 {
                    counters.nobody.add_one();
                }
            }
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
