//! Sending: [`Conn::send`], [`Conn::try_send`] and why they may fail.

use std::sync::Arc;

use crate::protocol::{
    encoded::{Encoded, Frame},
    message::Message,
};

use super::{
    Cause, Conn, Inner, Later, State,
    outbox::{From, Refused},
};

/// Why a message did not reach the outbox. It comes back, so the caller may retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// One side has sent a close frame, and no data frame may follow it (§5.5.1), or the transport is gone.
    #[error("the connection is closing")]
    Closing(Message),
    /// The outbox is full, and for `send` it stayed full for the whole write timeout. With
    /// [`SlowReader::Disconnect`](crate::SlowReader::Disconnect), the default, the connection closes now.
    #[error("the outbox is full")]
    Full(Message),
    /// The message is larger than the whole outbox.
    #[error("the message is larger than the outbox")]
    TooLarge(Message),
}

impl SendError {
    /// The message that was not sent.
    pub fn into_message(self) -> Message {
        match self {
            Self::Closing(message) | Self::Full(message) | Self::TooLarge(message) => message,
        }
    }

    fn new(refused: Refused, message: Message) -> Self {
        match refused {
            Refused::Closing => Self::Closing(message),
            Refused::Full => Self::Full(message),
            Refused::TooLarge => Self::TooLarge(message),
        }
    }
}

impl Conn {
    /// Queues `message` for the peer and returns once the outbox has taken it.
    ///
    /// While the outbox is full it waits, at most for the write timeout (15 s by default); senders get room in
    /// the order in which they came. Queued is not delivered: if the connection fails, what is still in the
    /// outbox is lost, and counted as [`unsent`](crate::Traffic::unsent).
    ///
    /// # Errors
    ///
    /// [`SendError::Closing`] at once when a close has begun. [`SendError::Full`] after the write timeout;
    /// [`SlowReader`](crate::SlowReader) says what becomes of the connection then.
    /// [`SendError::TooLarge`] for what can never fit.
    // No `async fn`, whose future would have room for the message twice.
    pub fn send(&self, message: impl Into<Message>) -> impl Future<Output = Result<(), SendError>> + Send {
        let message = message.into();
        async move {
            match self.0.push(&message, Turn::Behind) {
                Ok(()) => {
                    self.watch_sent(&message);
                    Ok(())
                }
                // Boxed, so that the future of every callback that sends stays small.
                Err(Refused::Full) => Box::pin(self.wait_to_send(message)).await,
                Err(refused) => Err(SendError::new(refused, message)),
            }
        }
    }

    /// Queues `message` for the peer, or fails at once.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but [`SendError::Full`] without waiting: with
    /// [`SlowReader::Disconnect`](crate::SlowReader::Disconnect), the default, a full outbox closes the
    /// connection.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        let sent = {
            let encoded = self.0.encode(&message);
            match self.0.push_frame(encoded.frame(self.outgoing()), Turn::Own) {
                Err(Refused::Full) => self.0.overflow(&encoded, From::Conn, |state| self.0.wake(state)),
                done => done,
            }
        };
        self.sent(sent, message)
    }

    fn sent(&self, sent: Result<(), Refused>, message: Message) -> Result<(), SendError> {
        match sent {
            Ok(()) => {
                self.watch_sent(&message);
                Ok(())
            }
            Err(refused) => Err(SendError::new(refused, message)),
        }
    }

    /// As [`try_send`](Self::try_send), for somebody who knows the id alone: behind the greeting, and behind what they
    /// have sent to a group before.
    pub(crate) fn try_send_by_id(&self, message: Message) -> Result<(), SendError> {
        let sent = self.0.overflow(&self.0.encode(&message), From::Group, |state| self.0.wake(state));
        sent.map_err(|refused| SendError::new(refused, message))
    }

    /// Queues what a group sends, or does at once what the slow reader's choice says. Where it can be written without
    /// the session's help, it will be when `later` is dropped.
    pub(crate) fn offer(&self, message: &Encoded<'_>, later: &mut Later) -> Offered {
        match self.0.overflow(message, From::Group, |state| later.add(self, state)) {
            Ok(()) => Offered::Queued,
            Err(Refused::Closing) => Offered::Closing,
            Err(Refused::TooLarge) => Offered::TooLarge,
            Err(Refused::Full) if self.is_closing() => Offered::Disconnected,
            Err(Refused::Full) => Offered::Dropped,
        }
    }

    /// Queues a message if there is room for it now; whether there was, or nobody is there who could miss it.
    pub(crate) fn offer_if_room(&self, message: &Encoded<'_>) -> bool {
        matches!(
            self.0.push_frame(message.frame(self.outgoing()), Turn::Behind),
            Ok(()) | Err(Refused::Closing)
        )
    }

    /// From here on a full outbox disconnects, whatever the handler has chosen.
    pub(crate) fn lose_nothing(&self) {
        self.0.state.lock().outbox.lose_nothing();
    }

    async fn wait_to_send(&self, message: Message) -> Result<(), SendError> {
        let inner = &*self.0;
        let encoded = inner.encode(&message);
        let timeout = inner.state.lock().config.write_timeout;
        let sent = {
            let _queued = Queued::new(inner);
            let waiting = inner.waiting();
            let pushed = async {
                // Fair: whoever waits longest is the next to push.
                let _turn = waiting.turn.lock().await;
                loop {
                    let mut changed = std::pin::pin!(waiting.changed.notified());
                    changed.as_mut().enable();
                    match inner.push_frame(encoded.frame(inner.outgoing()), Turn::Own) {
                        Err(Refused::Full) => changed.await,
                        done => return done,
                    }
                }
            };
            tokio::time::timeout(timeout, pushed).await
        };
        let sent = sent.unwrap_or_else(|_| inner.overflow(&encoded, From::Conn, |state| inner.wake(state)));
        self.sent(sent, message)
    }
}

/// What became of a message of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Queued,
    Dropped,
    Disconnected,
    TooLarge,
    Closing,
}

/// Whether a message may take room that others wait for.
#[derive(Clone, Copy, PartialEq)]
enum Turn {
    Own,
    Behind,
}

/// Counts somebody who waits for room, however the waiting ends.
struct Queued<'a>(&'a Inner);

impl<'a> Queued<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.state.lock().waiting += 1;
        Self(inner)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.state.lock().waiting -= 1;
    }
}

impl Inner {
    /// Queues a message if there is room for it.
    #[inline]
    fn push(&self, message: &Message, turn: Turn) -> Result<(), Refused> {
        match self.outgoing() {
            None => self.push_frame(Frame::plain(message), turn),
            // Compressed before the lock is taken.
            outgoing => self.push_frame(self.encode(message).frame(outgoing), turn),
        }
    }

    #[inline]
    fn push_frame(&self, frame: Frame<'_>, turn: Turn) -> Result<(), Refused> {
        let mut state = self.state.lock();
        let state = &mut *state;
        if turn == Turn::Behind && state.waiting > 0 && !state.outbox.is_closing() {
            return Err(Refused::Full);
        }
        state.outbox.push(frame, From::Conn, &state.config)?;
        self.after_push(state);
        Ok(())
    }

    /// Pushes, or does what the slow reader's choice says; `see_to` has what was pushed written.
    fn overflow(
        &self,
        message: &Encoded<'_>,
        from: From,
        see_to: impl FnOnce(&mut State),
    ) -> Result<(), Refused> {
        let message = message.frame(self.outgoing());
        let mut state = self.state.lock();
        let state = &mut *state;
        let was_closing = state.outbox.is_closing();
        // There may be room again by now.
        let pushed = match state.outbox.push(message, from, &state.config) {
            Err(Refused::Full) => state.outbox.overflow(message, from, &state.config),
            done => done,
        };
        if was_closing {
            return pushed;
        }
        if state.outbox.is_closing() {
            state.cause.get_or_insert_with(|| Arc::new(Cause::SlowReader));
            self.closing_began(state);
        } else if pushed.is_ok() {
            self.press(state);
            see_to(state);
        }
        pushed
    }
}
