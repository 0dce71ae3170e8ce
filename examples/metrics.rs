//! Figures for Prometheus at /metrics, beside an echo at /ws.
//!
//! `cargo run --example metrics --features metrics -- [ADDRESS]`

use axum::{Router, routing::get};
use gustnado::{Conn, Handler, Message};
use metrics_exporter_prometheus::PrometheusBuilder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let echo = Handler::on_message(|conn: Conn, message: Message| async move {
        conn.send(message).await?;
        Ok(())
    });
    let hub = echo.to_hub();
    let prometheus = PrometheusBuilder::new().install_recorder()?;
    let metrics = get(move || async move {
        hub.publish_metrics();
        prometheus.render()
    });
    let app = Router::new().route("/metrics", metrics).route_service("/ws", echo);

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
