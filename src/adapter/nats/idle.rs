//! Deleting the streams of rooms that nobody has used for a long time: a server keeps an empty one for ever.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{api::Failure, log::Logs, next, stream::Info};

/// A server knows at once that nobody listens.
const NOBODY_WITHIN: Duration = Duration::from_millis(300);
/// As many rooms are asked about at once.
const AT_ONCE: usize = 256;

#[derive(Deserialize)]
struct Page {
    total: usize,
    #[serde(default)]
    streams: Option<Vec<Info>>,
}

impl Logs {
    /// Looks for idle logs again and again, for as long as it is polled.
    pub(super) async fn delete_idle(&self, after: Duration) {
        loop {
            let mut random = [0];
            let share = getrandom::fill(&mut random).map_or(1.0, |()| f64::from(random[0]) / 255.0);
            // Each node at another time, some 24 times while a log is idle.
            sleep((after / 24).mul_f64(0.5 + share)).await;
            if let Err(why) = self.delete_idle_now(after).await {
                tracing::debug!(target: "gustnado", %why, "idle logs stay for now");
            }
        }
    }

    async fn delete_idle_now(&self, after: Duration) -> Result<(), Failure> {
        let api = self.api()?;
        let (mut idle, mut seen) = (Vec::new(), 0);
        loop {
            let page = json!({ "offset": seen, "subject": self.setup.all_entries() }).to_string();
            let page: Page = timeout(super::ANSWER_WITHIN, api.ask("STREAM.LIST", page))
                .await
                .unwrap_or(Err(Failure::NoAnswer))?;
            let streams = page.streams.unwrap_or_default();
            seen += streams.len();
            let is_last = streams.is_empty() || seen >= page.total;
            let now = SystemTime::now();
            idle.extend(streams.into_iter().filter(|info| info.is_idle(after, now)));
            if is_last {
                break;
            }
        }
        for infos in idle.chunks(AT_ONCE) {
            for info in self.not_followed(infos).await? {
                let what = format!("STREAM.DELETE.{}", info.config.name);
                api.ask::<IgnoredAny>(&what, Bytes::new()).await?;
            }
        }
        Ok(())
    }

    /// Those of rooms that no node has a member in: a packet to such a room comes back at once. Nodes ignore it.
    async fn not_followed<'a>(&self, infos: &'a [Info]) -> Result<Vec<&'a Info>, Failure> {
        let client = self.api()?.0;
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(format!("{inbox}.*")).await.map_err(|_| Failure::NoAnswer)?;
        for (place, info) in infos.iter().enumerate() {
            let Some(channel) = info.channel(&self.setup) else { continue };
            let reply = format!("{inbox}.{place}");
            let sent = client.publish_with_reply(channel, reply, Bytes::new()).await;
            sent.map_err(|_| Failure::NoAnswer)?;
        }
        let mut alone = Vec::new();
        let _ = timeout(NOBODY_WITHIN, async {
            while alone.len() < infos.len()
                && let Some(answer) = next(&mut answers).await
            {
                let place = answer.subject.rsplit('.').next().and_then(|place| place.parse::<usize>().ok());
                alone.extend(place.and_then(|place| infos.get(place)));
            }
        })
        .await;
        Ok(alone)
    }
}
