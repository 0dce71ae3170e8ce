//! [`TapEverywhere`]: watching what happens on all nodes.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use crate::adapter::NodeId;

use super::{
    Event, Hub, Tap, TapFilter,
    cluster::{Answer, Asked, MAX_EVENTS, Question, Wish},
};

/// A node that has said nothing for so long passes nothing on.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// Until then it is remembered what has come of its tap: when it comes back it has another one.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What happens on every node as it happens, made by [`Everywhere::tap`](crate::Everywhere::tap).
///
/// A message to many is seen on the node that sends it, and on each that it comes to.
///
/// Nodes pass on what they see at once, and then in batches, 20 per second of at most 256 events. It is bounded and lossy as a
/// [`Tap`] is: what does not fit is [missed](Self::missed), and no node waits for its reader. A node asks for it again
/// every few seconds; one that was killed gets nothing any more after ten, and one that has just come joins in. Each
/// node passes its events on to 16 readers at the same time; which do is in [`nodes`](Self::nodes).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # use gustnado::{Hub, adapter::MemoryBus};
/// use gustnado::TapFilter;
///
/// # let bus = MemoryBus::new();
/// # let hub = Hub::builder().adapter(bus.adapter()).build();
/// let mut tap = hub.everywhere().tap(TapFilter::default().room("lobby"));
/// hub.room("lobby").send("hello").await;
/// if let Some((node, event)) = tap.next().await {
///     println!("on {node}: {event:?}");
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct TapEverywhere {
    filter: TapFilter,
    /// Of this node; a process that is no node has none.
    here: Option<(NodeId, Tap)>,
    others: Option<Others>,
    missed: u64,
}

#[derive(Debug)]
struct Others {
    _asked: Asked,
    answers: mpsc::Receiver<(NodeId, Answer)>,
    waiting: VecDeque<(NodeId, Event)>,
    nodes: HashMap<NodeId, Heard>,
}

/// What has come of a node.
#[derive(Debug)]
struct Heard {
    at: Instant,
    tap: u64,
    /// Events of this tap that have come or are missed.
    events: u64,
}

impl TapEverywhere {
    pub(super) fn new(hub: &Hub, filter: TapFilter) -> Self {
        let cluster = hub.0.cluster.as_ref();
        let here = cluster.is_none_or(|cluster| !cluster.quiet);
        let here = here.then(|| (hub.node(), hub.tap(filter.clone())));
        let others = cluster.map(|cluster| {
            // What waits here is as much as waits on each node.
            let batches = filter.capacity.div_ceil(MAX_EVENTS).max(16);
            let (asked, answers) = cluster.keep_asking(Question::Tap(Wish::of(&filter)), batches);
            Others { _asked: asked, answers, waiting: VecDeque::new(), nodes: HashMap::new() }
        });
        Self { filter, here, others, missed: 0 }
    }

    /// The next event, and on which node it happened; `None` once the hub is gone.
    ///
    /// Events of one node come in their order. It may be cancelled: nothing is lost by that.
    pub async fn next(&mut self) -> Option<(NodeId, Event)> {
        loop {
            if let Some(others) = &mut self.others
                && let Some((node, mut event)) = others.waiting.pop_front()
            {
                if self.filter.shows(&mut event) {
                    return Some((node, event));
                }
                continue;
            }
            tokio::select! {
                event = next_of(&mut self.here) => return event,
                answer = answer_to(&mut self.others) => self.take(answer?),
            }
        }
    }

    /// How many events had no room, here, there or on the way, as far as this tap was told. While a node passes nothing
    /// on, nobody counts.
    pub fn missed(&self) -> u64 {
        self.missed + self.here.as_ref().map_or(0, |(_, tap)| tap.missed())
    }

    /// Which nodes pass on what happens there, this one included: all of them, a moment after the tap was made. What
    /// has come, but was not taken by [`next`](Self::next) yet, does not count.
    pub fn nodes(&self) -> Vec<NodeId> {
        let others = self.others.iter().flat_map(|others| &others.nodes);
        let others = others.filter(|(_, heard)| heard.at.elapsed() < SILENT_FOR).map(|(node, _)| *node);
        let mut nodes: Vec<_> = self.here.iter().map(|(node, _)| *node).chain(others).collect();
        nodes.sort_unstable();
        nodes
    }

    fn take(&mut self, (node, answer): (NodeId, Answer)) {
        let (Some(others), Answer::Events(batch)) = (&mut self.others, answer) else { return };
        let now = Instant::now();
        others.nodes.retain(|_, heard| now - heard.at < REMEMBERED);
        let heard = others.nodes.entry(node).or_insert(Heard { at: now, tap: batch.tap, events: 0 });
        if heard.tap != batch.tap {
            (heard.tap, heard.events) = (batch.tap, 0);
        }
        heard.at = now;
        self.missed += batch.before.saturating_sub(heard.events);
        heard.events = batch.before + batch.events.len() as u64;
        others.waiting.extend(batch.events.into_iter().map(|event| (node, event)));
    }
}

impl TapFilter {
    /// Takes out of an event of another node what is not to be shown; whether it is still wanted.
    fn shows(&self, event: &mut Event) -> bool {
        let (Some(preview), Some(redact)) = (event.kind.preview_mut(), &self.redact) else { return true };
        redact(&mut preview.text);
        self.contains.as_ref().is_none_or(|part| preview.text.contains(part))
    }
}

async fn next_of(here: &mut Option<(NodeId, Tap)>) -> Option<(NodeId, Event)> {
    match here {
        Some((node, tap)) => Some((*node, tap.next().await?)),
        None => std::future::pending().await,
    }
}

async fn answer_to(others: &mut Option<Others>) -> Option<(NodeId, Answer)> {
    match others {
        Some(others) => others.answers.recv().await,
        None => std::future::pending().await,
    }
}
