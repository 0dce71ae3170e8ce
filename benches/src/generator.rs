//! The load generator: one thread, one epoll, every connection with a fixed number of messages in flight.
//!
//! It must cost less than any server. So frames are built once and a batch of them is one `write`; replies are read
//! into one buffer for all connections and only their headers are looked at.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::connect;
use crate::histogram::Histogram;
use crate::replies::Replies;
use crate::server::Protocol;
use crate::wire;
use crate::workload::Echo;

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
    /// As many equal frames as may be in flight, end to end.
    frames: Vec<u8>,
    frame_length: usize,
    read_buffer: Vec<u8>,
    /// Only with one message in flight: with more, a latency is mostly the wait behind one's own messages.
    latencies: Option<Histogram>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    replies: Replies,
    /// Messages counted back since the figures were last taken.
    received: u64,
    /// Messages sent, or about to be, and not answered.
    in_flight: usize,
    /// Where the next write begins, within a frame.
    frame_offset: usize,
    /// Bytes that the socket has not taken yet.
    unsent: usize,
    sent_at: Instant,
}

/// What the generator saw since it was last asked.
#[derive(Debug)]
pub struct Figures {
    /// Replies counted.
    pub messages: u64,
    /// From a write to the end of its reply, where one message is in flight.
    pub latencies: Option<Histogram>,
}

impl Generator {
    /// Opens the connections and sends the first messages.
    pub fn start(address: SocketAddr, protocol: Protocol, echo: &Echo) -> Result<Self> {
        let frame = wire::masked_binary(echo.payload);
        let shared = Shared {
            frames: frame.repeat(echo.in_flight),
            frame_length: frame.len(),
            read_buffer: vec![0; READ_BUFFER],
            latencies: (echo.in_flight == 1).then(Histogram::new),
        };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let replies = Replies::expecting(protocol, echo.payload);
        let mut connections = Vec::with_capacity(echo.connections);
        for index in 0..echo.connections {
            let stream = connect::open(address, protocol)?;
            stream.set_nonblocking(true)?;
            // Edge-triggered, for reading and writing at once: no `epoll_ctl` from here on.
            let interest =
                EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
            epoll.add(&stream, EpollEvent::new(interest, index as u64))?;
            connections.push(Connection::new(stream, replies.clone()));
        }
        for connection in &mut connections {
            connection.send(echo.in_flight, &shared)?;
        }
        Ok(Self { epoll, connections, shared })
    }

    /// Keeps the messages in flight until then.
    ///
    /// # Errors
    ///
    /// When a reply is not the one expected, or a connection ends.
    pub fn run_until(&mut self, end: Instant) -> Result<()> {
        let mut events = vec![EpollEvent::empty(); self.connections.len()];
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
        ensure!(
            starved == 0,
            "{starved} of {} connections received no reply in the whole window",
            self.connections.len()
        );
        let received = self.connections.iter_mut().map(|connection| std::mem::take(&mut connection.received));
        let messages = received.sum();
        let latencies =
            self.shared.latencies.as_mut().map(|latencies| std::mem::replace(latencies, Histogram::new()));
        Ok(Figures { messages, latencies })
    }
}

impl Connection {
    fn new(stream: TcpStream, replies: Replies) -> Self {
        Self {
            stream,
            replies,
            received: 0,
            in_flight: 0,
            frame_offset: 0,
            unsent: 0,
            sent_at: Instant::now(),
        }
    }

    fn on_event(&mut self, event: EpollFlags, shared: &mut Shared) -> Result<()> {
        if event.contains(EpollFlags::EPOLLIN) {
            let replies = self.read(shared)?;
            if replies > 0 {
                self.answer(replies, shared)?;
            } else if self.unsent > 0 {
                self.write(shared)?;
            }
        } else if self.unsent > 0 {
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
                    // A short read has emptied the socket (epoll(7)): the next bytes are a new edge.
                    if length < shared.read_buffer.len() {
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
        ensure!(replies <= self.in_flight, "{replies} replies to {} messages", self.in_flight);
        self.in_flight -= replies;
        self.received += replies as u64;
        if let Some(latencies) = &mut shared.latencies {
            let now = Instant::now();
            latencies.record(now - self.sent_at);
            self.sent_at = now;
        }
        self.send(replies, shared)
    }

    fn send(&mut self, messages: usize, shared: &Shared) -> Result<()> {
        self.in_flight += messages;
        self.unsent += messages * shared.frame_length;
        self.write(shared)
    }

    /// Writes what is unsent, in one call where the socket takes it all.
    fn write(&mut self, shared: &Shared) -> Result<()> {
        while self.unsent > 0 {
            // Within `frames`: a frame that was begun is in flight, so what is left of all fits behind its offset.
            let unsent = &shared.frames[self.frame_offset..self.frame_offset + self.unsent];
            match self.stream.write(unsent) {
                Ok(length) => {
                    self.unsent -= length;
                    self.frame_offset = (self.frame_offset + length) % shared.frame_length;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("writing"),
            }
        }
        Ok(())
    }
}
