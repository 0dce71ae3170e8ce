//! [`Closed`]: how a connection ended, and whether that means to come back.

use std::{sync::Arc, time::Duration};

use crate::protocol::close::CloseCode;

/// The code of a credential that has expired or was revoked.
pub(super) const UNAUTHORIZED: u16 = 4401;

/// What would fail again in the same way: as if the server had answered with 400.
pub(super) const MISTAKE: u16 = 4400;

/// How a connection ended, or why it could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The close code (§7.4); 1006 when no close frame came, and 4000 + the status when the handshake was refused.
    pub code: CloseCode,
    /// The peer's reason, which is its own to choose, or ours.
    pub reason: Arc<str>,
    /// Whether it ended with close frames.
    pub was_clean: bool,
    /// Whether the client connects again.
    pub reconnects: bool,
    /// What a refusal said about when to come back (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl Closed {
    pub(super) fn new(code: impl Into<CloseCode>, reason: &str, was_clean: bool) -> Self {
        let code = code.into();
        let reconnects = may_reconnect(code.as_u16());
        Self { code, reason: reason.into(), was_clean, reconnects, retry_after: None }
    }

    /// No close frame came.
    pub(super) fn network(reason: &str) -> Self {
        Self::new(CloseCode::ABNORMAL, reason, false)
    }

    /// An end that the application wants.
    pub(super) fn ours(code: CloseCode, reason: &str) -> Self {
        Self { reconnects: false, ..Self::new(code, reason, true) }
    }
}

/// Whether a close code means that the client should come back; `docs/wire.md` has the table.
pub(super) fn may_reconnect(code: u16) -> bool {
    matches!(code, 1001 | 1006 | 1011..=1014 | 4408 | 4425 | 4429 | 4500..=4599)
}

/// The window within which a server that goes down wants its clients back.
pub(super) fn reconnect_window(reason: &str) -> Option<Duration> {
    let digits = reason.strip_prefix("reconnect within ")?.strip_suffix(" ms")?;
    let sound = (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| digits.parse().ok().map(Duration::from_millis))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_whether_to_come_back() {
        for code in [1001, 1006, 1011, 1012, 1013, 1014, 4408, 4425, 4429, 4500, 4503, 4599] {
            assert!(may_reconnect(code), "{code}");
        }
        for code in [1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1015, 3000, 4000, 4401, 4403, 4600] {
            assert!(!may_reconnect(code), "{code}");
        }
    }

    #[test]
    fn a_window_is_taken_only_from_the_whole_reason() {
        assert_eq!(reconnect_window("reconnect within 5000 ms"), Some(Duration::from_secs(5)));
        for reason in
            ["", "reconnect within  ms", "reconnect within +5 ms", "reconnect within 5 ms!", "reconnect"]
        {
            assert_eq!(reconnect_window(reason), None, "{reason}");
        }
        assert_eq!(reconnect_window(&format!("reconnect within {} ms", "9".repeat(16))), None);
    }
}
