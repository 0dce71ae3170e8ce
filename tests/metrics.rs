//! The figures of a hub, as a Prometheus exporter shows them.
#![cfg(feature = "metrics")]

mod support;

use std::collections::BTreeSet;

use gustnado::{
    Connector, Handler, Handshake, Hub, Reject,
    adapter::{Link, MemoryBus},
    async_trait,
};
use metrics_exporter_prometheus::PrometheusBuilder;
use support::{Frame, answer_to, connect, request};

struct Member;

#[async_trait]
impl Connector for Member {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        handshake.set_user("ada");
        handshake.join("lobby")?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_exporter_shows_what_the_hub_has_counted() {
    let handler = Handler::new(|| Member);
    let hub = handler.to_hub();
    let mut clients = [connect(&handler).await, connect(&handler).await];
    assert_eq!(answer_to(&handler, &request().replace("13", "12")).await.status, 426);
    hub.room("lobby").send("hello").await;
    for client in &mut clients {
        client.text("ignored by the member").await;
        assert_eq!(client.next().await, Frame::text("hello"));
    }
    let mut leaver = connect(&handler).await;
    leaver.bye().await;
    while hub.counts().connections > 2 {
        tokio::task::yield_now().await;
    }

    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || hub.publish_metrics());
    let page = recorder.handle().render();
    for line in [
        "gustnado_connections 2",
        "gustnado_rooms 1",
        "gustnado_users 1",
        "gustnado_outbox_bytes 0",
        "gustnado_connections_total 3",
        "gustnado_closes_total{cause=\"peer\"} 1",
        "gustnado_refused_total 1",
        "gustnado_messages_total{direction=\"in\"} 2",
        "gustnado_messages_total{direction=\"out\"} 2",
        "gustnado_bytes_total{direction=\"out\"} 18",
        "gustnado_broadcasts_total 1",
        "gustnado_deliveries_total 2",
        "gustnado_dropped_total{reason=\"fan_out\"} 0",
        "gustnado_dropped_total{reason=\"rate_limited\"} 0",
        "gustnado_fan_out_dropped_total{reason=\"closing\"} 0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line} is missing in\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_link_to_other_nodes_is_shown_and_what_went_over_it() {
    let bus = MemoryBus::new();
    let hub = Hub::builder().adapter(bus.adapter()).build();
    let _other = Hub::builder().adapter(bus.adapter()).build();
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    hub.room("lobby").send("hello").await;
    bus.set_link(hub.node(), Link::Down);
    hub.room("lobby").send("hello?").await;

    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || hub.publish_metrics());
    let page = recorder.handle().render();
    for line in [
        "gustnado_link{state=\"up\"} 0",
        "gustnado_link{state=\"down\"} 1",
        "gustnado_nodes 1",
        "gustnado_handed_over_total 1",
        "gustnado_not_handed_over_total 1",
        "gustnado_cluster_received_total{kind=\"undecodable\"} 0",
        "gustnado_adapter_packets_total{what=\"refused\"} 1",
    ] {
        assert!(page.lines().any(|it| it == line), "{line} is missing in\n{page}");
    }
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    words.filter(|word| word.starts_with("gustnado_")).collect()
}

#[test]
fn the_dashboard_shows_every_metric_that_there_is_and_no_other() {
    let code = include_str!("../src/metrics.rs");
    let (docs, code): (Vec<_>, Vec<_>) = code.lines().partition(|line| line.trim_start().starts_with("//"));
    let (docs, code) = (docs.join("\n"), code.join("\n"));
    let dashboard = include_str!("../docs/grafana.json");
    let parsed: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
    let panels = parsed["panels"].as_array().expect("panels");
    let shown: BTreeSet<_> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .flat_map(|target| names(target["expr"].as_str().expect("a query")))
        .collect();
    assert!(shown.len() > 20, "{shown:?}");
    assert_eq!(shown, names(&code));
    assert_eq!(names(&docs), names(&code));
    assert!(names(dashboard).is_subset(&shown), "a variable asks for no other");
}
