//! Publishing to rooms that keep history.

use crate::{
    adapter::{AppendError, Position, Subject},
    hub::{Hub, PublishError, Report, Target, taps::What, target::To},
    protocol::message::Message,
};

use super::Entry;

/// What was published, and how.
pub(crate) struct Publishing {
    pub(crate) message: Message,
    /// The same one for those who speak another subprotocol.
    pub(crate) other: Option<(String, Message)>,
    /// Whether it is a frame of commands, which says its offset.
    pub(crate) framed: bool,
}

impl Target {
    /// Parts the rooms that keep history from what else it is for, which may be nothing.
    pub(in crate::hub) fn parted(&self) -> (Vec<Subject>, Option<Self>) {
        let To::Rooms(rooms) = &self.to else { return (Vec::new(), Some(self.clone())) };
        let (logged, plain): (Vec<_>, Vec<_>) =
            rooms.iter().cloned().partition(|room| self.hub.keeps_history(room.name()));
        let rest = Self { to: To::Rooms(plain), ..self.clone() };
        let has_rest = !matches!(&rest.to, To::Rooms(rooms) if rooms.is_empty() && !logged.is_empty());
        (logged, has_rest.then_some(rest))
    }

    /// Whether a room that it is for keeps history.
    pub(crate) fn keeps_history(&self) -> bool {
        matches!(&self.to, To::Rooms(rooms) if rooms.iter().any(|room| self.hub.keeps_history(room.name())))
    }

    /// Appends a message to the logs of rooms; the first error, and in the report what became of the others.
    pub(in crate::hub) async fn append_to(
        &self,
        rooms: &[Subject],
        publishing: Publishing,
        report: &mut Report,
    ) -> Result<(), PublishError> {
        let Publishing { message, other, framed } = publishing;
        let entry = Entry { framed, message, other, except: self.except.clone() };
        let encoded = entry.encode();
        let mut done = Ok(());
        for room in rooms {
            let appended = match encoded.clone() {
                Some(entry) => self.hub.append(room.name(), entry, self.key.as_deref()).await,
                None => Err(PublishError::Rejected("the message is too large".into())),
            };
            match appended {
                Ok(position) => report.position = Some(position),
                Err(error) => {
                    report.not_logged += 1;
                    done = done.and(Err(error));
                }
            }
        }
        self.hub.happened(None, || {
            Some(What::Broadcast { rooms, user: None, message: &entry.message, report: *report })
        });
        done
    }
}

impl Hub {
    /// Whether a room keeps history: what [`HubBuilder::history`](crate::HubBuilder::history) says.
    pub fn keeps_history(&self, room: &str) -> bool {
        self.0.histories.of(room).is_some()
    }

    async fn append(
        &self,
        room: &str,
        entry: bytes::Bytes,
        key: Option<&str>,
    ) -> Result<Position, PublishError> {
        let histories = &self.0.histories;
        let counters = &histories.counters;
        let Some(retention) = histories.of(room) else {
            return Err(PublishError::Rejected("the room keeps no history".into()));
        };
        match self.append_entry(room, entry, key, retention).await {
            Ok(position) => {
                counters.accepted.add_one();
                Ok(position)
            }
            Err(AppendError::Rejected(why)) => {
                counters.rejected.add_one();
                Err(PublishError::Rejected(why))
            }
            Err(AppendError::Unknown) => {
                counters.unknown.add_one();
                Err(PublishError::Unknown)
            }
        }
    }
}
