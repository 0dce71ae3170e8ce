//! [`Shutdown`]: ending every connection, and telling when that is done.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    conn::Conn,
    protocol::{
        close::{CloseCode, CloseFrame, InvalidCloseCode},
        message::Message,
        text::Text,
    },
};

use super::{Hub, Page};

/// How often a batch of connections is closed while they are spread.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

/// How a hub ends its connections.
///
/// | knob | default |
/// |---|---|
/// | [`deadline`](Self::deadline) | 30 s |
/// | [`spread`](Self::spread) | all at once |
/// | [`close_with`](Self::close_with) | 1001, going away |
/// | [`reconnect_within`](Self::reconnect_within) | nothing is said |
#[derive(Debug, Clone)]
#[must_use]
pub struct Shutdown {
    deadline: Duration,
    spread: Duration,
    code: CloseCode,
    reason: Text,
    window: Option<Duration>,
    announcement: Option<Message>,
}

/// What a shutdown has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections whose `on_close` has returned in time.
    pub ended: usize,
    /// Connections whose transport was cut at the deadline: the peer had not answered, or a callback still ran.
    pub cut: usize,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            spread: Duration::ZERO,
            code: CloseCode::GOING_AWAY,
            reason: Text::from_static("the server is going down"),
            window: None,
            announcement: None,
        }
    }
}

impl Shutdown {
    /// When to stop waiting and cut what is left. Within it, each connection has its own close timeout.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Over how long the closes are spread, so that clients do not all come to the next server at once.
    pub fn spread(mut self, spread: Duration) -> Self {
        self.spread = spread;
        self
    }

    /// The code and reason that peers get: 1012 if the server comes back.
    ///
    /// # Errors
    ///
    /// [`InvalidCloseCode`] when the code may not travel.
    pub fn close_with(
        mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<Self, InvalidCloseCode> {
        let frame = CloseFrame::new(code, reason)?;
        self.code = frame.code();
        self.reason = frame.into_reason();
        Ok(self)
    }

    /// Tells clients to come back at a random moment within this window: the reason becomes
    /// `reconnect within N ms`. Requests that come meanwhile are told so by `Retry-After`.
    pub fn reconnect_within(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// A message that every connection gets before the close, in whatever protocol it speaks.
    pub fn announce(mut self, message: impl Into<Message>) -> Self {
        self.announcement = Some(message.into());
        self
    }

    /// How long to wait before what is left is cut.
    pub(crate) fn patience(&self) -> Duration {
        self.deadline
    }

    fn frame(&self) -> CloseFrame {
        let reason = match self.window {
            Some(window) => Text::from(format!("reconnect within {} ms", window.as_millis())),
            None => self.reason.clone(),
        };
        CloseFrame::sendable(self.code, reason)
    }
}

impl Hub {
    /// Ends every connection: new ones are refused with 503, peers get a close frame behind what is queued for them,
    /// and this returns when every `on_close` has returned, or at the deadline.
    ///
    /// With an adapter the hub says goodbye to the other nodes then, and hands over what it still has for them, which
    /// takes a second at most.
    ///
    /// A hub that was shut down stays so. With axum, call it in the future given to `with_graceful_shutdown`, so that
    /// requests are answered until it is done.
    pub async fn shutdown(&self, shutdown: Shutdown) -> ShutdownReport {
        let start = Instant::now();
        let retry_after = shutdown.window.unwrap_or(Duration::from_secs(1));
        // Under the lock: from here on the index only shrinks.
        let before = {
            let mut index = self.0.index.write();
            index.draining = Some(retry_after);
            self.0.everybody.len()
        };
        let ended = async {
            self.close_in_batches(&shutdown, start).await;
            self.close_all_and_wait(&shutdown).await;
        };
        let cut = match tokio::time::timeout(shutdown.deadline, ended).await {
            Ok(()) => 0,
            Err(_elapsed) => {
                let left = self.connections(Page::ALL);
                left.iter().for_each(Conn::cut);
                left.len()
            }
        };
        if let Some(cluster) = &self.0.cluster {
            cluster.leave().await;
        }
        ShutdownReport { ended: before.saturating_sub(cut), cut }
    }

    /// How long a refused client should wait, once a [`shutdown`](Self::shutdown) has begun.
    pub(crate) fn draining(&self) -> Option<Duration> {
        self.0.index.read().draining
    }

    async fn close_in_batches(&self, shutdown: &Shutdown, start: Instant) {
        if shutdown.spread.is_zero() {
            return;
        }
        let conns = self.connections(Page::ALL);
        let batches = (shutdown.spread.as_millis() / BATCH_INTERVAL.as_millis()).max(1) as usize;
        for batch in 0..batches {
            tokio::time::sleep_until(start + BATCH_INTERVAL * batch as u32).await;
            let share = conns.len() * batch / batches..conns.len() * (batch + 1) / batches;
            conns[share].iter().for_each(|conn| shutdown.end(conn));
        }
    }

    async fn close_all_and_wait(&self, shutdown: &Shutdown) {
        loop {
            let mut left = std::pin::pin!(self.0.left.notified());
            left.as_mut().enable();
            let conns = self.connections(Page::ALL);
            if conns.is_empty() {
                return;
            }
            conns.iter().for_each(|conn| shutdown.end(conn));
            left.await;
        }
    }
}

impl Shutdown {
    fn end(&self, conn: &Conn) {
        if conn.is_closing() {
            return;
        }
        if let Some(message) = &self.announcement {
            let _ = conn.try_send(message.clone());
        }
        conn.close_with(self.frame());
    }
}
