//! [`Echo`]: the server's word that it has done what it was told before.
//!
//! A server carries out what comes over one connection in order. So when a packet to ourselves has come back, every
//! subscription and publication before it is done.

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use tokio::sync::watch;

use super::next;

pub(super) struct Echo {
    client: Client,
    subject: String,
    /// The number of the last packet that was sent, and of the last that came back.
    sent: parking_lot::Mutex<u64>,
    heard: watch::Sender<u64>,
}

/// The connection has ended.
pub(super) struct Ended;

impl Echo {
    pub(super) async fn new(client: &Client, subject: String) -> Result<(Self, Subscriber), Ended> {
        let listener = client.subscribe(subject.clone()).await.map_err(|_| Ended)?;
        let echo =
            Self { client: client.clone(), subject, sent: Default::default(), heard: watch::channel(0).0 };
        Ok((echo, listener))
    }

    /// Notes what comes back, for as long as the connection is there.
    pub(super) async fn listen(&self, mut listener: Subscriber) {
        while let Some(message) = next(&mut listener).await {
            if let Some(number) = message.payload.first_chunk() {
                self.heard.send_replace(u64::from_be_bytes(*number));
            }
        }
    }

    /// Waits until everything that was written before is done.
    pub(super) async fn done(&self) -> Result<(), Ended> {
        let mut heard = self.heard.subscribe();
        let number = {
            let mut sent = self.sent.lock();
            *sent += 1;
            *sent
        };
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        self.client.publish(self.subject.clone(), payload).await.map_err(|_| Ended)?;
        // Numbers of calls at the same time may be written in another order: then one waits for the next echo.
        heard.wait_for(|heard| *heard >= number).await.map_err(|_| Ended)?;
        Ok(())
    }
}
