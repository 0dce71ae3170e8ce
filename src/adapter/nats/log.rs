//! The logs of rooms, each a stream of JetStream.
//!
//! A stream numbers its messages 1, 2, 3 .. and says the number when it has stored one, keeps so many for so long, and
//! finds an entry by its key: an append is one request, and appends to one room need not wait for each other. The
//! alternative, one stream for all rooms, numbers their messages together: each append would have to name the one before
//! it and to be repeated when another node was faster, and reading would ask for one entry after the other. What it
//! costs that each room has a stream is in `docs/scaling.md`.
//!
//! The epoch is in the subject that entries are published to, made by the node that makes the stream. So the server
//! itself takes no entry for another epoch than the one that its position will name, and says with each entry that it
//! gives which one that is.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use async_nats::{Client, Message, header};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::de::IgnoredAny;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout, timeout_at},
};

use super::{
    ANSWER_WITHIN,
    api::{Api, Appended, Failure, parse},
    known::Ends,
    stream::{Info, Setup, State},
};
use crate::{
    adapter::{AppendError, Epoch, History, Position, ReadFrom, Retention, Slice, Unavailable},
    random::random,
};

/// How long to wait before asking again a server that was not ready.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(50);
/// As many logs are read at once: if all were, none might be read in time.
const READS: usize = 16;

pub(super) struct Logs {
    pub(super) setup: Setup,
    server: Mutex<Option<Api>>,
    /// The server has said so.
    has_none: AtomicBool,
    known: Ends,
    pub(super) reads: Semaphore,
}

impl Logs {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            server: Mutex::default(),
            has_none: AtomicBool::new(false),
            known: Ends::default(),
            reads: Semaphore::new(READS),
        }
    }

    /// There is a connection. Returns when it is known whether the server keeps logs.
    pub(super) async fn connected(&self, client: &Client) {
        let api = Api(client.clone());
        let told = timeout(ANSWER_WITHIN / 2, api.ask::<IgnoredAny>("INFO", "")).await;
        let has_none = matches!(told, Ok(Err(Failure::Absent | Failure::NoJetStream)));
        if has_none && !self.has_none.load(Relaxed) {
            tracing::warn!(target: "gustnado", "NATS has no JetStream here: rooms have no history");
        }
        self.has_none.store(has_none, Relaxed);
        *self.server.lock() = Some(api);
    }

    pub(super) fn disconnected(&self) {
        *self.server.lock() = None;
    }

    /// As logs, unless the server keeps none.
    pub(super) fn history(&self) -> Option<&dyn History> {
        (!self.has_none.load(Relaxed)).then_some(self)
    }

    /// Where an entry is that has come for a room; `None` if it is none.
    pub(super) fn position_of(&self, room: &str, message: &Message) -> Option<Position> {
        let headers = message.headers.as_ref()?;
        let epoch = self.setup.epoch_of(headers.get(header::NATS_SUBJECT)?.as_str())?;
        let offset = headers.get(header::NATS_SEQUENCE)?.as_str().parse().ok()?;
        let position = Position { epoch, offset };
        self.known.heard(room, position);
        Some(position)
    }

    pub(super) fn api(&self) -> Result<Api, Failure> {
        self.server.lock().clone().ok_or_else(|| Failure::Refused("the server is away".into()))
    }

    /// Looks at the stream of a room, which is made if there is none, and keeps what it should.
    pub(super) async fn open(
        &self,
        api: &Api,
        room: &str,
        retention: Retention,
    ) -> Result<(Position, State), Failure> {
        let too_long = || Failure::Refused("the room's name is too long for a stream".into());
        let name = self.setup.name(room).ok_or_else(too_long)?;
        loop {
            let before = self.known.get(room);
            let mut info = match api.ask::<Info>(&format!("STREAM.INFO.{name}"), "").await {
                Err(Failure::Absent) => {
                    let config = self.setup.config(room, Epoch::new(random()), retention);
                    api.ask(&format!("STREAM.CREATE.{name}"), config).await
                }
                answer => answer,
            };
            if let Ok(found) = &info
                && let Some(epoch) = found.epoch(&self.setup)
                && !found.keeps(retention)
            {
                let config = self.setup.config(room, epoch, retention);
                info = api.ask(&format!("STREAM.UPDATE.{name}"), config).await;
            }
            let info = match info {
                Ok(info) => info,
                // Another node was faster.
                Err(Failure::NameIsTaken) => continue,
                Err(Failure::NotYet(_)) => {
                    sleep(ASK_AGAIN).await;
                    continue;
                }
                Err(why) => return Err(why),
            };
            let Some(epoch) = info.epoch(&self.setup) else { return Err(Failure::NameIsTaken) };
            let top = info.top(epoch);
            if before.is_some_and(|before| before.has_lost_some(top)) {
                self.begin_anew(api, room, &name).await?;
                continue;
            }
            self.known.learn(room, top, retention);
            return Ok((top, info.state));
        }
    }

    /// A log that is shorter than it was, as after a power failure or with an older copy of the store, would give out
    /// positions that other messages had: it is deleted.
    async fn begin_anew(&self, api: &Api, room: &str, name: &str) -> Result<(), Failure> {
        tracing::warn!(target: "gustnado", room, "the log has lost entries, and begins anew");
        self.known.forget(room);
        match api.ask::<IgnoredAny>(&format!("STREAM.DELETE.{name}"), "").await {
            Ok(_) | Err(Failure::Absent) => Ok(()),
            Err(why) => Err(why),
        }
    }

    async fn tops_now(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Failure> {
        let api = self.api()?;
        // A room whose name is too long has no log.
        let named = rooms.iter().enumerate();
        let named =
            named.filter_map(|(place, room)| Some((place, self.known.get(room), self.setup.name(room)?)));
        let named: Vec<_> = named.collect();
        let asks = named.iter().map(|(_, _, name)| (format!("STREAM.INFO.{name}"), Bytes::new()));
        let answers = api.ask_all(asks).await?;
        let mut tops = vec![None; rooms.len()];
        for ((place, before, name), answer) in named.iter().zip(&answers) {
            let info: Info = match parse(answer) {
                Err(Failure::Absent) => continue,
                answer => answer?,
            };
            let Some(top) = info.epoch(&self.setup).map(|epoch| info.top(epoch)) else { continue };
            if before.is_some_and(|before| before.has_lost_some(top)) {
                self.begin_anew(&api, rooms[*place], name).await?;
                continue;
            }
            self.known.heard(rooms[*place], top);
            tops[*place] = Some(top);
        }
        Ok(tops)
    }
}

#[async_trait]
impl History for Logs {
    async fn append(
        &self,
        room: &str,
        entry: Bytes,
        key: Option<&str>,
        retention: Retention,
    ) -> Result<Position, AppendError> {
        let deadline = Instant::now() + ANSWER_WITHIN;
        let mut known =
            self.known.get(room).filter(|known| known.retention == retention).map(|known| known.top);
        loop {
            let open = async {
                let api = self.api()?;
                let top = match known.take() {
                    Some(top) => top,
                    None => self.open(&api, room, retention).await?.0,
                };
                Ok((api, top))
            };
            // Until here the entry was not sent.
            let opened = timeout_at(deadline, open).await.unwrap_or(Err(Failure::NoAnswer));
            let (api, top) = opened.map_err(|why| AppendError::Rejected(why.to_string()))?;
            let entries = self.setup.entries(room, top.epoch);
            let appended = timeout_at(deadline, api.append(entries, entry.clone(), key)).await;
            match appended.unwrap_or(Err(Failure::NoAnswer)) {
                Ok(Appended { seq, duplicate }) => {
                    let position = Position { offset: seq, ..top };
                    if !duplicate && seq <= top.offset {
                        let name = self.setup.name(room).unwrap_or_default();
                        let _ = timeout_at(deadline, self.begin_anew(&api, room, &name)).await;
                        return Err(AppendError::Unknown);
                    }
                    self.known.heard(room, position);
                    return Ok(position);
                }
                // No stream takes entries of that epoch: the log has begun anew.
                Err(Failure::Absent) if Instant::now() + ASK_AGAIN < deadline => {
                    sleep(ASK_AGAIN).await;
                }
                Err(Failure::NoAnswer) => return Err(AppendError::Unknown),
                Err(why) => return Err(AppendError::Rejected(why.to_string())),
            }
        }
    }

    async fn read(
        &self,
        room: &str,
        from: ReadFrom,
        max: usize,
        retention: Retention,
    ) -> Result<Slice, Unavailable> {
        let read = timeout(ANSWER_WITHIN, self.read_now(room, from, max, retention)).await;
        read.map_err(|_| Unavailable)?.map_err(|why| {
            tracing::debug!(target: "gustnado", room, %why, "the log was not read");
            Unavailable
        })
    }

    async fn tops(&self, rooms: &[&str]) -> Result<Vec<Option<Position>>, Unavailable> {
        let tops = timeout(ANSWER_WITHIN, self.tops_now(rooms)).await;
        tops.map_err(|_| Unavailable)?.map_err(|_| Unavailable)
    }
}
