//! [`Accept`]: takes transports off a listener, whatever goes wrong there.

use std::{io, net::SocketAddr, time::Duration};

use super::{
    Listener,
    places::{Place, Places},
};

/// How long to wait after the first error, and at most. Without a pause a process that is out of file descriptors
/// (EMFILE, ENFILE) would ask again and again for a connection that it cannot have.
const PAUSE: Duration = Duration::from_millis(10);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Takes transports off a listener, each with its place.
pub(super) struct Accept<L> {
    listener: L,
    places: Places,
    pause: Duration,
}

/// A transport that was accepted.
pub(super) struct Accepted<Io> {
    pub(super) io: Io,
    pub(super) peer: Option<SocketAddr>,
    pub(super) place: Place,
}

impl<L: Listener> Accept<L> {
    pub(super) fn new(listener: L, places: Places) -> Self {
        Self { listener, places, pause: PAUSE }
    }

    /// The next transport. May be dropped while it waits; a pause ends with it, which is right: what interrupts it
    /// is a transport's end, and that may be the file descriptor that was missing.
    pub(super) async fn next(&mut self) -> Accepted<L::Io> {
        let place = self.places.take().await;
        loop {
            match self.listener.accept().await {
                Ok((io, peer)) => {
                    self.pause = PAUSE;
                    return Accepted { io, peer, place };
                }
                Err(error) if is_about_one(&error) => {
                    tracing::debug!(%error, "a connection was lost before it was accepted");
                    tokio::task::yield_now().await;
                }
                Err(error) => self.rest(&error).await,
            }
        }
    }

    async fn rest(&mut self, error: &io::Error) {
        tracing::warn!(%error, pause = ?self.pause, "no connection can be accepted");
        let pause = self.pause;
        self.pause = (pause * 2).min(MAX_PAUSE);
        tokio::time::sleep(pause).await;
    }
}

/// The client gave up while it waited in the backlog (ECONNABORTED and its kin).
fn is_about_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
