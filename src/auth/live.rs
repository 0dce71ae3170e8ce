//! What happens to a credential while its connection is open: it is refreshed, or revoked.

use crate::{
    conn::{Conn, EXPIRED},
    connector::{Disconnect, Reject},
    hub::{Affected, Hub},
    protocol::{close::CloseFrame, text::Text},
};

use super::{Authenticate, Identity, Token};

impl Authenticate {
    /// Checks a new credential of an open connection, which then lives as long as that one says.
    ///
    /// # Errors
    ///
    /// What closes the connection, when it is given to `?` in a callback: 4401 for another user's credential, 4000 +
    /// status for one that the application's function refuses.
    pub async fn refresh(&self, conn: &Conn, token: Token) -> Result<Identity, Disconnect> {
        let identity = self.verify(token).await.map_err(refused)?;
        if conn.user() != Some(identity.user()) {
            return Err(unauthorized("this is another user's credential"));
        }
        conn.set_expiry_at(identity.expiry());
        Ok(identity)
    }
}

impl Hub {
    /// Closes all connections of a user, on every node, with 4401, and tells how many were open.
    ///
    /// A handshake that is under way is not seen: refuse the credential first, and revoke then.
    pub async fn revoke(&self, user: &str) -> Affected {
        self.user(user).close(CloseFrame::sendable(EXPIRED.into(), Text::from_static("revoked"))).await
    }
}

pub(super) fn unauthorized(reason: &'static str) -> Disconnect {
    Disconnect::from_frame(CloseFrame::sendable(EXPIRED.into(), Text::from_static(reason)))
}

/// A refusal that comes too late for a response.
pub(super) fn refused(reject: Reject) -> Disconnect {
    if let Some(error) = reject.source() {
        tracing::error!(status = reject.status().as_u16(), error, "refused");
    }
    Disconnect::from_frame(reject.into_close_frame())
}
