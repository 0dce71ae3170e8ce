//! [`Wire`]: everything of a session but the callbacks. It reads, writes, keeps time and ends.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut, Bytes};
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::io::poll_read_buf;

use crate::{
    config::ConnConfig,
    conn::{Cause, Closed, ClosedBy, Conn, EXPIRED, Phase},
    protocol::{
        close::{CloseCode, CloseFrame},
        deflate::Inflater,
        error::ProtocolError,
        message::Message,
        receiver::{Event, Receiver},
        text::Text,
    },
    stats::{Dropped, Flow, Traffic},
};

use super::{
    ahead::{Ahead, Next},
    input::Input,
    io::Io,
    keepalive::{Due, Keepalive},
    rate::{Rate, Verdict},
    takeover::Takeover,
    writer::Writer,
};

/// One connection's transport and the state of the protocol on it.
///
/// [`poll_next`](Self::poll_next) while no callback runs, and [`poll_ahead`](Self::poll_ahead) while one does, are
/// all that moves it.
pub(super) struct Wire {
    conn: Conn,
    config: Arc<ConnConfig>,
    /// `None` once the connection is over.
    io: Option<Io>,
    input: Input,
    receiver: Receiver,
    writer: Writer,
    takeover: Option<Box<Takeover>>,
    ahead: Ahead,
    keepalive: Keepalive,
    /// Boxed, since few connections have a limit.
    rate: Option<Box<Rate>>,
    timer: Option<Pin<Box<Sleep>>>,
    end: End,
    /// Bytes came since the clock was last looked at.
    heard: bool,
    /// Reading was stopped because a callback is behind, or by the rate limit, so that silence says nothing about the peer.
    deaf: bool,
    /// What was counted since the connection's counters were last added to. What is rare is added at once.
    flow: Flow,
    /// Messages that came in since then, and that no tap had room for.
    unseen: u32,
}

/// How far the end of the connection has come.
#[derive(Default)]
struct End {
    /// A close has begun.
    begun: bool,
    /// The peer's close frame came, so that nothing more is read.
    received: bool,
    /// The peer broke the protocol: what it sends is no longer understood, and thrown away.
    failed: bool,
    /// Our side of the transport was shut down.
    shut: bool,
    /// Boxed, since most of a connection's life is before it.
    details: Option<Box<Details>>,
}

/// What is only known near the end.
#[derive(Default)]
struct Details {
    /// The first close: whose it was, and its frame.
    first: Option<(ClosedBy, Option<CloseFrame>)>,
    /// The transport takes no more.
    broken: Option<io::Error>,
    /// When the patience ends.
    deadline: Option<Instant>,
}

impl Wire {
    pub(super) fn new(conn: Conn, io: Io, early: Bytes) -> Self {
        let config = conn.config();
        let now = Instant::now();
        Self {
            receiver: Receiver::new(config.incoming).inflating(conn.agreed().map(Inflater::new)),
            takeover: Takeover::new(&conn),
            rate: config.message_rate.map(|limit| Box::new(Rate::new(limit, now))),
            config,
            conn,
            io: Some(io),
            input: Input::new(early),
            writer: Writer::default(),
            ahead: Ahead::default(),
            keepalive: Keepalive::new(now),
            timer: None,
            end: End::default(),
            heard: false,
            deaf: false,
            flow: Flow::default(),
            unseen: 0,
        }
    }

    /// The next thing for the connector; [`Next::Over`] for ever after the end.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        self.conn.unpark();
        match self.at_hand() {
            Some(next) => Poll::Ready(next),
            None => self.poll(cx, false),
        }
    }

    /// The most common case: one more of the messages that came together, and nothing else that might be done first.
    #[inline]
    fn at_hand(&mut self) -> Option<Next> {
        let first = self.io.is_some()
            && self.ahead.is_empty()
            && !self.end.begun
            && self.rate.is_none()
            && !self.conn.wants_attention();
        match if first { self.receiver.batched() } else { Ok(None) } {
            Ok(message) => self.message(message?),
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    /// Goes on writing, answering and reading ahead while a callback runs.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(next) = self.poll(cx, true) {
            if matches!(next, Next::Over) {
                return;
            }
            self.ahead.push(next);
        }
    }

    /// The callback that runs now may send without waking the task it runs in.
    pub(super) fn unpark(&self) {
        self.conn.unpark();
    }

    fn poll(&mut self, cx: &mut Context<'_>, busy: bool) -> Poll<Next> {
        loop {
            // Before anything that was read ahead is delivered, or stops the reading.
            self.notice_close();
            if self.conn.is_reconfigured() {
                self.reconfigure();
            }
            if !busy && let Some(next) = self.ahead.pop() {
                if let Next::Message(message) = &next
                    && let Some(error) = self.too_big(message)
                {
                    ignored(&self.conn, 1 + self.ahead.clear());
                    self.fail(error);
                    continue;
                }
                return Poll::Ready(next);
            }
            if self.io.is_none() {
                return Poll::Ready(Next::Over);
            }
            if self.conn.is_pressing() {
                // Much is queued already: written before more is made.
                self.write(cx);
            }
            let paused = self.rate.is_some() && self.is_paused();
            // Once a close has begun messages are thrown away, and what counts is the peer's answer to it.
            let behind = !self.end.begun && (paused || busy && self.ahead.size() >= self.config.read_ahead);
            if !behind && let Some(event) = self.parse() {
                match self.handle(event) {
                    Some(next) => return Poll::Ready(next),
                    None => continue,
                }
            }
            // All that is at hand was handled, and the replies leave in one write.
            self.write(cx);
            self.shut_down(cx);
            if self.io.is_none() {
                continue;
            }
            if !behind && self.read(cx) {
                continue;
            }
            if self.io.is_some() && !self.poll_timer(cx, behind) {
                self.rest();
                return Poll::Pending;
            }
        }
    }

    /// Whether the rate limit allows no reading now. Once a close has begun, the peer's answer is waited for, and
    /// messages are thrown away.
    fn is_paused(&mut self) -> bool {
        self.notice_close();
        let begun = self.end.begun;
        self.rate.as_mut().is_some_and(|rate| rate.pause(!begun, Instant::now()))
    }

    /// The rate limit allows no reading before.
    fn paused(&self) -> Option<Instant> {
        self.rate.as_ref()?.paused
    }

    fn reconfigure(&mut self) {
        self.config = self.conn.config();
        self.receiver.set_limits(self.config.incoming);
        match (&mut self.rate, self.config.message_rate) {
            (Some(rate), Some(limit)) => rate.set_limit(limit),
            (rate, limit) => *rate = limit.map(|limit| Box::new(Rate::new(limit, Instant::now()))),
        }
    }

    /// The next event from bytes that are here already.
    fn parse(&mut self) -> Option<Event> {
        if self.end.failed || self.end.received {
            self.input.clear();
            return None;
        }
        loop {
            let mut bytes = self.input.bytes();
            let before = bytes.len();
            if before == 0 && !self.receiver.has_batch() {
                return None;
            }
            let parsed = self.receiver.next(&mut bytes);
            let taken = before - bytes.len();
            self.input.advance(taken);
            match parsed {
                Ok(None) => {}
                Ok(event) => return event,
                Err(error) => {
                    self.fail(error);
                    return None;
                }
            }
        }
    }

    fn handle(&mut self, event: Event) -> Option<Next> {
        match event {
            Event::Message(message) => self.message(message),
            Event::Ping(payload) => {
                self.writer.pong(payload);
                None
            }
            Event::Pong(payload) => {
                let round_trip = self.keepalive.pong(&payload, Instant::now())?;
                self.conn.set_round_trip(round_trip);
                (!self.end.begun).then_some(Next::Pong(round_trip))
            }
            Event::Close(frame) => {
                // §5.5.1: answered with the code it had. 1005 says that there was none and may not travel, so a
                // close without a code is answered without one.
                self.close(ClosedBy::Peer, frame, None);
                self.end.received = true;
                None
            }
        }
    }

    // Always, since the call costs a quarter of what it does.
    #[inline(always)]
    fn message(&mut self, message: Message) -> Option<Next> {
        if let Some(error) = self.too_big(&message) {
            self.fail(error);
            return None;
        }
        self.flow.messages_received += 1;
        if self.end.begun {
            // We have begun to close: nobody waits for messages any more.
            ignored(&self.conn, 1);
            return None;
        }
        // A peer that always has something to read leaves no time for the timer.
        if self.config.expiry.is_some() && self.expired(Instant::now()) {
            ignored(&self.conn, 1);
            return None;
        }
        let rate = self.rate.as_mut();
        match rate.map_or(Verdict::Taken, |rate| rate.message(message.len(), Instant::now())) {
            Verdict::Taken => {
                self.unseen = self.unseen.saturating_add(self.conn.watch_received(&message));
                Some(Next::Message(message))
            }
            Verdict::Dropped => {
                self.conn.count(Traffic { rate_limited: 1, ..Traffic::default() });
                None
            }
            Verdict::Closed => {
                self.conn.count(Traffic { rate_limited: 1, ..Traffic::default() });
                let frame =
                    CloseFrame::sendable(CloseCode::POLICY_VIOLATION, Text::from_static("too many messages"));
                self.conn.begin_close(Some(frame), Some(Arc::new(Cause::RateLimited)));
                None
            }
        }
    }

    /// A callback may lower the limit after the frame's header was read: `on_open` for the first message, say.
    fn too_big(&self, message: &Message) -> Option<ProtocolError> {
        let limit = self.config.incoming.max_message_size;
        (message.len() > limit).then_some(ProtocolError::MessageTooBig { limit })
    }

    /// Begins to end the connection, if somebody has called [`Conn::close`] or the outbox has overflowed.
    #[inline]
    fn notice_close(&mut self) {
        if self.conn.is_closing() && !self.end.begun {
            self.begin_end();
        }
    }

    #[cold]
    fn begin_end(&mut self) {
        let frame = self.conn.state().outbox.close_frame().cloned();
        if let Some(frame) = frame {
            self.end.begin(ClosedBy::Local, Some(frame), self.config.close_timeout);
            ignored(&self.conn, self.ahead.clear());
        }
    }

    /// Begins to end the connection from here, unless somebody was faster.
    fn close(&mut self, by: ClosedBy, frame: Option<CloseFrame>, cause: Option<Arc<Cause>>) {
        if !self.conn.begin_close(frame.clone(), cause) {
            self.notice_close();
        }
        if !self.end.begun {
            self.end.begin(by, frame, self.config.close_timeout);
        }
    }

    /// Fails the connection (§7.1.7).
    fn fail(&mut self, error: ProtocolError) {
        let frame = error.close_frame();
        self.close(ClosedBy::Local, Some(frame), Some(Arc::new(Cause::Protocol(error))));
        self.end.failed = true;
        self.input.clear();
    }

    fn write(&mut self, cx: &mut Context<'_>) {
        self.write_ready(cx);
        // More of it only once all that is compressed has been written: until then it can be dropped.
        while self.takeover.as_mut().is_some_and(|takeover| takeover.prepare(&self.conn)) {
            self.write_ready(cx);
        }
    }

    fn write_ready(&mut self, cx: &mut Context<'_>) {
        let Some(io) = self.io.as_mut().filter(|_| !self.end.is_broken()) else { return };
        let mut state = self.conn.state();
        if state.cut {
            drop(state);
            return self.over(Some(Cause::Shutdown));
        }
        // Before the frame is gone from the outbox, and under the same lock: a close may come at any time.
        if !self.end.begun
            && let Some(frame) = state.outbox.close_frame().cloned()
        {
            self.end.begin(ClosedBy::Local, Some(frame), self.config.close_timeout);
            ignored(&self.conn, self.ahead.clear());
        }
        if self.writer.has_room() && std::mem::take(&mut state.ping_requested) {
            self.writer.ping(&self.keepalive.ping(Instant::now()));
        }
        let before = self.flow.bytes_sent;
        let written = {
            let state = &mut *state;
            let Some(sink) = io.sink(state.tcp.as_mut()) else { return };
            self.writer.poll_write(cx, sink, &mut state.outbox, &mut state.rest, &mut self.flow)
        };
        if self.flow.bytes_sent > before {
            self.conn.drained(&state);
        }
        dropped(&self.conn, state.outbox.take_dropped());
        // While the transport takes no more, a push need not wake the session: the transport will.
        self.conn.park(&mut state, cx.waker(), written.is_ready());
        match written {
            Poll::Ready(Ok(())) | Poll::Pending => {}
            Poll::Ready(Err(error)) => {
                self.conn.shut(&mut state);
                drop(state);
                // What the peer sent before may still be read, and may be a close.
                self.end.give_up_in(self.config.close_timeout).broken = Some(error);
            }
        }
    }

    /// Ends our side of the transport when nothing will follow. After a failure the peer's side is read on until
    /// it ends too: closing a socket with unread bytes resets it, and the reset can overtake our close frame.
    fn shut_down(&mut self, cx: &mut Context<'_>) {
        if !self.end.received && !self.end.failed {
            return;
        }
        let said_all = self.end.is_broken() || self.writer.is_empty() && self.conn.state().outbox.is_shut();
        if !said_all {
            return;
        }
        if !self.end.shut && !self.end.is_broken() {
            let mut state = self.conn.state();
            let sink = self.io.as_mut().and_then(|io| io.sink(state.tcp.as_mut()));
            if sink.is_some_and(|sink| Pin::new(sink).poll_shutdown(cx).is_pending()) {
                return;
            }
            self.end.shut = true;
        }
        if self.end.received {
            self.over(None);
        }
    }

    /// Reads once; whether there is something to look at now.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.end.received {
            return false;
        }
        let Some(io) = &mut self.io else { return true };
        if self.deaf {
            self.deaf = false;
            self.heard = true;
        }
        let mut event = Ok(None);
        let read = match self.receiver.in_place().filter(|_| !self.end.failed) {
            Some((buffer, missing)) => {
                let read = poll_read_buf(Pin::new(io), cx, &mut buffer.limit(missing));
                if let Poll::Ready(Ok(count @ 1..)) = read {
                    event = self.receiver.filled(count);
                }
                read
            }
            None => match self.receiver.expected().filter(|_| !self.end.failed) {
                Some(mut buffer) => {
                    let read = poll_read_buf(Pin::new(io), cx, &mut buffer);
                    if let Poll::Ready(Ok(1..)) = read {
                        event = self.receiver.adopt(&mut buffer);
                        self.input.put(buffer.freeze());
                    }
                    read
                }
                None => self.input.poll_fill(cx, io),
            },
        };
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.over(Some(Cause::Eof)),
            Poll::Ready(Ok(count)) => {
                self.heard = true;
                self.flow.bytes_received += count as u64;
            }
            Poll::Ready(Err(error)) => self.over(Some(Cause::Transport(error))),
        }
        match event {
            Ok(None) => {}
            // A message that was read in place; nobody was asked to wait for it before.
            Ok(Some(event)) => {
                if let Some(next) = self.handle(event) {
                    self.ahead.push(next);
                }
            }
            Err(error) => self.fail(error),
        }
        true
    }

    /// Whether the time has changed something.
    fn poll_timer(&mut self, cx: &mut Context<'_>, behind: bool) -> bool {
        self.notice_close();
        if self.heard {
            self.heard = false;
            self.keepalive.heard(Instant::now());
        }
        self.deaf = behind;
        let fired = self.timer.as_ref().is_some_and(|timer| timer.is_elapsed());
        if fired && self.tick() {
            return true;
        }
        let expiry = self.config.expiry.filter(|_| !self.end.begun);
        let deadlines = [self.keepalive.deadline(&self.config), self.end.deadline(), self.paused(), expiry];
        let Some(deadline) = deadlines.into_iter().flatten().min() else { return false };
        // One that fires too early is looked at again then: nothing is set anew for each message, and nothing
        // polled, since this task is the one it wakes.
        match &mut self.timer {
            Some(timer) if !fired && timer.deadline() <= deadline => false,
            Some(timer) => {
                timer.as_mut().reset(deadline);
                poll_at_once(timer, cx)
            }
            None => poll_at_once(self.timer.insert(Box::pin(sleep_until(deadline))), cx),
        }
    }

    /// The timer fired; whether something is due.
    fn tick(&mut self) -> bool {
        let now = Instant::now();
        if self.end.deadline().is_some_and(|deadline| deadline <= now) {
            self.over(Some(Cause::CloseTimeout));
            return true;
        }
        if self.deaf {
            self.keepalive.heard(now);
        }
        if !self.end.begun && self.expired(now) {
            return true;
        }
        if self.paused().is_some_and(|until| until <= now) {
            return true;
        }
        match self.keepalive.due(now, &self.config) {
            Due::Nothing => false,
            Due::Ping => {
                let payload = self.keepalive.ping(now);
                if !self.end.begun && self.writer.has_room() {
                    self.writer.ping(&payload);
                }
                true
            }
            Due::Dead => {
                self.over(Some(Cause::PongTimeout));
                true
            }
        }
    }

    /// Whether the connection's time is up; then it is closed.
    fn expired(&self, now: Instant) -> bool {
        let expired = self.config.expiry.is_some_and(|expiry| expiry <= now);
        if expired {
            let frame = CloseFrame::sendable(EXPIRED.into(), Text::from_static("expired"));
            self.conn.begin_close(Some(frame), Some(Arc::new(Cause::Expired)));
        }
        expired
    }

    /// Holds nothing while the task sleeps.
    fn rest(&mut self) {
        self.input.park();
        self.count();
    }

    fn count(&mut self) {
        if self.flow != Flow::default() {
            self.conn.count(std::mem::take(&mut self.flow));
        }
        self.conn.tell_unseen(std::mem::take(&mut self.unseen).into());
    }

    /// Ends the connection, and lets go of the transport even if a callback still runs.
    pub(super) fn over(&mut self, cause: Option<Cause>) {
        if self.io.take().is_none() {
            return;
        }
        self.notice_close();
        let earlier = {
            let mut state = self.conn.state();
            if let Some(tcp) = state.tcp.take() {
                // Closed as it is, with no shutdown before.
                tcp.forget();
            }
            self.conn.shut(&mut state);
            dropped(&self.conn, state.outbox.take_dropped());
            state.cause.take()
        };
        self.input.clear();
        self.timer = None;
        self.rest();

        let Details { first, broken, .. } =
            self.end.details.take().map(|details| *details).unwrap_or_default();
        let transport = broken.is_some() || matches!(cause, Some(Cause::Eof | Cause::Transport(_)));
        let was_clean = self.end.received && broken.is_none() && cause.is_none();
        let phase = if self.end.begun { Phase::Closing } else { Phase::Open };
        // What went wrong first is what the others follow from.
        let cause = earlier.or_else(|| broken.map(Cause::Transport).or(cause).map(Arc::new));
        let (by, code, reason) = match first {
            Some((by, Some(frame))) => (by, frame.code(), frame.into_reason()),
            Some((by, None)) => (by, CloseCode::NO_STATUS, Default::default()),
            None if transport => (ClosedBy::Transport, CloseCode::ABNORMAL, Default::default()),
            None => (ClosedBy::Local, CloseCode::ABNORMAL, Default::default()),
        };
        let traffic = self.conn.traffic();
        self.conn.finish(Closed { by, phase, code, reason, was_clean, cause, traffic });
    }
}

/// Counts messages that no callback is called for any more.
fn ignored(conn: &Conn, messages: u64) {
    if messages > 0 {
        conn.count(Traffic { ignored: messages, ..Traffic::default() });
    }
}

/// Counts what the outbox has dropped.
fn dropped(conn: &Conn, dropped: Dropped) {
    if dropped != Dropped::default() {
        conn.count(dropped);
    }
}

/// Polls a timer even where the task's budget is used up: it is not polled again, and would never be set.
fn poll_at_once(timer: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) -> bool {
    Pin::new(&mut unconstrained(timer)).poll(cx).is_ready()
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.over(Some(Cause::Dropped));
    }
}

impl End {
    fn begin(&mut self, by: ClosedBy, frame: Option<CloseFrame>, timeout: Duration) {
        self.begun = true;
        self.give_up_in(timeout).first = Some((by, frame));
    }

    fn give_up_in(&mut self, timeout: Duration) -> &mut Details {
        let details = self.details.get_or_insert_default();
        let deadline = Instant::now().checked_add(timeout);
        details.deadline = details.deadline.or(deadline);
        details
    }

    fn is_broken(&self) -> bool {
        self.details.as_ref().is_some_and(|details| details.broken.is_some())
    }

    fn deadline(&self) -> Option<Instant> {
        self.details.as_ref()?.deadline
    }
}
