//! The session: keepalive, closing, slow callbacks and slow readers, in memory and on virtual time.

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use gustnado::{
    Cause, CloseCode, Closed, ClosedBy, Conn, Connector, Disconnect, Handler, Message, Phase, SendError,
    SlowReader, Text, async_trait,
};
use support::{Client, Frame, PING, TEXT, close_frame, connect, fragment, frame};
use tokio::sync::{Notify, mpsc};

/// Tells the test what happens, and does what the text of a message says.
struct Probe {
    events: mpsc::UnboundedSender<Event>,
    release: Arc<Notify>,
}

#[derive(Debug)]
enum Event {
    Open(Conn),
    Text(Text),
    Pong(Duration),
    Error(String),
    Close(Closed),
}

#[async_trait]
impl Connector for Probe {
    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        let _ = self.events.send(Event::Open(conn.clone()));
        Ok(())
    }

    async fn on_text(&mut self, conn: &Conn, text: Text) -> Result<(), Disconnect> {
        let _ = self.events.send(Event::Text(text.clone()));
        match &*text {
            "wait" => self.release.notified().await,
            "fail" => return Err(std::io::Error::other("a secret").into()),
            "kick" => return Err(Disconnect::new(4003, "kicked")),
            "bad code" => return Err(Disconnect::new(1006, "")),
            "panic" => panic!("a test panics"),
            _ => conn.send(text).await?,
        }
        Ok(())
    }

    async fn on_pong(&mut self, _: &Conn, round_trip: Duration) -> Result<(), Disconnect> {
        let _ = self.events.send(Event::Pong(round_trip));
        Ok(())
    }

    async fn on_error(&mut self, _: &Conn, cause: &Cause) {
        let _ = self.events.send(Event::Error(cause.to_string()));
    }

    async fn on_close(&mut self, _: &Conn, closed: &Closed) {
        let _ = self.events.send(Event::Close(closed.clone()));
    }
}

/// A handler of probes, what they tell, and what lets go of one that waits.
fn probe() -> (Handler, mpsc::UnboundedReceiver<Event>, Arc<Notify>) {
    let (events, receiver) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let handler = {
        let release = release.clone();
        Handler::new(move || Probe { events: events.clone(), release: release.clone() })
    };
    (handler, receiver, release)
}
