//! The load of the fan-out workloads: one connection sends, all of them count what they get.
//!
//! A fixed number of messages is in flight: one more is sent for each that everybody has got. So the slowest member
//! sets the pace, and nobody's outbox fills up.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::connect;
use crate::dialect::Dialect;
use crate::generator::Figures;
use crate::histogram::Histogram;
use crate::replies::Replies;
use crate::stream::Stream;
use crate::usage;
use crate::wire;
use crate::workload::Workload;

/// Everybody who gets the messages; the first member is the one who sends them.
#[derive(Debug)]
pub struct Room {
    epoll: Epoll,
    members: Vec<Member>,
    /// The messages, each a frame, to be sent in turn.
    frames: Vec<Vec<u8>>,
    next: usize,
    /// How many members have got each message that is in flight, and when it was sent, the oldest first.
    arrived: VecDeque<(usize, Instant)>,
    /// Messages that everybody has got.
    done: u64,
    deliveries: u64,
    latencies: Histogram,
    read_buffer: Vec<u8>,
}

#[derive(Debug)]
struct Member {
    stream: Stream,
    replies: Replies,
    received: u64,
}

impl Room {
    /// Opens the connections and sends the first messages.
    pub fn fill(address: SocketAddr, dialect: &Dialect, workload: &Workload) -> Result<Self> {
        usage::ensure_descriptors(workload.connections)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let replies = Replies::expecting(dialect);
        let mut members = Vec::with_capacity(workload.connections);
        for index in 0..workload.connections {
            let stream = connect::open(address, dialect).with_context(|| format!("connection {index}"))?;
            stream.set_nonblocking()?;
            let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            epoll.add(&stream, EpollEvent::new(interest, index as u64))?;
            members.push(Member { stream, replies: replies.clone(), received: 0 });
        }
        let mut room = Self {
            epoll,
            members,
            frames: wire::messages(dialect),
            next: 0,
            arrived: VecDeque::new(),
            done: 0,
            deliveries: 0,
            latencies: Histogram::new(),
            read_buffer: vec![0; 64 * 1024],
        };
        room.settle()?;
        (0..workload.in_flight).try_for_each(|_| room.send())?;
        Ok(room)
    }

    /// Keeps the messages in flight until then.
    ///
    /// # Errors
    ///
    /// When a message is not the one expected, or comes twice, or a connection ends.
    pub fn run_until(&mut self, end: Instant) -> Result<()> {
        let mut events = vec![EpollEvent::empty(); 1024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.read_ready(&mut events, left)?;
            while self.arrived.front().is_some_and(|(arrived, _)| *arrived == self.members.len()) {
                self.arrived.pop_front();
                self.done += 1;
                self.send()?;
            }
        }
    }

    /// What was seen since the last call: a message counts once for each member that has got it.
    ///
    /// # Errors
    ///
    /// When nobody has got any.
    pub fn take_figures(&mut self) -> Result<Figures> {
        ensure!(self.deliveries > 0, "nobody has got a message in the whole window");
        let latencies = std::mem::replace(&mut self.latencies, Histogram::new());
        Ok(Figures { messages: std::mem::take(&mut self.deliveries), latencies })
    }

    /// The handshake's answer may come before the server has put the connection into the room. So one message is
    /// sent again, once all is quiet, until everybody gets it.
    fn settle(&mut self) -> Result<()> {
        let mut events = vec![EpollEvent::empty(); 1024];
        let deadline = Instant::now() + connect::PATIENCE;
        loop {
            self.arrived.clear();
            for member in &mut self.members {
                member.received = 0;
            }
            self.done = 0;
            self.send()?;
            let mut quiet = false;
            while self.arrived[0].0 < self.members.len() && !quiet {
                let before = self.deliveries;
                self.read_ready(&mut events, Duration::from_millis(300))?;
                quiet = self.deliveries == before;
            }
            if self.arrived[0].0 == self.members.len() {
                self.arrived.clear();
                self.done = 1;
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "not everybody gets the messages");
        }
    }

    fn send(&mut self) -> Result<()> {
        self.arrived.push_back((0, Instant::now()));
        let frame = &self.frames[self.next];
        self.next = (self.next + 1) % self.frames.len();
        // A few small frames at most are under way, so the socket takes it whole or is broken.
        self.members[0].stream.write_all(frame).context("sending")
    }

    fn read_ready(&mut self, events: &mut [EpollEvent], timeout: Duration) -> Result<()> {
        let timeout = EpollTimeout::try_from(timeout + Duration::from_millis(1))?;
        let ready = match self.epoll.wait(events, timeout) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        for event in &events[..ready] {
            let index = event.data() as usize;
            self.read(index).with_context(|| format!("connection {index}"))?;
            if event.events().intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR)
            {
                bail!("the server closed connection {index}");
            }
        }
        Ok(())
    }

    fn read(&mut self, index: usize) -> Result<()> {
        let member = &mut self.members[index];
        loop {
            let length = match member.stream.read(&mut self.read_buffer) {
                Ok(0) => bail!("the server closed it"),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("reading"),
            };
            let replies = member.replies.count(&self.read_buffer[..length])?;
            self.deliveries += replies as u64;
            let now = Instant::now();
            for _ in 0..replies {
                let message = (member.received - self.done) as usize;
                let (arrived, sent) =
                    self.arrived.get_mut(message).context("a message that nobody has sent")?;
                *arrived += 1;
                self.latencies.record(now - *sent, 1);
                member.received += 1;
            }
            if length < self.read_buffer.len() && member.stream.short_read_is_all() {
                return Ok(());
            }
        }
    }
}
