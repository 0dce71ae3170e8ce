//! Joining a room that keeps history, from where one left it.

use std::sync::Arc;

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::{
    adapter::{Position, ReadFrom},
    conn::{Conn, SendError},
    hub::{Hub, JoinError, JoinRequest, Joined, group::Group},
    protocol::{
        close::{CloseCode, CloseFrame},
        message::Message,
        text::Text,
    },
};

use super::{
    Lost,
    framing::{Framed, LostMessages},
    member::{Hello, Joiner, Placed},
    room::Followed,
};

/// What somebody is told ahead of a room's messages. It runs under the room's lock, so that it is no code of the
/// application.
pub(crate) type Words = Box<dyn FnOnce(&Entered) -> Option<Message> + Send>;

/// How a connection has entered a room that keeps history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entered {
    /// Where it stands when it has got what it missed; `None` if the room keeps no history, or if the log cannot be
    /// read now.
    pub position: Option<Position>,
    /// Whether it gets all that it missed: what it did is in its outbox, in order, before anything newer.
    pub missed: Result<(), Lost>,
}

impl Conn {
    /// Joins a room that keeps [history](crate::HubBuilder::history), and first gets what it missed: what comes after
    /// a position, or the last so many messages. In order, once each, and nothing of the room in between; or none of
    /// it, and then it is said why. If the connection is in the room already, it is given again what comes after the
    /// position.
    ///
    /// Returns when the outbox has all of it: it waits for a peer that reads slowly, as [`send`](Self::send) does.
    /// While the log cannot be read it waits for three seconds at most.
    ///
    /// ```
    /// # async fn example(conn: gustnado::Conn, last: gustnado::adapter::Position) -> Result<(), gustnado::JoinError> {
    /// let entered = conn.join_from("news/local", last).await?;
    /// if let Err(why) = entered.missed {
    ///     println!("load the page again: {why}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub async fn join_from(&self, room: &str, from: impl Into<ReadFrom>) -> Result<Entered, JoinError> {
        let entered = self.join_saying(room, from.into(), |_| Box::new(|_| None)).await;
        entered.map(|(_, entered)| entered)
    }

    /// As [`join_from`](Self::join_from), with words that come before the messages of a room with history.
    pub(crate) async fn join_saying(
        &self,
        room: &str,
        from: ReadFrom,
        hello: impl FnOnce(Joined) -> Words,
    ) -> Result<(Joined, Entered), JoinError> {
        let hub = self.hub();
        hub.may_join(&JoinRequest { room, user: self.user(), conn: Some(self) })?;
        let (joined, group) = hub.enter(self, room)?;
        let hello = Hello::First(hello(joined));
        Ok((joined, hub.follow(self, &group, from, hello).await))
    }
}

impl Hub {
    /// Makes a connection that is in a room a member of its log, at once or as soon as that can be.
    pub(in crate::hub) fn follow_soon(&self, conn: &Conn, group: &Arc<Group>) {
        let Some(followed) = group.followed() else { return };
        let hello = Hello::First(Box::new(|_| None));
        let mut place = self.ask_in(conn, group, followed, ReadFrom::Last(0), hello);
        if matches!(place.try_recv(), Err(TryRecvError::Empty)) {
            let (hub, conn, group) = (self.clone(), conn.clone(), group.clone());
            // It ends within seconds.
            tokio::spawn(async move { hub.wait_for_place(&conn, &group, place).await });
        }
    }

    async fn follow(&self, conn: &Conn, group: &Arc<Group>, since: ReadFrom, hello: Hello) -> Entered {
        let Some(followed) = group.followed() else {
            let missed = if since == ReadFrom::Last(0) { Ok(()) } else { Err(Lost::Unavailable) };
            return Entered { position: None, missed };
        };
        let place = self.ask_in(conn, group, followed, since, hello);
        self.wait_for_place(conn, group, place).await
    }

    fn ask_in(
        &self,
        conn: &Conn,
        group: &Arc<Group>,
        followed: &Followed,
        since: ReadFrom,
        hello: Hello,
    ) -> oneshot::Receiver<Placed> {
        self.watch_histories();
        let histories = &self.0.histories;
        let notices =
            histories.frame_lost.as_ref().map(|frame_lost| followed.notices(&group.name, frame_lost));
        let (placed, place) = oneshot::channel();
        let joiner = Joiner { conn: conn.clone(), notices, since, hello, placed };
        followed.join(joiner, &histories.counters);
        self.drive(group, followed);
        place
    }

    async fn wait_for_place(
        &self,
        conn: &Conn,
        group: &Arc<Group>,
        mut place: oneshot::Receiver<Placed>,
    ) -> Entered {
        let mut first = None;
        loop {
            let (entered, queue, at) = match place.await {
                Ok(Placed::Behind { entered, queue, at }) => (entered, queue, at),
                Ok(Placed::In(entered)) => return first.unwrap_or(entered),
                Ok(Placed::Left) | Err(_) => return first.unwrap_or(Entered::NOT),
            };
            let entered = *first.get_or_insert(entered);
            for message in queue {
                match conn.send(message).await {
                    Ok(()) => {}
                    Err(SendError::TooLarge(_)) => conn.cannot_have(&group.name, at),
                    Err(_) => return entered,
                }
            }
            let Some(followed) = group.followed() else { return entered };
            place = self.ask_in(conn, group, followed, ReadFrom::After(at), Hello::Again);
        }
    }
}

impl Entered {
    const NOT: Self = Self { position: None, missed: Err(Lost::Unavailable) };
}

impl Conn {
    /// A message is larger than the outbox: the peer is told that it lost it, or it could not go on.
    fn cannot_have(&self, room: &str, position: Position) {
        match self.extension::<Framed>() {
            Some(framed) => {
                let lost = LostMessages { room, why: Lost::Limit, position };
                let _ = self.try_send(framed.0.lost(&lost));
            }
            None => {
                let reason = Text::from_static("a message is larger than the outbox");
                self.close_with(CloseFrame::sendable(CloseCode::MESSAGE_TOO_BIG, reason));
            }
        }
    }
}
