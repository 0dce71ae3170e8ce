//! [`Publisher`]: sending and asking from a process that has no connections.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::adapter::{Adapter, Link, Unavailable};

use super::{
    Hub, HubBuilder,
    cluster::{Answer, Question},
};

/// How long to wait for the link, and then for the nodes to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ROLL_CALL: Duration = Duration::from_millis(250);

/// A process without connections that sends to those of the nodes, closes them, and asks about them: a cron job, a
/// worker, a command line.
///
/// Its [hub](Self::hub) is as any, but that the nodes do not count it among them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use gustnado::{Publisher, adapter::MemoryBus};
///
/// # let bus = MemoryBus::new();
/// # let adapter = bus.adapter();
/// let publisher = Publisher::connect(adapter).await?;
/// publisher.hub().user("ann").publish("your report is ready").await?;
/// publisher.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Publisher(Hub);

impl Publisher {
    /// Connects, and hears which nodes there are, and which rooms keep history there: that takes a quarter of a
    /// second, and up to a whole one more where nodes are slow. If there is [no node](Hub::nodes), no room keeps any for
    /// this process.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the link is not up within a second, or none of the nodes has said its rules.
    pub async fn connect(adapter: impl Adapter) -> Result<Self, Unavailable> {
        Self::connect_as(Hub::builder(), adapter).await
    }

    /// As [`connect`](Self::connect), with rules of its own for rooms that keep
    /// [history](crate::HubBuilder::history), instead of those of the nodes. They must be the same; what is sent to a
    /// room that has none is in no log.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_as(hub: HubBuilder, adapter: impl Adapter) -> Result<Self, Unavailable> {
        let hub = hub.adapter(adapter).quiet().build();
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        let link = || hub.0.cluster.as_ref().map(|cluster| cluster.stats().link);
        while link() != Some(Link::Up) {
            if Instant::now() >= deadline {
                return Err(Unavailable);
            }
            sleep(Duration::from_millis(5)).await;
        }
        if let Some(cluster) = &hub.0.cluster {
            cluster.say_hello(&hub);
            sleep(ROLL_CALL).await;
            if hub.0.histories.rules().is_empty() {
                let deadline = Instant::now() + CONNECT_TIMEOUT;
                let (answers, silent) = cluster.ask(None, Question::Rules, deadline).await;
                match answers.into_iter().next() {
                    Some((_, Answer::Rules(rules))) => hub.0.histories.learn(rules),
                    // What is sent to a room must not go past its log because nobody said that there is one.
                    _ if !silent.is_empty() => return Err(Unavailable),
                    _ => {}
                }
            }
        }
        Ok(Self(hub))
    }

    /// What sends and asks.
    pub fn hub(&self) -> &Hub {
        &self.0
    }

    /// Hands over what it still has, and lets go of the engine.
    pub async fn stop(&self) {
        if let Some(cluster) = &self.0.0.cluster {
            cluster.leave().await;
        }
    }
}
