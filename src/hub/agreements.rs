//! [`Agreements`]: what the members of a group have agreed about compression, each once.

use parking_lot::Mutex;

use crate::{
    conn::Conn,
    protocol::deflate::{Agreed, Outgoing},
};

/// Under a lock of its own, so that a message can be compressed for all members before their group is locked.
#[derive(Debug, Default)]
pub(super) struct Agreements(Mutex<Vec<Agreement>>);

#[derive(Debug)]
struct Agreement {
    outgoing: Outgoing,
    members: usize,
}

impl Agreements {
    pub(super) fn add(&self, conn: &Conn) {
        let Some(outgoing) = shared_by(conn) else { return };
        let mut agreements = self.0.lock();
        match agreements.iter_mut().find(|agreement| agreement.outgoing == *outgoing) {
            Some(agreement) => agreement.members += 1,
            None => agreements.push(Agreement { outgoing: *outgoing, members: 1 }),
        }
    }

    pub(super) fn remove(&self, conn: &Conn) {
        let Some(outgoing) = shared_by(conn) else { return };
        let mut agreements = self.0.lock();
        if let Some(at) = agreements.iter().position(|agreement| agreement.outgoing == *outgoing) {
            agreements[at].members -= 1;
            if agreements[at].members == 0 {
                agreements.swap_remove(at);
            }
        }
    }

    pub(super) fn each(&self) -> Vec<Outgoing> {
        self.0.lock().iter().map(|agreement| agreement.outgoing).collect()
    }
}

/// With context takeover a message is compressed for each member by itself.
fn shared_by(conn: &Conn) -> Option<&Outgoing> {
    conn.agreed().map(Agreed::outgoing).filter(|outgoing| !outgoing.takeover())
}
