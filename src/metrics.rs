//! A hub's figures for the `metrics` facade, and so for Prometheus and others.

use metrics::{counter, gauge};

use crate::{
    adapter::{AdapterTraffic, Link},
    hub::{ClusterStats, HistoryStats, Hub},
    stats::Traffic,
};

impl Hub {
    /// Hands all figures to the recorder of the `metrics` crate: call it before each scrape, or every few seconds.
    /// Nothing is done for it in between, so that metrics cost the traffic nothing.
    ///
    /// | name | kind | labels |
    /// |---|---|---|
    /// | `gustnado_connections`, `gustnado_rooms`, `gustnado_users` | gauge | |
    /// | `gustnado_outbox_bytes` | gauge | |
    /// | `gustnado_round_trip_seconds`, the median | gauge | |
    /// | `gustnado_connections_total`, `gustnado_refused_total` | counter | |
    /// | `gustnado_closes_total` | counter | `cause`: [`Closed::label`](crate::Closed::label) |
    /// | `gustnado_messages_total`, `gustnado_bytes_total` | counter | `direction`: `in`, `out` |
    /// | `gustnado_dropped_total` | counter | `reason`: `newest`, `oldest`, `unsent`, `ignored`, `rate_limited`, `fan_out` |
    /// | `gustnado_broadcasts_total`, `gustnado_deliveries_total` | counter | |
    /// | `gustnado_fan_out_dropped_total` | counter | `reason`: `full`, `disconnected`, `too_large`, `closing` |
    /// | `gustnado_published_total` | counter | `outcome`: `accepted`, `rejected`, `unknown` |
    /// | `gustnado_recoveries_total` | counter | `result`: `recovered`, `epoch`, `trimmed`, `limit`, `unavailable` |
    /// | `gustnado_log_reads_total` | counter | `result`: `ok`, `failed` |
    ///
    /// With an [adapter](crate::HubBuilder::adapter) also:
    ///
    /// | name | kind | labels |
    /// |---|---|---|
    /// | `gustnado_link` | gauge, 1 for what it is and 0 for the others | `state`: `up`, `degraded`, `down` |
    /// | `gustnado_nodes`: others that were heard of | gauge | |
    /// | `gustnado_handed_over_total`, `gustnado_not_handed_over_total` | counter | |
    /// | `gustnado_cluster_received_total` | counter | `kind`: `deed`, `duplicate`, `entry`, `other`, `own`, `undecodable`, `unknown_version` |
    /// | `gustnado_adapter_packets_total` | counter | `what`: `published`, `lost`, `refused`, `received` |
    /// | `gustnado_adapter_queued_bytes` | gauge | |
    /// | `gustnado_adapter_reconnects_total` | counter | |
    ///
    /// No label has a value that a peer can choose.
    pub fn publish_metrics(&self) {
        let stats = self.stats();
        gauge!("gustnado_connections").set(stats.counts.connections as f64);
        gauge!("gustnado_rooms").set(stats.counts.rooms as f64);
        gauge!("gustnado_users").set(stats.counts.users as f64);
        gauge!("gustnado_outbox_bytes").set(stats.buffered as f64);
        if let Some(round_trip) = stats.round_trip {
            gauge!("gustnado_round_trip_seconds").set(round_trip.as_secs_f64());
        }
        for (cause, closes) in self.closes() {
            counter!("gustnado_closes_total", "cause" => cause).absolute(closes);
        }
        counter!("gustnado_connections_total").absolute(stats.handlers.accepted);
        counter!("gustnado_refused_total").absolute(stats.handlers.refused);
        traffic(&stats.handlers.traffic);
        counter!("gustnado_broadcasts_total").absolute(stats.fan_out.messages);
        counter!("gustnado_deliveries_total").absolute(stats.fan_out.deliveries);
        let fan_out = stats.fan_out;
        counter!("gustnado_dropped_total", "reason" => "fan_out").absolute(fan_out.dropped);
        let reasons = [
            ("full", fan_out.full),
            ("disconnected", fan_out.disconnected),
            ("too_large", fan_out.too_large),
            ("closing", fan_out.closing),
        ];
        by_label("gustnado_fan_out_dropped_total", "reason", reasons);
        history(&stats.history);
        if let Some(stats) = &stats.cluster {
            cluster(stats);
        }
    }
}

fn by_label<const N: usize>(name: &'static str, label: &'static str, counts: [(&'static str, u64); N]) {
    for (value, count) in counts {
        counter!(name, label => value).absolute(count);
    }
}

fn history(stats: &HistoryStats) {
    let published = [("accepted", stats.accepted), ("rejected", stats.rejected), ("unknown", stats.unknown)];
    by_label("gustnado_published_total", "outcome", published);
    let recoveries = [
        ("recovered", stats.recovered),
        ("epoch", stats.lost_epoch),
        ("trimmed", stats.lost_trimmed),
        ("limit", stats.lost_limit),
        ("unavailable", stats.lost_unavailable),
    ];
    by_label("gustnado_recoveries_total", "result", recoveries);
    let ok = stats.reads.saturating_sub(stats.failed_reads);
    by_label("gustnado_log_reads_total", "result", [("ok", ok), ("failed", stats.failed_reads)]);
}

fn cluster(stats: &ClusterStats) {
    for (state, link) in [("up", Link::Up), ("degraded", Link::Degraded), ("down", Link::Down)] {
        gauge!("gustnado_link", "state" => state).set(f64::from(u8::from(stats.link == link)));
    }
    gauge!("gustnado_nodes").set(stats.nodes as f64);
    counter!("gustnado_handed_over_total").absolute(stats.handed_over);
    counter!("gustnado_not_handed_over_total").absolute(stats.not_handed_over);
    let received = [
        ("deed", stats.deeds),
        ("duplicate", stats.duplicates),
        ("entry", stats.entries),
        ("other", stats.other),
        ("own", stats.own),
        ("undecodable", stats.undecodable),
        ("unknown_version", stats.unknown_version),
    ];
    by_label("gustnado_cluster_received_total", "kind", received);
    let AdapterTraffic { published, lost, refused, received, queued_bytes, reconnects } = stats.adapter;
    let packets = [("published", published), ("lost", lost), ("refused", refused), ("received", received)];
    by_label("gustnado_adapter_packets_total", "what", packets);
    gauge!("gustnado_adapter_queued_bytes").set(queued_bytes as f64);
    counter!("gustnado_adapter_reconnects_total").absolute(reconnects);
}

fn traffic(traffic: &Traffic) {
    counter!("gustnado_messages_total", "direction" => "in").absolute(traffic.messages_received);
    counter!("gustnado_messages_total", "direction" => "out").absolute(traffic.messages_sent);
    counter!("gustnado_bytes_total", "direction" => "in").absolute(traffic.bytes_received);
    counter!("gustnado_bytes_total", "direction" => "out").absolute(traffic.bytes_sent);
    counter!("gustnado_dropped_total", "reason" => "newest").absolute(traffic.dropped_newest);
    counter!("gustnado_dropped_total", "reason" => "oldest").absolute(traffic.dropped_oldest);
    counter!("gustnado_dropped_total", "reason" => "unsent").absolute(traffic.unsent);
    counter!("gustnado_dropped_total", "reason" => "ignored").absolute(traffic.ignored);
    counter!("gustnado_dropped_total", "reason" => "rate_limited").absolute(traffic.rate_limited);
}
