//! [`Frames`]: all messages of a workload, built once, so that as many as may be in flight are one piece of memory.

/// Messages to send in turn, end to end, and as many again from the first as may be in flight.
#[derive(Debug)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where each frame starts, and where the last one ends.
    starts: Vec<usize>,
    kinds: usize,
}

/// Where a connection stands in its [`Frames`].
#[derive(Debug, Default)]
pub struct Position {
    /// The frame that is the next to be put in flight.
    next: usize,
    /// Where the next write begins.
    offset: usize,
    /// Bytes that the socket has not taken yet.
    unsent: usize,
}

impl Frames {
    /// Of these messages, of which at most `in_flight` are under way at a time.
    pub fn new(messages: &[Vec<u8>], in_flight: usize) -> Self {
        let frames = messages.iter().cycle().take(messages.len() + in_flight);
        let (mut bytes, mut starts) = (Vec::new(), vec![0]);
        for frame in frames {
            bytes.extend(frame);
            starts.push(bytes.len());
        }
        Self { bytes, starts, kinds: messages.len() }
    }

    /// Puts so many messages more in flight.
    pub fn queue(&self, position: &mut Position, messages: usize) {
        let (from, to) = (position.next, position.next + messages);
        position.unsent += self.starts[to] - self.starts[from];
        position.next = to % self.kinds;
    }

    /// What is to be written now, nothing where all is sent.
    pub fn unsent(&self, position: &Position) -> &[u8] {
        // The frame that the offset is in is in flight, so what is left of all ends before the bytes do.
        &self.bytes[position.offset..position.offset + position.unsent]
    }

    /// The socket has taken so many bytes of it.
    pub fn sent(&self, position: &mut Position, length: usize) {
        position.unsent -= length;
        position.offset = (position.offset + length) % self.starts[self.kinds];
    }
}

impl Position {
    /// Whether something is still to be written.
    pub fn has_unsent(&self) -> bool {
        self.unsent > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_follow_each_other_in_turn_however_they_are_cut() {
        let messages = [b"a".to_vec(), b"bcd".to_vec(), b"ef".to_vec()];
        let frames = Frames::new(&messages, 4);
        for length in 1..8 {
            let (mut position, mut sent) = (Position::default(), Vec::new());
            for queued in [4, 1, 2, 4, 3, 4] {
                frames.queue(&mut position, queued);
                while position.has_unsent() {
                    let part = frames.unsent(&position);
                    let part = &part[..part.len().min(length)];
                    sent.extend_from_slice(part);
                    let taken = part.len();
                    frames.sent(&mut position, taken);
                }
            }
            assert_eq!(sent, b"abcdef".repeat(6), "writes of {length} bytes");
        }
    }
}
