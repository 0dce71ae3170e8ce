//! The span of each connection, and what its callbacks log in it, in an OpenTelemetry collector, by OTLP over HTTP.
//!
//! `cargo run --example opentelemetry -- [ADDRESS] [COLLECTOR]`, where the collector is at
//! `http://127.0.0.1:4318/v1/traces` unless told otherwise.

use axum::Router;
use gustnado::{Conn, Handler, Message, Shutdown};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

fn spans_to(collector: &str) -> Result<SdkTracerProvider, Box<dyn std::error::Error>> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpJson)
        .with_endpoint(collector)
        .build()?;
    let resource = Resource::builder().with_service_name("echo").build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:8080".into());
    let provider = spans_to(&arguments.next().unwrap_or("http://127.0.0.1:4318/v1/traces".into()))?;

    // Only our own spans: the exporter's HTTP client has some, too.
    let ours =
        Targets::new().with_targets(["gustnado", "opentelemetry"].map(|it| (it, tracing::Level::INFO)));
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("gustnado"));
    tracing_subscriber::registry().with(ours).with(layer).init();

    let echo = Handler::on_message(|conn: Conn, message: Message| async move {
        tracing::info!(len = message.len(), "an event of the connection's span");
        conn.send(message).await?;
        Ok(())
    });
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let hub = echo.to_hub();
    gustnado::serve(listener, Router::new().route_service("/ws", echo))
        .hub(&hub)
        .shutdown_on(async { drop(tokio::signal::ctrl_c().await) }, Shutdown::default())
        .await;
    // What has not been exported yet is now.
    tokio::task::spawn_blocking(move || provider.shutdown()).await??;
    Ok(())
}
