//! [`FirstMessage`]: a connector behind a credential that comes as the first message.

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

use tokio::time::Instant;

use crate::{
    conn::{Cause, Closed, Conn},
    connector::{Connector, Disconnect, Handshake, Reject},
    handler::UserGate,
    protocol::{message::Message, text::Text},
};

use super::{
    Authenticate, Token,
    live::{refused, unauthorized},
};

/// A connector that is not opened before the peer has shown a credential, as a text message of its own: made by
/// [`Authenticate::first_message`].
#[derive(Debug)]
pub struct FirstMessage<C> {
    auth: Authenticate,
    connector: C,
    admitted: bool,
}

impl Authenticate {
    /// Takes the credential from the first message, which is all text of it, instead of the request.
    ///
    /// `connector` has its `on_connect`, and its `on_open` once the credential was found good; what is sent to rooms
    /// or to everybody until then waits. A peer without a credential is closed: with 4401 after the
    /// [deadline](Self::deadline) or for a binary message, with 4000 + status when it is refused. `on_close`
    /// is called either way.
    ///
    /// Until then anybody may hold a connection: limit them
    /// [per peer](crate::Handler::max_connections_per_peer).
    ///
    /// ```
    /// # use gustnado::{Authenticate, Connector, Handler, Identity, Reject, Token, async_trait};
    /// # struct Chat;
    /// # #[async_trait] impl Connector for Chat {}
    /// # let auth = Authenticate::new(|_: Token| async { Ok(Identity::new("alice")) });
    /// let handler = Handler::new(move || auth.first_message(Chat));
    /// ```
    pub fn first_message<C: Connector>(&self, connector: C) -> FirstMessage<C> {
        FirstMessage { auth: self.clone(), connector, admitted: false }
    }
}

impl<C: Connector> FirstMessage<C> {
    async fn admit(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        let Message::Text(token) = message else { return Err(unauthorized("a credential is text")) };
        let identity = self.auth.verify(Token::new(&*token)).await.map_err(refused)?;
        if conn.is_closing() {
            // The deadline passed meanwhile, say: what was not opened stays closed.
            return Ok(());
        }
        if let Some(gate) = conn.extension::<UserGate>() {
            gate.admit(identity.user()).map_err(refused)?;
        }
        if !conn.name_user(identity.user()) {
            return Err(unauthorized("this is another user's credential"));
        }
        conn.set_expiry_at(identity.expiry());
        self.admitted = true;
        self.connector.on_open(conn).await?;
        conn.release();
        Ok(())
    }
}

#[async_trait]
impl<C: Connector> Connector for FirstMessage<C> {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        self.connector.on_connect(handshake).await
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        conn.hold();
        conn.set_expiry_at(Instant::now().checked_add(self.auth.deadline));
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        if self.admitted {
            return self.connector.on_message(conn, message).await;
        }
        self.admit(conn, message).await
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        self.on_message(conn, text.into()).await
    }

    async fn on_binary(&mut self, conn: &Conn, data: Bytes) -> Result<(), Disconnect> {
        self.on_message(conn, data.into()).await
    }

    async fn on_pong(&mut self, conn: &Conn, round_trip: Duration) -> Result<(), Disconnect> {
        if self.admitted { self.connector.on_pong(conn, round_trip).await } else { Ok(()) }
    }

    async fn on_error(&mut self, conn: &Conn, cause: &Cause) {
        self.connector.on_error(conn, cause).await;
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        self.connector.on_close(conn, closed).await;
    }
}
