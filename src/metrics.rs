//! A hub's figures for the `metrics` facade, and so for Prometheus and others.

use metrics::{counter, gauge};

use crate::{hub::Hub, stats::Traffic};

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
        counter!("gustnado_dropped_total", "reason" => "fan_out").absolute(stats.fan_out.dropped);
    }
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
