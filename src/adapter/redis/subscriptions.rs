//! The connection of a server's subscriptions, made again until there is no more need for it.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::Notify;

use super::{
    dial::{self, Line},
    names::Channel,
    options::{Address, Options},
    wishes::Wishes,
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
    wishes: Mutex<Wishes>,
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

impl Subscriptions {
    pub(super) fn new(
        id: ShardId,
        sharded: bool,
        voice: Arc<Voice>,
        moved: Arc<Notify>,
        silent: Arc<Notify>,
    ) -> Self {
        let (changed, confirmed) = (Notify::new(), Notify::new());
        Self { id, sharded, wishes: Mutex::default(), changed, confirmed, voice, moved, silent }
    }

    /// See [`Wishes::want`]. Called under locks of the hub: tells nobody.
    pub(super) fn want(&self, channel: Channel, subject: &Arc<Subject>, wanted: bool, missing: bool) {
        self.wishes.lock().want(channel, subject, wanted, missing);
        self.changed.notify_one();
    }

    /// See [`Wishes::abandon`].
    pub(super) fn abandon(&self, channel: &Channel) {
        self.wishes.lock().abandon(channel);
        self.changed.notify_one();
    }

    /// See [`Wishes::retry`].
    pub(super) fn retry(&self) {
        self.wishes.lock().retry();
        self.changed.notify_one();
    }

    pub(super) async fn confirmed(&self, channel: &Channel) -> Result<(), Unavailable> {
        loop {
            let confirmed = self.confirmed.notified();
            tokio::pin!(confirmed);
            confirmed.as_mut().enable();
            match self.wishes.lock().is_confirmed(channel) {
                Some(true) => return Ok(()),
                Some(false) => {}
                None => return Err(Unavailable),
            }
            confirmed.await;
        }
    }

    /// Keeps a connection for as long as it is polled.
    pub(super) async fn keep(self: Arc<Self>, options: Arc<Options>, address: Address) {
        let mut backoff = Backoff::default();
        loop {
            let line = self.wishes.lock().begin();
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

    async fn serve(&self, line: &Line) {
        self.wishes.lock().connect();
        let ping = cmd("PING");
        tokio::select! {
            () = self.write(line) => {}
            () = line.ended(&ping, |_| true, &self.silent) => {}
            () = self.refused() => {}
        }
    }

    fn cut(&self) {
        self.wishes.lock().cut();
        self.confirmed.notify_waiters();
        self.voice.cut(self.id);
    }

    /// Tells what has become of the subscriptions as a whole.
    fn tell(&self) {
        let news = self.wishes.lock().news();
        if news.gap {
            self.voice.cut(self.id);
        }
        if news.whole {
            self.voice.shard(self.id, |shard| shard.listening = true);
        }
    }

    async fn write(&self, line: &Line) {
        let mut connection = line.connection.clone();
        loop {
            let changed = self.changed.notified();
            self.tell();
            let (on, off) = self.wishes.lock().take(BATCH);
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

    /// Ends when the server does not answer subscriptions, but everything else.
    async fn refused(&self) {
        while !self.wishes.lock().is_stuck(ANSWER_WITHIN) {
            tokio::time::sleep(ANSWER_WITHIN / 4).await;
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
                    (self.wishes.lock().subject(line, &channel), data.next())
                else {
                    return;
                };
                self.voice.receive(&subject, &payload.into());
            }
            PushKind::Subscribe | PushKind::SSubscribe => self.answered(line, &channel, true),
            PushKind::Unsubscribe | PushKind::SUnsubscribe => self.answered(line, &channel, false),
            _ => {}
        }
    }

    fn answered(&self, line: u64, channel: &Channel, subscribed: bool) {
        let (moved, has_news) = {
            let mut wishes = self.wishes.lock();
            (wishes.answered(line, channel, subscribed), wishes.has_news())
        };
        self.confirmed.notify_waiters();
        if moved {
            self.moved.notify_one();
        }
        if has_news {
            self.changed.notify_one();
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
