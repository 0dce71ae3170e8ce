//! The load generator: one thread, one epoll, every connection with a fixed number of messages in flight.
//!
//! It must cost less than any server. So frames are built once and a batch of them is one `write`; replies are read
//! into one buffer for all connections and only their headers are looked at.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::connect;
use crate::dialect::Dialect;
use crate::frames::{Frames, Position};
use crate::histogram::Histogram;
use crate::replies::Replies;
use crate::stream::Stream;
use crate::usage;
use crate::wire;
use crate::workload::Workload;

/// Large enough that a batch of small replies is one read, small enough to stay in the core's own cache.
const READ_BUFFER: usize = 256 * 1024;

/// All connections of one workload.
#[derive(Debug)]
pub struct Generator {
    epoll: Epoll,
    connections: Vec<Connection>,
    shared: Shared,
}

/// What the connections use in turn.
#[derive(Debug)]
struct Shared {
    frames: Frames,
    read_buffer: Vec<u8>,
    latencies: Histogram,
}

#[derive(Debug)]
struct Connection {
    stream: Stream,
    replies: Replies,
    /// Messages counted back since the figures were last taken.
    received: u64,
    /// Messages sent, or about to be, and not answered: so many at each time, the oldest first.
    in_flight: VecDeque<(usize, Instant)>,
    position: Position,
}

/// What the generator saw since it was last asked.
#[derive(Debug)]
pub struct Figures {
    /// Replies counted.
    pub messages: u64,
    /// From a write to the end of its reply.
    pub latencies: Histogram,
}

impl Generator {
    /// Opens the connections and sends the first messages.
    pub fn start(address: SocketAddr, dialect: &Dialect, workload: &Workload) -> Result<Self> {
        usage::ensure_descriptors(workload.connections)?;
        let shared = Shared {
            frames: Frames::new(&wire::messages(dialect), workload.in_flight),
            read_buffer: vec![0; READ_BUFFER],
            latencies: Histogram::new(),
        };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let replies = Replies::expecting(dialect);
        let mut connections = Vec::with_capacity(workload.connections);
        for index in 0..workload.connections {
            let stream = connect::open(address, dialect)?;
            stream.set_nonblocking()?;
            // Edge-triggered, for reading and writing at once: no `epoll_ctl` from here on.
            let interest =
                EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            epoll.add(&stream, EpollEvent::new(interest, index as u64))?;
            connections.push(Connection::new(stream, replies.clone()));
        }
        for connection in &mut connections {
            connection.send(workload.in_flight, Instant::now(), &shared)?;
        }
        Ok(Self { epoll, connections, shared })
    }

    /// Keeps the messages in flight until then.
    ///
    /// # Errors
    ///
    /// When a reply is not the one expected, or a connection ends.
    pub fn run_until(&mut self, end: Instant) -> Result<()> {
        let mut events = vec![EpollEvent::empty(); self.connections.len().min(1024)];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // Rounded up to the next millisecond: rounded down it would spin through the last one.
            let timeout = EpollTimeout::try_from(left + Duration::from_millis(1))?;
            let ready = match self.epoll.wait(&mut events, timeout) {
                Err(Errno::EINTR) => 0,
                ready => ready?,
            };
            for event in &events[..ready] {
                let index = event.data() as usize;
                self.connections[index]
                    .on_event(event.events(), &mut self.shared)
                    .with_context(|| format!("connection {index}"))?;
            }
        }
    }

    /// What was seen since the last call, or since the start.
    ///
    /// # Errors
    ///
    /// When a connection received nothing in that time, for a server that loses messages is not fast.
    pub fn take_figures(&mut self) -> Result<Figures> {
        let starved = self.connections.iter().filter(|connection| connection.received == 0).count();
        let received = self.connections.iter_mut().map(|connection| std::mem::take(&mut connection.received));
        let messages = received.sum();
        // Slow servers do not get round to 10,000 connections in a short window, and that is no loss.
        ensure!(
            starved == 0 || messages < 20 * self.connections.len() as u64,
            "{starved} of {} connections received no reply in the whole window",
            self.connections.len()
        );
        ensure!(messages > 0, "no replies in the whole window");
        let latencies = std::mem::replace(&mut self.shared.latencies, Histogram::new());
        Ok(Figures { messages, latencies })
    }
}

impl Connection {
    fn new(stream: Stream, replies: Replies) -> Self {
        Self { stream, replies, received: 0, in_flight: VecDeque::new(), position: Position::default() }
    }

    fn on_event(&mut self, event: EpollFlags, shared: &mut Shared) -> Result<()> {
        // Read at any event: TLS may have to write before it reads.
        let replies = self.read(shared)?;
        if replies > 0 {
            self.answer(replies, shared)?;
        } else if self.position.has_unsent() {
            self.write(shared)?;
        }
        if event.intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            bail!("the server closed it");
        }
        Ok(())
    }

    /// Reads what is there and counts the replies in it.
    fn read(&mut self, shared: &mut Shared) -> Result<usize> {
        let mut replies = 0;
        loop {
            match self.stream.read(&mut shared.read_buffer) {
                Ok(0) => bail!("the server closed it"),
                Ok(length) => {
                    replies += self.replies.count(&shared.read_buffer[..length])?;
                    if length < shared.read_buffer.len() && self.stream.short_read_is_all() {
                        return Ok(replies);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(replies),
                Err(error) => return Err(error).context("reading"),
            }
        }
    }

    /// Puts as many messages in flight as came back.
    fn answer(&mut self, replies: usize, shared: &mut Shared) -> Result<()> {
        self.received += replies as u64;
        let now = Instant::now();
        let mut left = replies;
        while left > 0 {
            let (sent, at) = self.in_flight.front_mut().context("more replies than messages")?;
            let part = left.min(*sent);
            shared.latencies.record(now - *at, part as u64);
            (*sent, left) = (*sent - part, left - part);
            if *sent == 0 {
                self.in_flight.pop_front();
            }
        }
        self.send(replies, now, shared)
    }

    fn send(&mut self, messages: usize, now: Instant, shared: &Shared) -> Result<()> {
        self.in_flight.push_back((messages, now));
        shared.frames.queue(&mut self.position, messages);
        self.write(shared)
    }

    /// Writes what is unsent, in one call where the socket takes it all.
    fn write(&mut self, shared: &Shared) -> Result<()> {
        while self.position.has_unsent() {
            match self.stream.write(shared.frames.unsent(&self.position)) {
                Ok(length) => shared.frames.sent(&mut self.position, length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("writing"),
            }
        }
        Ok(())
    }
}
