//! [`RateLimit`]: how much a peer may send per second.

/// How much a peer may send per second, and what happens when it sends more: see
/// [`Handler::message_rate`](crate::Handler::message_rate).
///
/// After a rest, a burst may come at once: as much as one second allows, unless set otherwise. A message that is
/// larger than what is left of the bytes is taken, and the next one waits for longer. Pings, pongs and what a peer
/// sends after a close has begun do not count.
///
/// ```
/// use gustnado::{RateAction, RateLimit};
///
/// // Fifty messages at once, ten per second after that, 64 KiB of them; more closes with 1008.
/// let limit = RateLimit::new(10).burst(50).bytes(64 * 1024).action(RateAction::Close);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub(crate) messages: Quota,
    pub(crate) bytes: Option<Quota>,
    pub(crate) action: RateAction,
}

/// What happens to a peer that sends more than its [`RateLimit`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RateAction {
    /// Nothing is read before it is allowed again, and TCP pushes back: nothing is lost. Meanwhile pings are not
    /// answered and a close is not seen; the peer does not count as dead.
    #[default]
    Pause,
    /// The message is dropped, and counted as [`rate_limited`](crate::Traffic::rate_limited).
    Drop,
    /// The connection is closed with 1008.
    Close,
}

/// So many per second, and so many at once after a rest; both at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) per_second: u64,
    pub(crate) burst: u64,
}

impl Quota {
    fn new(per_second: u64) -> Self {
        let per_second = per_second.max(1);
        Self { per_second, burst: per_second }
    }
}

impl RateLimit {
    /// So many messages per second, at least one, whatever their size.
    #[must_use]
    pub fn new(messages_per_second: u32) -> Self {
        Self { messages: Quota::new(messages_per_second.into()), bytes: None, action: RateAction::default() }
    }

    /// How many messages may come at once after a rest: at least one.
    #[must_use]
    pub fn burst(mut self, messages: u32) -> Self {
        self.messages.burst = u64::from(messages.max(1));
        self
    }

    /// So many bytes of messages per second besides, and as many at once after a rest.
    #[must_use]
    pub fn bytes(mut self, per_second: u64) -> Self {
        self.bytes = Some(Quota::new(per_second));
        self
    }

    /// How many bytes of messages may come at once after a rest. Follows [`bytes`](Self::bytes), without which it
    /// says nothing.
    #[must_use]
    pub fn bytes_burst(mut self, bytes: u64) -> Self {
        if let Some(quota) = &mut self.bytes {
            quota.burst = bytes.max(1);
        }
        self
    }

    /// What happens when more comes: [`RateAction::Pause`] by default.
    #[must_use]
    pub fn action(mut self, action: RateAction) -> Self {
        self.action = action;
        self
    }
}
