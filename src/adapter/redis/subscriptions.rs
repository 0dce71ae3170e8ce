//! The connection of a server's subscriptions, made again until there is no more need for it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::Notify;

use super::{
    dial::{self, Line},
    names::Channel,
    options::{Address, Options},
};
use crate::adapter::{
    Subject, Unavailable,
    link::{Backoff, ShardId, Voice},
};

/// As many channels are subscribed to by one command, and taken from the list at once.
const BATCH: usize = 512;
/// How long a server may leave subscriptions without an answer: it refused them, since they are elsewhere now.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// What is wanted of a server, and what it has confirmed.
pub(super) struct Subscriptions {
    id: ShardId,
    /// The commands: of a Cluster other ones.
    sharded: bool,
    state: Mutex<State>,
    /// Something is to be written.
    changed: Notify,
    /// Something was confirmed, or cut.
    confirmed: Notify,
    voice: Arc<Voice>,
    /// Asks for a look at where slots are.
    moved: Arc<Notify>,
    /// The server is silent, on whichever connection that was noticed.
    silent: Arc<Notify>,
}

#[derive(Default)]
struct State {
    channels: HashMap<Channel, Wish>,
    /// Channels whose wish is not what was last written.
    unwritten: Vec<Channel>,
    /// Counts connections, so that none is taken for the next one.
    line: u64,
    connected: bool,
    /// Channels that were there before the cut, or before the connection, and are not yet confirmed.
    missing: usize,
    /// Nothing is missing, and that is known to the voice.
    whole: bool,
    /// Something was missing, and that is not known to the voice.
    gap: bool,
    /// Written and not answered, and when that last became fewer.
    unanswered: usize,
    progress: Option<Instant>,
}

/// What is wanted of a channel, and how far that is.
struct Wish {
    subject: Arc<Subject>,
    wanted: bool,
    /// What was last written.
    written: bool,
    /// How often the server has yet to answer.
    unanswered: usize,
    missing: bool,
}

impl Subscriptions {
    pub(super) fn new(
        id: ShardId,
        sharded: bool,
        voice: Arc<Voice>,
        moved: Arc<Notify>,
        silent: Arc<Notify>,
    ) -> Self {
        let (changed, confirmed) = (Notify::new(), Notify::new());
        Self { id, sharded, state: Mutex::default(), changed, confirmed, voice, moved, silent }
    }

    /// Whether packets of a channel are wanted. `missing` if they were at another server before: then something may be
    /// lost until they are confirmed. Called under locks of the hub: tells nobody.
    pub(super) fn want(&self, channel: Channel, subject: &Arc<Subject>, wanted: bool, missing: bool) {
        let mut state = self.state.lock();
        let state = &mut *state;
        if !wanted && !state.channels.contains_key(&channel) {
            return;
        }
        let wish = state.channels.entry(channel.clone()).or_insert_with(|| Wish::new(subject.clone()));
        wish.wanted = wanted;
        if missing {
            state.missing += usize::from(!std::mem::replace(&mut wish.missing, true));
            state.gap = true;
        } else if !wanted {
            state.missing -= usize::from(std::mem::take(&mut wish.missing));
        }
        if wanted || state.connected {
            state.unwritten.push(channel);
        } else {
            state.channels.remove(&channel);
        }
        self.changed.notify_one();
    }

    /// The channel is at another server now. Nothing is written: this server says so itself when it knows.
    pub(super) fn abandon(&self, channel: &Channel) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(wish) = state.channels.get_mut(channel) else { return };
        wish.wanted = false;
        state.missing -= usize::from(std::mem::take(&mut wish.missing));
        if !wish.written && wish.unanswered == 0 {
            state.channels.remove(channel);
        }
        self.changed.notify_one();
    }

    /// Subscribes again to what was taken away, since it is still at this server.
    pub(super) fn retry(&self) {
        let mut state = self.state.lock();
        let State { channels, unwritten, missing, .. } = &mut *state;
        if *missing > 0 && unwritten.is_empty() {
            let lost = channels.iter().filter(|(_, wish)| wish.wanted && !wish.written);
            unwritten.extend(lost.map(|(channel, _)| channel.clone()));
            self.changed.notify_one();
        }
    }

    pub(super) async fn confirmed(&self, channel: &Channel) -> Result<(), Unavailable> {
        loop {
            let confirmed = self.confirmed.notified();
            tokio::pin!(confirmed);
            confirmed.as_mut().enable();
            match self.state.lock().channels.get(channel) {
                Some(wish) if wish.is_confirmed() => return Ok(()),
                Some(wish) if wish.wanted => {}
                _ => return Err(Unavailable),
            }
            confirmed.await;
        }
    }

    /// Keeps a connection for as long as it is polled.
    pub(super) async fn keep(self: Arc<Self>, options: Arc<Options>, address: Address) {
        let mut backoff = Backoff::default();
        loop {
            let line = self.begin();
            let listener = self.clone();
            match dial::open(&options, &address, move |push| listener.hear(line, push)).await {
                Ok(line) => {
                    backoff.reset();
                    self.serve(&line).await;
                    self.cut();
                    self.moved.notify_one();
                }
                Err(error) => tracing::debug!(target: "gustnado", %address, %error, "no subscriptions"),
            }
            backoff.wait().await;
        }
    }

    fn begin(&self) -> u64 {
        let mut state = self.state.lock();
        state.line += 1;
        state.line
    }

    async fn serve(&self, line: &Line) {
        self.restore();
        let ping = cmd("PING");
        tokio::select! {
            () = self.write(line) => {}
            () = line.ended(&ping, |_| true, &self.silent) => {}
            () = self.refused() => {}
        }
    }

    /// Everything that is wanted is to be written to the new connection.
    fn restore(&self) {
        let mut state = self.state.lock();
        state.connected = true;
        state.start_over();
        state.unwritten = state.channels.keys().cloned().collect();
        self.changed.notify_one();
    }

    fn cut(&self) {
        let mut state = self.state.lock();
        state.connected = false;
        // What still comes from the old connection is not heard.
        state.line += 1;
        state.start_over();
        state.whole = false;
        drop(state);
        self.confirmed.notify_waiters();
        self.voice.cut(self.id);
    }

    /// Tells what has become of the subscriptions as a whole.
    fn tell(&self) {
        let (gap, became_whole) = {
            let mut state = self.state.lock();
            let gap = std::mem::take(&mut state.gap);
            let whole = state.missing == 0;
            let was_whole = std::mem::replace(&mut state.whole, whole) && !gap;
            (gap, whole && !was_whole)
        };
        if gap {
            self.voice.cut(self.id);
        }
        if became_whole {
            self.voice.shard(self.id, |shard| shard.listening = true);
        }
    }

    async fn write(&self, line: &Line) {
        let mut connection = line.connection.clone();
        loop {
            let changed = self.changed.notified();
            self.tell();
            let (on, off) = self.take();
            let is_idle = on.is_empty() && off.is_empty();
            let (subscribe, unsubscribe) =
                if self.sharded { ("SSUBSCRIBE", "SUNSUBSCRIBE") } else { ("SUBSCRIBE", "UNSUBSCRIBE") };
            for (name, channels) in [(unsubscribe, off), (subscribe, on)] {
                // One command of a Cluster can only name channels of one slot.
                for channels in channels.chunks(if self.sharded { 1 } else { BATCH }) {
                    let mut command = cmd(name);
                    channels.iter().for_each(|channel| {
                        command.arg(channel.as_str());
                    });
                    // The confirmations come as pushes, one for each channel.
                    command.set_no_response(true);
                    if connection.send_packed_command(&command).await.is_err() {
                        return;
                    }
                }
            }
            if is_idle {
                changed.await;
            }
        }
    }

    /// The next channels to subscribe to, and those to unsubscribe from.
    fn take(&self) -> (Vec<Channel>, Vec<Channel>) {
        let mut state = self.state.lock();
        let (mut on, mut off) = (Vec::new(), Vec::new());
        while on.len() < BATCH && off.len() < BATCH {
            let Some(channel) = state.unwritten.pop() else { break };
            let Some(wish) = state.channels.get_mut(&channel) else { continue };
            if wish.wanted == wish.written {
                if wish.is_over() {
                    state.channels.remove(&channel);
                }
                continue;
            }
            wish.written = wish.wanted;
            wish.unanswered += 1;
            if wish.wanted { &mut on } else { &mut off }.push(channel);
        }
        if state.unanswered == 0 {
            state.progress = Some(Instant::now());
        }
        state.unanswered += on.len() + off.len();
        (on, off)
    }

    /// Ends when the server does not answer subscriptions, but everything else.
    async fn refused(&self) {
        loop {
            tokio::time::sleep(ANSWER_WITHIN / 4).await;
            let state = self.state.lock();
            let is_stuck = |since: Instant| since.elapsed() > ANSWER_WITHIN;
            if state.unanswered > 0 && state.progress.is_some_and(is_stuck) {
                return;
            }
        }
    }

    /// What the server sent. Called by the task that reads the connection: nothing is between it and the inbox, so
    /// that the server is drained as fast as the inbox takes it.
    fn hear(&self, line: u64, push: PushInfo) {
        let mut data = push.data.into_iter();
        let Some(channel) = data.next().and_then(text) else { return };
        let channel = Channel::from_wire(channel);
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                let (Some(subject), Some(Value::BulkString(payload))) =
                    (self.subject(line, &channel), data.next())
                else {
                    return;
                };
                self.voice.receive(&subject, Bytes::from(payload));
            }
            PushKind::Subscribe | PushKind::SSubscribe => self.answered(line, channel, true),
            PushKind::Unsubscribe | PushKind::SUnsubscribe => self.answered(line, channel, false),
            _ => {}
        }
    }

    fn subject(&self, line: u64, channel: &Channel) -> Option<Arc<Subject>> {
        let state = self.state.lock();
        let wish = state.channels.get(channel).filter(|wish| wish.wanted && state.line == line)?;
        Some(wish.subject.clone())
    }

    fn answered(&self, line: u64, channel: Channel, subscribed: bool) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(wish) = state.channels.get_mut(&channel).filter(|_| state.line == line) else { return };
        if wish.unanswered > 0 {
            wish.unanswered -= 1;
            state.unanswered -= 1;
            state.progress = Some(Instant::now());
            let found = wish.is_confirmed() && std::mem::take(&mut wish.missing);
            state.missing -= usize::from(found);
            self.confirmed.notify_waiters();
        } else if !subscribed {
            // Nobody asked for it: the slot is at another server now.
            wish.written = false;
            if wish.wanted {
                state.missing += usize::from(!std::mem::replace(&mut wish.missing, true));
                state.gap = true;
                self.moved.notify_one();
            }
        }
        if wish.is_over() {
            state.channels.remove(&channel);
        }
        if state.missing == 0 || state.gap {
            self.changed.notify_one();
        }
    }
}

impl State {
    /// Nothing of what was written counts any more.
    fn start_over(&mut self) {
        self.channels.retain(|_, wish| wish.wanted);
        self.channels.values_mut().for_each(|wish| {
            (wish.written, wish.unanswered, wish.missing) = (false, 0, true);
        });
        self.missing = self.channels.len();
        (self.unanswered, self.progress) = (0, None);
        self.unwritten.clear();
    }
}

impl Wish {
    fn new(subject: Arc<Subject>) -> Self {
        Self { subject, wanted: false, written: false, unanswered: 0, missing: false }
    }

    fn is_confirmed(&self) -> bool {
        self.wanted && self.written && self.unanswered == 0
    }

    fn is_over(&self) -> bool {
        !self.wanted && !self.written && self.unanswered == 0
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
