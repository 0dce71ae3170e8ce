//! [`Group`]: connections that are sent to together: the members of a room, the devices of a user, everybody.

use std::{collections::HashSet, time::SystemTime};

use indexmap::IndexMap;
use parking_lot::Mutex;

use crate::{
    conn::{Conn, ConnId, Later},
    protocol::{deflate::Outgoing, encoded::Encoded},
};

use super::{
    agreements::Agreements,
    history::{Delivered, Followed},
    report::{FanOut, FanOutCounters, Report},
};

/// A set of connections under a lock of its own.
///
/// A send holds the lock while it fills the members' outboxes, so that all members see the group's messages in one
/// order. It waits for no peer, and runs no code of the application.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: Box<str>,
    pub(crate) since: SystemTime,
    fan_out: FanOutCounters,
    agreements: Agreements,
    members: Mutex<Members>,
    /// Of a room that keeps history.
    followed: Option<Box<Followed>>,
}

#[derive(Debug, Default)]
struct Members {
    /// By their numbers: all are of this node.
    conns: IndexMap<u64, Conn>,
    /// It was found empty and is being removed from the index: whoever comes now needs a new one.
    retired: bool,
}

/// What became of a new member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    First,
    Another,
    Already,
    /// The group is on its way out of the index.
    Retired,
}

/// What became of a member that left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    Last,
    NotLast,
    NotThere,
}

impl Group {
    pub(crate) fn new(name: &str, followed: Option<Followed>) -> Self {
        Self {
            name: name.into(),
            since: SystemTime::now(),
            fan_out: FanOutCounters::default(),
            agreements: Agreements::default(),
            members: Mutex::default(),
            followed: followed.map(Box::new),
        }
    }

    /// What follows the room's log, if it has one.
    pub(super) fn followed(&self) -> Option<&Followed> {
        self.followed.as_deref()
    }

    pub(crate) fn add(&self, conn: &Conn) -> Added {
        let mut members = self.members.lock();
        if members.retired {
            return Added::Retired;
        }
        let first = members.conns.is_empty();
        if members.conns.insert(conn.id().number(), conn.clone()).is_some() {
            return Added::Already;
        }
        self.agreements.add(conn);
        if first { Added::First } else { Added::Another }
    }

    pub(crate) fn remove(&self, id: ConnId) -> Removed {
        let mut members = self.members.lock();
        let Some(conn) = members.conns.swap_remove(&id.number()) else { return Removed::NotThere };
        self.agreements.remove(&conn);
        let room = members.conns.capacity();
        // Not all of it, and not of a small group, so that this is rare.
        if room > 64 && members.conns.len() < room / 4 {
            members.conns.shrink_to(room / 2);
        }
        if members.conns.is_empty() { Removed::Last } else { Removed::NotLast }
    }

    /// Whether the group is empty and will stay so.
    pub(crate) fn retire(&self) -> bool {
        let mut members = self.members.lock();
        members.retired = members.conns.is_empty();
        members.retired
    }

    /// A member by its name.
    pub(crate) fn get(&self, id: ConnId) -> Option<Conn> {
        self.members.lock().conns.get(&id.number()).filter(|conn| conn.id() == id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.members.lock().conns.len()
    }

    /// Some of the members, in no particular order that lasts.
    pub(crate) fn page(&self, skip: usize, limit: usize) -> Vec<Conn> {
        self.members.lock().conns.values().skip(skip).take(limit).cloned().collect()
    }

    /// Adds what came from the room's log.
    pub(super) fn count(&self, delivered: &Delivered) {
        self.fan_out.add_many(delivered.messages, delivered.bytes, &delivered.report);
    }

    /// What was sent to the group so far.
    pub(crate) fn fan_out(&self) -> FanOut {
        self.fan_out.read()
    }

    /// How messages are compressed for members now, each way once. Who comes before such a message is sent, and has
    /// agreed to another way, gets it as it is.
    pub(crate) fn outgoing(&self) -> Vec<Outgoing> {
        self.agreements.each()
    }

    /// Puts a message into every member's outbox, but for those in `except`. With `seen`, members that are in it are
    /// left out and the others added, so that several groups make no duplicates. Of those who are left, only who is
    /// `wanted` gets the message.
    pub(crate) fn send(
        &self,
        message: &Encoded<'_>,
        except: &[ConnId],
        mut seen: Option<&mut HashSet<ConnId>>,
        mut wanted: impl FnMut(&Conn) -> bool,
        report: &mut Report,
        later: &mut Later,
    ) {
        let members = self.members.lock();
        let mut own = Report::default();
        for conn in members.conns.values() {
            let left_out =
                except.contains(&conn.id()) || seen.as_mut().is_some_and(|seen| !seen.insert(conn.id()));
            if !left_out && wanted(conn) {
                own.add(conn.offer(message, later));
            }
        }
        self.fan_out.add(message.message_len(), &own);
        report.merge(&own);
    }
}
