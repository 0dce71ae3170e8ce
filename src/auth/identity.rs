//! [`Identity`]: whose a credential is, and for how long.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Whose a credential is, and for how long: what the function given to
/// [`Authenticate::new`](crate::Authenticate::new) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: Box<str>,
    expiry: Option<Instant>,
}

impl Identity {
    /// A user, for as long as the connection lives.
    pub fn new(user: impl Into<Box<str>>) -> Self {
        Self { user: user.into(), expiry: None }
    }

    /// For so long from now.
    #[must_use]
    pub fn expires_in(mut self, time: Duration) -> Self {
        // A time that no clock will show is never.
        self.expiry = Instant::now().checked_add(time);
        self
    }

    /// Until a time, such as a JWT's `exp`; one that has passed is now. If the system's clock is set later, that
    /// changes nothing.
    #[must_use]
    pub fn expires_at(self, time: SystemTime) -> Self {
        self.expires_in(time.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The user's name, as [`Conn::user`](crate::Conn::user) will have it.
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn expiry(&self) -> Option<Instant> {
        self.expiry
    }
}
