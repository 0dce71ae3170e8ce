//! [`Life`]: one connection, its plan and all that was seen of it; [`Actor`], the connector that plays the plan.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use gustnado::{
    Cause, Closed, Conn, Connector, Disconnect, Handshake, Message, Reject, SendError, async_trait,
};
use http::StatusCode;
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinHandle};

use super::plan::{Act, Fate, Last, Plan};

#[derive(Debug)]
pub struct Life {
    pub plan: Plan,
    pub seen: Mutex<Vec<Seen>>,
    pub conn: OnceLock<Conn>,
    pub closed: OnceLock<Closed>,
    /// Messages that a send took, and those that came back because the outbox was full.
    pub queued: AtomicU64,
    pub queued_elsewhere: AtomicU64,
    pub full: AtomicU64,
    pub created: AtomicBool,
    pub dropped: AtomicBool,
    pub over: Notify,
    pub tasks: Mutex<Vec<JoinHandle<()>>>,
    busy: AtomicBool,
    wrong: Mutex<Vec<String>>,
}

/// What the connector saw or did, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Connect,
    Accept,
    Open,
    Message(u64),
    Pong,
    /// A callback ended the connection and nobody had before, with this code.
    Ends(u16),
    Panics,
    /// A callback returned an error.
    Fails,
    Error(&'static str),
    Close,
    Drop,
}

impl Life {
    pub fn new(plan: Plan) -> Arc<Self> {
        Arc::new(Self {
            plan,
            seen: Mutex::default(),
            conn: OnceLock::new(),
            closed: OnceLock::new(),
            queued: AtomicU64::new(0),
            queued_elsewhere: AtomicU64::new(0),
            full: AtomicU64::new(0),
            created: AtomicBool::new(false),
            dropped: AtomicBool::new(false),
            over: Notify::new(),
            tasks: Mutex::default(),
            busy: AtomicBool::new(false),
            wrong: Mutex::default(),
        })
    }

    /// What broke a rule while the connection lived.
    pub fn wrong(&self, what: impl Into<String>) {
        self.wrong.lock().push(what.into());
    }

    pub fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.wrong.lock())
    }

    fn saw(&self, seen: Seen) {
        self.seen.lock().push(seen);
    }

    /// Waits until the connector was dropped.
    pub async fn over(&self) {
        let mut over = std::pin::pin!(self.over.notified());
        over.as_mut().enable();
        if !self.dropped.load(SeqCst) {
            over.await;
        }
    }

    fn enter(&self) -> Busy<'_> {
        if self.busy.swap(true, SeqCst) {
            self.wrong("two callbacks at once");
        }
        Busy(&self.busy)
    }
}

struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

/// A panic that the panic hook is not told of.
fn panic() -> ! {
    std::panic::resume_unwind(Box::new("a panic by plan"))
}

async fn work(time: Duration) {
    if time.is_zero() {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    } else {
        tokio::time::sleep(time).await;
    }
}

pub struct Actor {
    life: Arc<Life>,
    messages: usize,
}

pub async fn create(life: &Arc<Life>) -> Result<Actor, Reject> {
    match life.plan.factory {
        Fate::Accepted => {}
        Fate::Refused => return Err(Reject::new(StatusCode::IM_A_TEAPOT, "")),
        Fate::Panics => panic(),
        Fate::TooSlow => std::future::pending().await,
    }
    life.created.store(true, SeqCst);
    Ok(Actor { life: life.clone(), messages: 0 })
}

impl Drop for Actor {
    fn drop(&mut self) {
        if self.life.busy.load(SeqCst) {
            self.life.wrong("dropped within a callback");
        }
        self.life.saw(Seen::Drop);
        self.life.dropped.store(true, SeqCst);
        self.life.over.notify_waiters();
    }
}

#[async_trait]
impl Connector for Actor {
    async fn on_connect(&mut self, _: &mut Handshake) -> Result<(), Reject> {
        let _busy = self.life.enter();
        self.life.saw(Seen::Connect);
        match self.life.plan.on_connect {
            Fate::Accepted => {}
            Fate::Refused => return Err(io::Error::other("a secret").into()),
            Fate::Panics => panic(),
            Fate::TooSlow => std::future::pending().await,
        }
        self.life.saw(Seen::Accept);
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _busy = self.life.enter();
        self.life.saw(Seen::Open);
        let plan = &self.life.plan;
        conn.set_slow_reader(plan.slow_reader);
        conn.set_outbox_limits(plan.outbox.0, plan.outbox.1);
        self.life.conn.set(conn.clone()).expect("on_open comes once");
        play(&self.life, conn, &plan.on_open).await
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        let _busy = self.life.enter();
        let number = message.as_bytes().split(|&byte| byte == b':').next();
        let number = number.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        match number {
            Some(number) => self.life.saw(Seen::Message(number)),
            None => self.life.wrong("a message that nobody sent"),
        }
        let nth = self.messages;
        self.messages += 1;
        match self.life.plan.on_message.get(nth) {
            Some(acts) => play(&self.life, conn, acts).await,
            None => play(&self.life, conn, &[Act::Reply]).await,
        }
    }

    async fn on_pong(&mut self, conn: &Conn, _: Duration) -> Result<(), Disconnect> {
        let _busy = self.life.enter();
        self.life.saw(Seen::Pong);
        play(&self.life, conn, &self.life.plan.on_pong).await
    }

    async fn on_error(&mut self, conn: &Conn, cause: &Cause) {
        let _busy = self.life.enter();
        self.life.saw(Seen::Error(name(cause)));
        self.last(conn, &self.life.plan.on_error).await;
    }

    async fn on_close(&mut self, conn: &Conn, closed: &Closed) {
        let _busy = self.life.enter();
        self.life.saw(Seen::Close);
        if self.life.closed.set(closed.clone()).is_err() {
            self.life.wrong("a second on_close");
        }
        let _ = self.life.conn.set(conn.clone());
        self.last(conn, &self.life.plan.on_close).await;
    }
}

impl Actor {
    async fn last(&self, conn: &Conn, last: &Last) {
        if !matches!(conn.send("too late").await, Err(SendError::Closing(_))) {
            self.life.wrong("a send after the end");
        }
        match last {
            Last::Returns => {}
            Last::Works(time) => work(*time).await,
            Last::Panics => panic(),
        }
    }
}

/// Does what the plan says, and notes it down.
async fn play(life: &Arc<Life>, conn: &Conn, acts: &[Act]) -> Result<(), Disconnect> {
    let ends = |code: u16| {
        if !conn.is_closing() {
            life.saw(Seen::Ends(code));
        }
    };
    for act in acts {
        match act {
            Act::Reply => {
                let sent = conn.send(numbered(life, 20)).await;
                note(life, &life.queued, conn, &sent);
            }
            Act::SendElsewhere => {
                let (conn, held) = (conn.clone(), life.clone());
                life.tasks.lock().push(tokio::spawn(async move {
                    let sent = conn.send("elsewhere:").await;
                    note(&held, &held.queued_elsewhere, &conn, &sent);
                }));
            }
            Act::Ping => conn.ping(),
            Act::Work(time) => work(*time).await,
            Act::Flood => {
                for _ in 0..30 {
                    let sent = conn.try_send(numbered(life, 250));
                    note(life, &life.queued, conn, &sent);
                }
            }
            Act::CloseHere(code) => {
                ends(*code);
                conn.close(*code, "closed within").expect("the code may travel");
                if !matches!(conn.try_send("late"), Err(SendError::Closing(_))) {
                    life.wrong("a send after a close");
                }
            }
            Act::CloseElsewhere(code) => {
                let (conn, code) = (conn.clone(), *code);
                life.tasks.lock().push(tokio::spawn(async move {
                    conn.close(code, "closed elsewhere").expect("the code may travel");
                }));
            }
            Act::Fail => {
                ends(1011);
                life.saw(Seen::Fails);
                return Err(io::Error::other("a secret").into());
            }
            Act::Kick(code) => {
                ends(*code);
                life.saw(Seen::Fails);
                return Err(Disconnect::new(*code, "kicked"));
            }
            Act::KickWithInvalidCode => {
                ends(1011);
                life.saw(Seen::Fails);
                return Err(Disconnect::new(1006, ""));
            }
            Act::Panic => {
                ends(1011);
                life.saw(Seen::Panics);
                panic();
            }
        }
    }
    Ok(())
}

/// The next message to the client; a number counts only once its message is queued.
fn numbered(life: &Life, padding: usize) -> String {
    format!("{}:{}", life.queued.load(SeqCst), "x".repeat(padding))
}

fn note(life: &Life, queued: &AtomicU64, conn: &Conn, sent: &Result<(), SendError>) {
    match sent {
        Ok(()) => {
            queued.fetch_add(1, SeqCst);
        }
        Err(SendError::Full(_)) => {
            life.full.fetch_add(1, SeqCst);
        }
        Err(SendError::Closing(_)) if conn.is_closing() => {}
        Err(error) => life.wrong(format!("a send failed: {error}")),
    }
}

pub fn name(cause: &Cause) -> &'static str {
    match cause {
        Cause::NotUpgraded(_) => "not upgraded",
        Cause::HandshakeTimeout => "handshake timeout",
        Cause::Protocol(_) => "protocol",
        Cause::Transport(_) => "transport",
        Cause::Eof => "eof",
        Cause::PongTimeout => "pong timeout",
        Cause::CloseTimeout => "close timeout",
        Cause::SlowReader => "slow reader",
        Cause::Callback(_) => "callback",
        Cause::InvalidCloseCode(_) => "invalid close code",
        Cause::Panic => "panic",
        _ => "dropped",
    }
}
