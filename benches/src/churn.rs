//! The load of opening and closing: a fixed number of connections are being opened or closed, and one more is begun
//! for each that has gone.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::connect;
use crate::dialect::Dialect;
use crate::generator::Figures;
use crate::histogram::Histogram;
use crate::wire;
use crate::workload::Workload;

/// The connections that come and go.
#[derive(Debug)]
pub struct Churn {
    epoll: Epoll,
    address: SocketAddr,
    dialect: Dialect,
    request: String,
    close: Vec<u8>,
    visits: Vec<Visit>,
    gone: u64,
    latencies: Histogram,
}

/// One connection, from TCP's handshake until the server has answered the close or closed TCP.
#[derive(Debug)]
struct Visit {
    stream: TcpStream,
    began: Instant,
    /// What has come of the answer, until it is complete.
    response: Option<Vec<u8>>,
}

impl Churn {
    /// Begins the first connections.
    pub fn start(address: SocketAddr, dialect: &Dialect, workload: &Workload) -> Result<Self> {
        let mut churn = Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            address,
            dialect: dialect.clone(),
            request: connect::request(dialect),
            close: wire::masked_close(),
            visits: Vec::with_capacity(workload.connections),
            gone: 0,
            latencies: Histogram::new(),
        };
        for index in 0..workload.connections {
            let visit = churn.begin(index)?;
            churn.visits.push(visit);
        }
        Ok(churn)
    }

    /// Lets connections come and go until then.
    ///
    /// # Errors
    ///
    /// When a handshake fails, or the server does not close.
    pub fn run_until(&mut self, end: Instant) -> Result<()> {
        let mut events = vec![EpollEvent::empty(); self.visits.len()];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let timeout = EpollTimeout::try_from(left + Duration::from_millis(1))?;
            let ready = match self.epoll.wait(&mut events, timeout) {
                Err(Errno::EINTR) => 0,
                ready => ready?,
            };
            for event in &events[..ready] {
                let index = event.data() as usize;
                if self.read(index)? {
                    // Replaced before it is dropped, which takes it out of epoll.
                    self.visits[index] = self.begin(index)?;
                }
            }
        }
    }

    /// Connections that have gone since the last call; a latency is TCP's handshake and the opening one.
    pub fn take_figures(&mut self) -> Result<Figures> {
        let latencies = std::mem::replace(&mut self.latencies, Histogram::new());
        match std::mem::take(&mut self.gone) {
            0 => bail!("no connection was opened and closed in the whole window"),
            messages => Ok(Figures { messages, latencies }),
        }
    }

    fn begin(&self, index: usize) -> Result<Visit> {
        let began = Instant::now();
        let mut stream = connect::tcp(self.address)?;
        stream.write_all(self.request.as_bytes())?;
        stream.set_nonblocking(true)?;
        self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        Ok(Visit { stream, began, response: Some(Vec::new()) })
    }

    /// Reads what is there; whether the connection has gone.
    fn read(&mut self, index: usize) -> Result<bool> {
        let visit = &mut self.visits[index];
        let mut buffer = [0; 1024];
        let length = match visit.stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("reading"),
        };
        match (&mut visit.response, length) {
            (Some(_), 0) => bail!("the server closed the connection before it answered"),
            (None, 0) => {
                self.gone += 1;
                return Ok(true);
            }
            // Not every server closes TCP then; from here on it is up to us. What else comes is ASCII.
            (None, _) if buffer[..length].contains(&wire::CLOSE) => {
                self.gone += 1;
                return Ok(true);
            }
            // Of Socket.IO the packet that opens the connection.
            (None, _) => {}
            (Some(response), _) => {
                response.extend(&buffer[..length]);
                let end = response.windows(4).position(|end| end == b"\r\n\r\n");
                if let Some(end) = end
                    && connect::answered(&response[..end + 4], &self.dialect)?
                {
                    self.latencies.record(visit.began.elapsed(), 1);
                    visit.response = None;
                    visit.stream.write_all(&self.close)?;
                }
            }
        }
        Ok(false)
    }
}
