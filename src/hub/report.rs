//! [`Report`]: what became of a message that was sent to many.

use crate::conn::Offered;

/// What became of a message for each of those it was for.
///
/// Queued is not delivered: a connection that fails loses what is still in its outbox, and counts it as
/// [`unsent`](crate::Traffic::unsent).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Outboxes that took the message.
    pub queued: usize,
    /// Outboxes that were full, where [`SlowReader::DropNewest`](crate::SlowReader) is the choice.
    pub dropped: usize,
    /// Connections that were closed because their outbox was full: [`SlowReader::Disconnect`](crate::SlowReader).
    pub disconnected: usize,
    /// Outboxes that could not hold the message even if they were empty.
    pub too_large: usize,
    /// Connections that were closing already.
    pub closing: usize,
}

impl Report {
    /// How many connections the message was for.
    pub fn recipients(&self) -> usize {
        self.queued + self.dropped + self.disconnected + self.too_large + self.closing
    }

    pub(crate) fn add(&mut self, offered: Offered) {
        let count = match offered {
            Offered::Queued => &mut self.queued,
            Offered::Dropped => &mut self.dropped,
            Offered::Disconnected => &mut self.disconnected,
            Offered::TooLarge => &mut self.too_large,
            Offered::Closing => &mut self.closing,
        };
        *count += 1;
    }
}
