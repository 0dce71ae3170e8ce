//! [`Wire`]: a client's connection.

use bytes::{Buf, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Io;
use crate::support::{PONG, TEXT, frame, request};

/// A connection that speaks commands in JSON. Everything is `None` once it is over, and may be dropped at any await.
pub(super) struct Wire {
    io: Box<dyn Io>,
    read: BytesMut,
}

impl Wire {
    /// Opened by a user, if there is one.
    pub(super) async fn open(mut io: Box<dyn Io>, user: Option<&str>) -> Option<Self> {
        let request = match user {
            Some(user) => request().replacen("/ws", &format!("/ws?user={user}"), 1),
            None => request(),
        };
        io.write_all(request.as_bytes()).await.ok()?;
        let mut read = BytesMut::new();
        let end = loop {
            if let Some(at) = read.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            if io.read_buf(&mut read).await.ok()? == 0 {
                return None;
            }
        };
        let opened = read.starts_with(b"HTTP/1.1 101");
        read.advance(end);
        opened.then_some(Self { io, read })
    }

    pub(super) async fn send(&mut self, value: &Value) -> Option<()> {
        self.io.write_all(&frame(TEXT, value.to_string().as_bytes())).await.ok()
    }

    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            let Some((first, payload)) = self.take_frame() else {
                if self.io.read_buf(&mut self.read).await.ok()? == 0 {
                    return None;
                }
                continue;
            };
            match first & 0x0F {
                TEXT => return serde_json::from_slice(&payload).ok(),
                9 => self.io.write_all(&frame(PONG, &payload)).await.ok()?,
                PONG => {}
                _ => return None,
            }
        }
    }

    fn take_frame(&mut self) -> Option<(u8, BytesMut)> {
        let (len, header) = match (*self.read.get(1)?, self.read.len()) {
            (126, 4..) => (usize::from(u16::from_be_bytes([self.read[2], self.read[3]])), 4),
            (127, 10..) => (u64::from_be_bytes(self.read[2..10].try_into().ok()?) as usize, 10),
            (126 | 127, _) => return None,
            (len, _) => (usize::from(len), 2),
        };
        if self.read.len() < header + len {
            return None;
        }
        let first = self.read[0];
        self.read.advance(header);
        Some((first, self.read.split_to(len)))
    }
}
