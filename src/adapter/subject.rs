//! [`Subject`]: which nodes a packet is for.

use std::fmt::{self, Write};

use super::NodeId;

/// Which nodes a packet is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Subject {
    /// Every node.
    Everybody,
    /// One node.
    Node(NodeId),
    /// Nodes with a member of this room.
    Room(Box<str>),
    /// Nodes with a connection of this user.
    User(Box<str>),
}

impl Subject {
    /// The nodes with a member of a room.
    pub fn room(name: &str) -> Self {
        Self::Room(name.into())
    }

    /// The nodes with a connection of a user.
    pub fn user(name: &str) -> Self {
        Self::User(name.into())
    }

    /// The name of the room or of the user; empty for what has none.
    pub fn name(&self) -> &str {
        match self {
            Self::Room(name) | Self::User(name) => name,
            Self::Everybody | Self::Node(_) => "",
        }
    }
}

/// A word of ASCII letters, digits, `.`, `-`, `_` and `%`, another one for each subject: fit for channels of Redis
/// and for subjects of NATS, where `.` parts the kind from the name and `*`, `>` and blanks have a meaning.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("all"),
            Self::Node(node) => write!(f, "node.{node}"),
            Self::Room(name) => escape(f, "room.", name),
            Self::User(name) => escape(f, "user.", name),
        }
    }
}

fn escape(f: &mut fmt::Formatter<'_>, kind: &str, name: &str) -> fmt::Result {
    f.write_str(kind)?;
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => f.write_char(char::from(byte))?,
            _ => write!(f, "%{byte:02x}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_subject_has_a_word_of_its_own() {
        let names =
            ["a", "A", "a.b", "a%2eb", "a%2Eb", "a b", "ä", "*", ">", "a:b", "{a}", "all", "", "\u{1f32a}"];
        let rooms = names.iter().map(|name| Subject::room(name));
        let users = names.iter().map(|name| Subject::user(name));
        let subjects: Vec<_> =
            rooms.chain(users).chain([Subject::Everybody, Subject::Node(NodeId::new(7))]).collect();
        let words: HashSet<String> = subjects.iter().map(ToString::to_string).collect();
        assert_eq!(words.len(), subjects.len());
        for word in &words {
            assert!(word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.%".contains(&b)), "{word}");
        }
    }

    #[test]
    fn a_word_says_its_kind_and_name() {
        assert_eq!(Subject::room("news/ä").to_string(), "room.news%2f%c3%a4");
        assert_eq!(Subject::Node(NodeId::new(255)).to_string(), "node.00000000000000ff");
    }
}
