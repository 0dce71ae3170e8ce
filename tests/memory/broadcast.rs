//! What a broadcast allocates.

use std::sync::Arc;

use bytes::Bytes;
use gustnado::{
    Hub, Message, Remote,
    adapter::{Adapter, AdapterTraffic, Inbox, Link, NodeId, NotHandedOver, Subject, Unavailable},
    async_trait,
};

use crate::counting::{Meter, alone};

/// Takes everything, and does nothing with it.
struct Sink;

#[async_trait]
impl Adapter for Sink {
    fn start(&self, _: NodeId, _: Arc<dyn Inbox>) {}

    fn publish(&self, _: &Subject, _: Bytes) -> Result<(), NotHandedOver> {
        Ok(())
    }

    async fn flush(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    fn set_interest(&self, _: &Subject, _: bool) {}

    async fn confirmed(&self, _: &Subject) -> Result<(), Unavailable> {
        Ok(())
    }

    fn link(&self) -> Link {
        Link::Up
    }

    fn traffic(&self) -> AdapterTraffic {
        AdapterTraffic::default()
    }

    async fn stop(&self) {}
}

const MESSAGES: usize = 100;

#[test]
fn a_broadcast_to_other_nodes_allocates_its_packet_and_nothing_else() {
    alone(async {
        for (hub, each) in [(Hub::new(), 0), (Hub::builder().adapter(Sink).build(), 1)] {
            let (room, user) = (hub.room("lobby"), hub.user("ann"));
            let message = Message::from(Bytes::from_static(&[b'x'; 500]));
            let meter = Meter::start();
            for _ in 0..MESSAGES {
                let report = room.send(message.clone()).await;
                assert!(each == 0 || report.remote == Remote::HandedOver);
                user.send(message.clone()).await;
            }
            assert_eq!(meter.allocations(), 2 * MESSAGES * each);
        }
    });
}
