//! A hub's figures for the `metrics` facade, and so for Prometheus and others.

use metrics::{counter, gauge};

use crate::{
    hub::{HistoryStats, Hub},
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
    /// | `gustnado_connections_total`, `gustnado_refused_total` | counter | |
    /// | `gustnado_messages_total`, `gustnado_bytes_total` | counter | `direction`: `in`, `out` |
    /// | `gustnado_dropped_total` | counter | `reason`: `newest`, `oldest`, `unsent`, `ignored`, `rate_limited`, `fan_out` |
    /// | `gustnado_broadcasts_total`, `gustnado_deliveries_total` | counter | |
    /// | `gustnado_published_total` | counter | `outcome`: `accepted`, `rejected`, `unknown` |
    /// | `gustnado_recoveries_total` | counter | `result`: `recovered`, `epoch`, `trimmed`, `limit`, `unavailable` |
    /// | `gustnado_log_reads_total` | counter | `result`: `ok`, `failed` |
    ///
    /// No label has a value that a peer can choose.
    pub fn publish_metrics(&self) {
        let stats = self.stats();
        gauge!("gustnado_connections").set(stats.counts.connections as f64);
        gauge!("gustnado_rooms").set(stats.counts.rooms as f64);
        gauge!("gustnado_users").set(stats.counts.users as f64);
        gauge!("gustnado_outbox_bytes").set(stats.buffered as f64);
        counter!("gustnado_connections_total").absolute(stats.handlers.accepted);
        counter!("gustnado_refused_total").absolute(stats.handlers.refused);
        traffic(&stats.handlers.traffic);
        counter!("gustnado_broadcasts_total").absolute(stats.fan_out.messages);
        counter!("gustnado_deliveries_total").absolute(stats.fan_out.deliveries);
        counter!("gustnado_dropped_total", "reason" => "fan_out").absolute(stats.fan_out.dropped);
        history(&stats.history);
    }
}

fn history(stats: &HistoryStats) {
    let published = [("accepted", stats.accepted), ("rejected", stats.rejected), ("unknown", stats.unknown)];
    for (outcome, count) in published {
        counter!("gustnado_published_total", "outcome" => outcome).absolute(count);
    }
    let recoveries = [
        ("recovered", stats.recovered),
        ("epoch", stats.lost_epoch),
        ("trimmed", stats.lost_trimmed),
        ("limit", stats.lost_limit),
        ("unavailable", stats.lost_unavailable),
    ];
    for (result, count) in recoveries {
        counter!("gustnado_recoveries_total", "result" => result).absolute(count);
    }
    let ok = stats.reads.saturating_sub(stats.failed_reads);
    counter!("gustnado_log_reads_total", "result" => "ok").absolute(ok);
    counter!("gustnado_log_reads_total", "result" => "failed").absolute(stats.failed_reads);
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
