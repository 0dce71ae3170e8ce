//! [`Writer`]: what goes out, in its order: the rest of a frame, control frames, messages.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use crate::{
    conn::{
        outbox::Outbox,
        rope::{MAX_SLICES, Rope},
    },
    protocol::frame::{Header, MAX_HEADER, OpCode},
    stats::Traffic,
};

/// Pings and pongs beyond this many bytes are not queued: a peer that asks and does not read gets the answer to
/// its latest ping, which is all that §5.5.3 asks for, and one more ping of ours would tell it nothing.
const CONTROL_MAX: usize = 4096;

/// The writing side of a session.
#[derive(Default)]
pub(crate) struct Writer {
    control: BytesMut,
    /// The ping to answer once the control frames before it are gone.
    latest_ping: Option<Bytes>,
    /// Something was written since the transport was last flushed.
    unflushed: bool,
}

impl Writer {
    /// Every control frame that was handed over has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.latest_ping.is_none() && !self.unflushed
    }

    /// Whether a control frame may be queued that can also wait.
    pub(crate) fn has_room(&self) -> bool {
        self.control.len() < CONTROL_MAX
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) {
        self.control_frame(OpCode::Ping, payload);
    }

    pub(crate) fn pong(&mut self, payload: Bytes) {
        if self.has_room() {
            self.control_frame(OpCode::Pong, &payload);
        } else {
            self.latest_ping = Some(payload);
        }
    }

    /// Queues a control frame, ahead of every message that is not being written yet.
    fn control_frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let mut header = [0; MAX_HEADER];
        let len = payload.len() as u64;
        let size = Header { fin: true, compressed: false, opcode, mask: None, len }.write(&mut header);
        self.control.extend_from_slice(&header[..size]);
        self.control.extend_from_slice(payload);
    }

    /// Writes until everything has been taken, or the transport takes no more.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (dyn AsyncWrite + Unpin),
        outbox: &mut Outbox,
        rest: &mut Rope,
        traffic: &mut Traffic,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.control.is_empty() {
                if let Some(payload) = self.latest_ping.take() {
                    self.control_frame(OpCode::Pong, &payload);
                }
                if let Some(frame) = outbox.take_close() {
                    let payload = frame.map(|frame| frame.payload()).unwrap_or_default();
                    self.control_frame(OpCode::Close, &payload);
                }
            }
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut used = rest.fill(&mut slices, 0);
            if !self.control.is_empty() && used < MAX_SLICES {
                slices[used] = IoSlice::new(&self.control);
                used += 1;
            }
            used = outbox.fill(&mut slices, used);
            if used == 0 {
                break;
            }
            let mut sink = Pin::new(&mut *io);
            let written = match used {
                // `send` is a little cheaper than `writev`.
                1 => ready!(sink.as_mut().poll_write(cx, &slices[0]))?,
                _ => ready!(sink.as_mut().poll_write_vectored(cx, &slices[..used]))?,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            traffic.bytes_sent += written as u64;
            traffic.messages_sent += self.written(written, outbox, rest);
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what was written off the front.
    fn written(&mut self, mut count: usize, outbox: &mut Outbox, rest: &mut Rope) -> u64 {
        let of_rest = count.min(rest.len());
        if of_rest > 0 {
            rest.advance(of_rest);
            count -= of_rest;
        }
        let control = count.min(self.control.len());
        if control > 0 {
            self.control.advance(control);
            count -= control;
            if self.control.is_empty() {
                self.control = BytesMut::new();
            }
        }
        outbox.written(count, rest)
    }
}
