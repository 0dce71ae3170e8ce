//! What channels and keys are called.

use crate::adapter::Subject;

/// The channel of a subject, and its slot in a Cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Channel(String);

/// The keys of a room's log: all in the slot of the room's channel, by the hash tag.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) channel: Channel,
    pub(super) stream: String,
    pub(super) meta: String,
}

impl Channel {
    pub(super) fn new(prefix: &str, subject: &Subject) -> Self {
        Self(format!("{prefix}:{{{subject}}}"))
    }

    /// As a server names it.
    pub(super) fn from_wire(name: String) -> Self {
        Self(name)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// CRC16 of the hash tag, of which every channel has one.
    pub(super) fn slot(&self) -> u16 {
        let (_, tag) = self.0.split_once('{').unwrap_or(("", &self.0));
        crc16::State::<crc16::XMODEM>::calculate(tag.trim_end_matches('}').as_bytes()) % 16384
    }
}

impl Keys {
    pub(super) fn new(prefix: &str, room: &str) -> Self {
        let channel = Channel::new(prefix, &Subject::room(room));
        Self { stream: format!("{}:log", channel.0), meta: format!("{}:meta", channel.0), channel }
    }

    /// Where is noted what became of an append with this idempotency key.
    pub(super) fn note(&self, key: &str) -> String {
        format!("{}:key:{key}", self.channel.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_room_are_in_the_slot_of_its_channel() {
        let keys = Keys::new("shop", "news/{1}");
        assert_eq!(keys.channel.as_str(), "shop:{room.news%2f%7b1%7d}");
        for key in [&keys.stream, &keys.meta, &keys.note("k}")] {
            assert!(key.starts_with("shop:{room.news%2f%7b1%7d}:"), "{key}");
        }
        // `CLUSTER KEYSLOT gustnado:{all}`
        assert_eq!(Channel::new("gustnado", &Subject::Everybody).slot(), 3894);
    }
}
