//! From an HTTP route to all devices of a user, wherever they are connected.
//!
//! `cargo run --example notifications -- [ADDRESS]`, then open `ws://ADDRESS/ws?user=alice`, and
//! `curl --data 'Your build is green' http://ADDRESS/notify/alice`

use axum::{
    Router,
    extract::{Path, State},
    http::header::CONTENT_TYPE,
    response::IntoResponse,
    routing::post,
};
use gustnado::{Handler, Hub, Reject};
use http::StatusCode;
use serde_json::json;

/// Puts the body into the outboxes of all the user's connections, and says how many there are.
async fn notify(State(hub): State<Hub>, Path(user): Path<String>, text: String) -> impl IntoResponse {
    let report = hub.user(user).send(text).await;
    let body = json!({
        "recipients": report.recipients(),
        "queued": report.queued,
        "dropped": report.dropped,
        "disconnected": report.disconnected,
        "too_large": report.too_large,
        "closing": report.closing,
    });
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let hub = Hub::new();
    // A name in the query proves nothing: a real server authenticates here, and in front of `/notify`.
    let devices = Handler::builder()
        .on_connect(|handshake| {
            Box::pin(async move {
                let user =
                    handshake.query("user").filter(|user| !user.is_empty()).map(std::borrow::Cow::into_owned);
                let user =
                    user.ok_or_else(|| Reject::new(StatusCode::UNAUTHORIZED, "whose device is this?"))?;
                handshake.set_user(user);
                Ok(())
            })
        })
        .build()
        .hub(&hub);
    let app =
        Router::new().route_service("/ws", devices).route("/notify/{user}", post(notify)).with_state(hub);

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await
}
