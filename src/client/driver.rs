//! [`Driver`]: the client's task. One connection after the other, and the waits between.

use std::{future::poll_fn, pin::pin, sync::Arc, time::Duration};

use futures_util::{FutureExt, SinkExt, StreamExt, stream::SplitSink};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{self, Utf8Bytes, protocol::CloseFrame as WireClose};

use crate::{
    panics::{CatchPanic, catch},
    protocol::{
        close::{CloseCode, CloseFrame},
        message::Message,
        text::Text,
    },
};

use super::{
    backoff::Backoff,
    closing::{Closed, UNAUTHORIZED, reconnect_window},
    core::{Core, GiveUp, Op},
    dial::{Socket, dial},
    events::State,
    heartbeat::{Beat, Heartbeat},
    outbox::after,
};

/// How long a connection must last for the bound of the waits to begin anew.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// How long a peer gets to answer a close frame, or to take ours.
const FAREWELL: Duration = Duration::from_secs(1);

/// The application wanted an end, by `close` or by dropping all handles; it was told already.
struct Halt;

pub(super) struct Driver {
    core: Core,
    ops: mpsc::Receiver<Op>,
    closing: watch::Receiver<Option<CloseFrame>>,
    backoff: Backoff,
    /// A refused credential was renewed, and no connection has lasted since.
    renewed: bool,
}

impl Driver {
    pub(super) fn new(
        core: Core,
        ops: mpsc::Receiver<Op>,
        closing: watch::Receiver<Option<CloseFrame>>,
    ) -> Self {
        let backoff = Backoff::new(core.config.first_wait, core.config.longest_wait);
        Self { core, ops, closing, backoff, renewed: false }
    }

    pub(super) async fn run(mut self) {
        if let Ok(()) = self.live().await {
            self.core.end();
        }
    }

    /// Ends everything, and tells so.
    fn halt(&mut self, frame: &CloseFrame) -> Halt {
        self.core.disconnected();
        self.core.closed(Closed::ours(frame.code(), frame.reason()));
        self.core.end();
        Halt
    }

    /// Connects again and again, until the server's word is not to come back.
    async fn live(&mut self) -> Result<(), Halt> {
        loop {
            let mut closed = self.once().await?;
            self.core.disconnected();
            closed.reconnects = self.comes_back(&closed);
            let wait = closed.reconnects.then(|| self.wait(&closed));
            self.core.closed(closed);
            let Some(retry_in) = wait else { return Ok(()) };
            self.core.become_state(State::Waiting { retry_in });
            self.meanwhile(tokio::time::sleep(retry_in)).await?;
        }
    }

    /// One attempt and, if it succeeds, one connection.
    async fn once(&mut self) -> Result<Closed, Halt> {
        self.core.become_state(State::Connecting);
        let config = Arc::clone(&self.core.config);
        // The provider of tokens and the transport are the application's, and may panic.
        let attempt = CatchPanic(Box::pin(dial(&config)));
        let socket = match self.meanwhile(timeout(config.connect_timeout, attempt)).await? {
            Err(_) => return Ok(Closed::network("no connection in time")),
            Ok(Err(_)) => return Ok(Closed::network("a callback panicked")),
            Ok(Ok(Err(failed))) => {
                self.core.report(failed.error);
                return Ok(failed.closed);
            }
            Ok(Ok(Ok(socket))) => socket,
        };
        let opened = Instant::now();
        let closed = self.talk(socket).await?;
        if opened.elapsed() >= STABLE_AFTER {
            self.backoff.reset();
            self.renewed = false;
        }
        Ok(closed)
    }

    /// Uses an open connection until it ends.
    async fn talk(&mut self, socket: Socket) -> Result<Closed, Halt> {
        let (mut sink, mut stream) = socket.split();
        let (interval, patience) = (self.core.config.heartbeat_interval, self.core.config.heartbeat_timeout);
        let mut heart = Heartbeat::new(interval, patience, Instant::now());
        let mut unflushed = false;
        self.core.opened();
        loop {
            let deadline = self.core.deadline().map_or(heart.deadline(), |core| core.min(heart.deadline()));
            let writes = self.core.has_outgoing();
            // In no order: neither a flood of messages nor one of sends starves the others.
            tokio::select! {
                frame = halted(&mut self.closing) => {
                    // Told first: the peer may be gone, and the socket full.
                    let halt = self.halt(&frame);
                    let goodbye = async {
                        sink.send(tungstenite::Message::Close(Some(wire_close(&frame)))).await?;
                        while stream.next().await.is_some_and(|came| came.is_ok()) {}
                        Ok::<_, tungstenite::Error>(())
                    };
                    drop(timeout(FAREWELL, goodbye).await);
                    return Err(halt);
                }
                came = stream.next(), if !self.core.is_behind() => {
                    heart.heard(Instant::now());
                    match came {
                        Some(Ok(tungstenite::Message::Close(frame))) => {
                            drop(timeout(FAREWELL, sink.flush()).await);
                            return Ok(closed_by_peer(frame));
                        }
                        Some(Ok(message)) => {
                            // The answer to a ping is queued by having read it.
                            unflushed |= message.is_ping();
                            if let Some(message) = received(message) {
                                self.core.receive(message);
                            }
                        }
                        Some(Err(error)) => return Ok(failed(&mut sink, error).await),
                        None => return Ok(Closed::network("the connection ended")),
                    }
                }
                // What there is to write goes out together, and is flushed after the last of it.
                ready = poll_fn(|cx| if writes { sink.poll_ready_unpin(cx) } else { sink.poll_flush_unpin(cx) }),
                    if writes || unflushed =>
                {
                    let message = if writes { self.core.next_outgoing() } else { None };
                    unflushed = message.is_some() || (writes && unflushed);
                    let taken = ready.and_then(|()| message.map_or(Ok(()), |message| sink.start_send_unpin(sendable(message))));
                    if taken.is_err() {
                        return Ok(Closed::network("the connection ended"));
                    }
                }
                // While the socket takes nothing, those who send wait, and nothing is dropped.
                Some(op) = self.ops.recv(), if self.core.outbox.is_empty() => self.core.take(op),
                Some(answered) = self.core.answers.next() => self.core.answer(answered),
                () = sleep_until(deadline) => {
                    let now = Instant::now();
                    if let Err(GiveUp(why)) = self.core.tick(now) {
                        return Ok(Closed::network(why));
                    }
                    match heart.beat(now) {
                        Beat::Wait => {}
                        Beat::Dead => return Ok(Closed::network("the server is silent")),
                        Beat::Ask => {
                            // Where the socket takes nothing the silence goes on, and has its end.
                            let ping = tungstenite::Message::Ping(Vec::new().into());
                            let ready = poll_fn(|cx| sink.poll_ready_unpin(cx)).now_or_never();
                            unflushed |= ready.is_some_and(|ready| ready.is_ok()) && sink.start_send_unpin(ping).is_ok();
                        }
                    }
                }
            }
        }
    }

    /// Waits for something without a connection. What is sent meanwhile waits in the outbox.
    async fn meanwhile<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Halt> {
        let mut something = pin!(something);
        loop {
            let deadline = self.core.outbox.deadline().unwrap_or_else(|| after(Duration::MAX));
            tokio::select! {
                // Who asked to listen before something hears of it; tokio's budget keeps a flood from starving the rest.
                biased;
                frame = halted(&mut self.closing) => return Err(self.halt(&frame)),
                Some(op) = self.ops.recv() => self.core.take(op),
                Some(answered) = self.core.answers.next() => self.core.answer(answered),
                done = &mut something => return Ok(done),
                () = sleep_until(deadline) => self.core.outbox.expire(Instant::now()),
            }
        }
    }

    /// Whether the client connects again.
    fn comes_back(&mut self, closed: &Closed) -> bool {
        let mut closed = closed.clone();
        if closed.code == UNAUTHORIZED && self.core.config.token.is_some() && !self.renewed {
            self.renewed = true;
            closed.reconnects = true;
        }
        match &self.core.config.reconnect {
            Some(decide) => catch(|| decide(&closed)).unwrap_or(closed.reconnects),
            None => closed.reconnects,
        }
    }

    fn wait(&mut self, closed: &Closed) -> Duration {
        match (reconnect_window(&closed.reason), closed.retry_after) {
            (Some(window), _) => self.backoff.within(window),
            (None, Some(pause)) => self.backoff.after(pause),
            (None, None) => self.backoff.next(),
        }
    }
}

/// Ends when the application wants an end.
async fn halted(closing: &mut watch::Receiver<Option<CloseFrame>>) -> CloseFrame {
    match closing.wait_for(Option::is_some).await.map(|frame| frame.clone()) {
        Ok(Some(frame)) => frame,
        _ => CloseFrame::sendable(CloseCode::NORMAL, Text::from("")), // all handles are gone
    }
}

fn received(message: tungstenite::Message) -> Option<Message> {
    match message {
        tungstenite::Message::Text(text) => Text::try_from(bytes::Bytes::from(text)).ok().map(Message::Text),
        tungstenite::Message::Binary(bytes) => Some(Message::Binary(bytes)),
        _ => None,
    }
}

fn sendable(message: Message) -> tungstenite::Message {
    match message {
        Message::Text(text) => tungstenite::Message::text(text.as_str()),
        Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
    }
}

fn wire_close(frame: &CloseFrame) -> WireClose {
    WireClose { code: frame.code().as_u16().into(), reason: Utf8Bytes::from(frame.reason()) }
}

fn closed_by_peer(frame: Option<WireClose>) -> Closed {
    match frame {
        // tungstenite does not know 1014, and shows this instead.
        Some(frame) if u16::from(frame.code) == 1002 && &*frame.reason == "Protocol violation" => {
            Closed::new(CloseCode::BAD_GATEWAY, "", true)
        }
        Some(frame) => Closed::new(u16::from(frame.code), &frame.reason, true),
        None => Closed::new(CloseCode::NO_STATUS, "", true),
    }
}

/// Reading has failed. What is too large would be so again; all else is the network's.
async fn failed(sink: &mut SplitSink<Socket, tungstenite::Message>, error: tungstenite::Error) -> Closed {
    if !matches!(error, tungstenite::Error::Capacity(_)) {
        return Closed::network("the connection ended");
    }
    let closed = Closed::new(CloseCode::MESSAGE_TOO_BIG, "a message is too large", false);
    let frame = CloseFrame::sendable(closed.code, Text::from(&*closed.reason));
    drop(timeout(FAREWELL, sink.send(tungstenite::Message::Close(Some(wire_close(&frame))))).await);
    closed
}
