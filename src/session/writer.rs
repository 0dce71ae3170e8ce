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
    stats::Flow,
};

/// Pings and pongs beyond this many bytes are not queued: a peer that asks and does not read gets the answer to
/// its latest ping, which is all that §5.5.3 asks for, and one more ping of ours would tell it nothing.
const CONTROL_MAX: usize = 4096;

/// The writing side of a session.
#[derive(Default)]
pub(crate) struct Writer {
    /// Boxed, since most of the time there is nothing in it.
    control: Option<Box<Control>>,
    /// Something was written since the transport was last flushed.
    unflushed: bool,
}

/// Control frames that wait.
#[derive(Default)]
struct Control {
    frames: BytesMut,
    /// The ping to answer once these frames are gone.
    latest_ping: Option<Bytes>,
}

impl Writer {
    /// Every control frame that was handed over has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.control.is_none() && !self.unflushed
    }

    /// Whether a control frame may be queued that can also wait.
    pub(crate) fn has_room(&self) -> bool {
        self.control.as_ref().is_none_or(|control| control.frames.len() < CONTROL_MAX)
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) {
        self.control_frame(OpCode::Ping, payload);
    }

    pub(crate) fn pong(&mut self, payload: Bytes) {
        if self.has_room() {
            self.control_frame(OpCode::Pong, &payload);
        } else {
            self.control.get_or_insert_default().latest_ping = Some(payload);
        }
    }

    /// Queues a control frame, ahead of every message that is not being written yet.
    fn control_frame(&mut self, opcode: OpCode, payload: &[u8]) {
        let mut header = [0; MAX_HEADER];
        let len = payload.len() as u64;
        let size = Header { fin: true, compressed: false, opcode, mask: None, len }.write(&mut header);
        let frames = &mut self.control.get_or_insert_default().frames;
        frames.extend_from_slice(&header[..size]);
        frames.extend_from_slice(payload);
    }

    /// Writes until everything has been taken, or the transport takes no more.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (dyn AsyncWrite + Unpin),
        outbox: &mut Outbox,
        rest: &mut Option<Box<Rope>>,
        flow: &mut Flow,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.control.is_none()
                && let Some(frame) = outbox.take_close()
            {
                let payload = frame.map(|frame| frame.payload()).unwrap_or_default();
                self.control_frame(OpCode::Close, &payload);
            }
            // The slices are only made for something.
            if self.control.is_none() && rest.is_none() && outbox.is_idle() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut used = rest.as_ref().map_or(0, |rest| rest.fill(&mut slices, 0));
            if let Some(control) = &self.control
                && used < MAX_SLICES
            {
                slices[used] = IoSlice::new(&control.frames);
                used += 1;
            }
            used = outbox.fill(&mut slices, used);
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
            flow.bytes_sent += written as u64;
            flow.messages_sent += self.written(written, outbox, rest);
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what was written off the front.
    fn written(&mut self, mut count: usize, outbox: &mut Outbox, rest: &mut Option<Box<Rope>>) -> u64 {
        if let Some(begun) = rest {
            let of_rest = count.min(begun.len());
            begun.advance(of_rest);
            count -= of_rest;
            if begun.len() == 0 {
                *rest = None;
            }
        }
        if let Some(control) = &mut self.control {
            let of_control = count.min(control.frames.len());
            control.frames.advance(of_control);
            count -= of_control;
            if control.frames.is_empty() {
                self.control_written();
            }
        }
        outbox.written(count, rest)
    }

    /// All control frames are gone, and the ping that was to be answered then can be.
    fn control_written(&mut self) {
        let latest_ping = self.control.take().and_then(|control| control.latest_ping);
        if let Some(payload) = latest_ping {
            self.control_frame(OpCode::Pong, &payload);
        }
    }
}
