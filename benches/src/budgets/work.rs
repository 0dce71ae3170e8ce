//! [`Work`]: what is counted, done so many times on one thread, without a network and without chance.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Hub, Message, Page, Reject, async_trait};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::runtime::Runtime;

use crate::transport::{End, Script, Scripted};

const REQUEST: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ROOM: &str = "everybody";

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Binary messages come back on one connection, so many of them read at once.
    Echo { payload: usize, in_flight: usize },
    /// Binary messages go to a room; a delivery is counted, one message to one member.
    Fanout { payload: usize, members: usize },
    /// A connection opens, and its peer ends it.
    Connect,
    /// A connection is open.
    Idle,
    /// A connection is open and has echoed 1 KiB.
    Echoed,
    /// A connection has gone.
    Closed,
}

/// What keeps the connections that are still open.
pub struct Kept {
    _runtime: Runtime,
    _handler: Handler,
}

impl Work {
    /// Does it at least `count` times, and a whole number of batches; returns how often, and what is left of it.
    pub fn run(self, count: usize) -> Result<(usize, Kept)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let hub = Hub::new();
        // The peer of `Closed` does not answer a close; it is only the memory that is waited for.
        let handler = Handler::new(|| Echo).hub(&hub).close_timeout(Duration::from_millis(1));
        let done = runtime.block_on(self.on(&handler, &hub, count))?;
        Ok((done, Kept { _runtime: runtime, _handler: handler }))
    }

    async fn on(self, handler: &Handler, hub: &Hub, count: usize) -> Result<usize> {
        let script = |batch, batches, end| Arc::new(Script { request: REQUEST, batch, batches, end });
        match self {
            Self::Echo { payload, in_flight } => {
                let batches = count.div_ceil(in_flight);
                let batch = masked(payload).repeat(in_flight);
                open(handler, &script(batch, batches, End::Hangup)).await;
                until(hub, 0).await;
                ensure!(
                    handler.stats().traffic.messages_received as usize == batches * in_flight,
                    "messages are missing"
                );
                Ok(batches * in_flight)
            }
            Self::Fanout { payload, members } => {
                let script = script(Vec::new(), 0, End::Silence);
                for _ in 0..members {
                    open(handler, &script).await;
                }
                until(hub, members).await;
                let (room, message) = (hub.room(ROOM), Message::from(vec![7; payload]));
                let messages = count.div_ceil(members);
                for _ in 0..messages {
                    let report = room.send(message.clone()).await;
                    ensure!(report.queued == members, "{report:?}");
                    // Everybody writes.
                    tokio::task::yield_now().await;
                }
                Ok(messages * members)
            }
            Self::Connect => {
                let script = script(Vec::new(), 0, End::Hangup);
                for _ in 0..count {
                    open(handler, &script).await;
                    until(hub, 0).await;
                }
                Ok(count)
            }
            Self::Idle | Self::Echoed => {
                let batches = usize::from(self == Self::Echoed);
                let script = script(masked(1024), batches, End::Silence);
                for _ in 0..count {
                    open(handler, &script).await;
                }
                until(hub, count).await;
                settle(|| handler.stats().traffic.messages_received as usize == batches * count).await;
                Ok(count)
            }
            Self::Closed => {
                let script = script(Vec::new(), 0, End::Silence);
                for _ in 0..count {
                    open(handler, &script).await;
                }
                until(hub, count).await;
                for conn in hub.connections(Page::ALL) {
                    conn.close(1000, "").context("a code that may be sent")?;
                }
                until(hub, 0).await;
                Ok(count)
            }
        }
    }
}

#[derive(Default)]
struct Echo;

#[async_trait]
impl Connector for Echo {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.join(ROOM)?;
        Ok(())
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        conn.send(message).await?;
        Ok(())
    }
}

async fn open(handler: &Handler, script: &Arc<Script>) {
    let service = TowerToHyperService::new(handler.clone());
    let server = http1::Builder::new().serve_connection(TokioIo::new(Scripted::new(script)), service);
    tokio::spawn(server.with_upgrades());
    // It is answered before the next one comes.
    tokio::task::yield_now().await;
}

/// Waits until so many connections are there, and nothing more is to be done for them.
async fn until(hub: &Hub, connections: usize) {
    settle(|| hub.counts().connections == connections).await;
}

async fn settle(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
    // What was woken by the last step.
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

/// A masked binary message (§5.2), as the driver's generator sends it.
fn masked(payload: usize) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x82];
    match u8::try_from(payload) {
        Ok(length @ 0..=125) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload).expect("payloads of budgets are small").to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend((0..payload).map(|index| index as u8 ^ KEY[index % 4]));
    frame
}
