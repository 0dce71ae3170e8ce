//! Ctrl-C tells every client within which window to come back, waits for their answers, and ends.
//!
//! `cargo run --example shutdown -- [ADDRESS]`

use std::time::Duration;

use gustnado::{Conn, Handler, Message, Shutdown};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let echo = Handler::on_message(|conn: Conn, message: Message| async move {
        conn.send(message).await?;
        Ok(())
    });
    let hub = echo.to_hub();
    let plan = Shutdown::default()
        .close_with(1012, "restart")?
        .reconnect_within(Duration::from_secs(10))
        .deadline(Duration::from_secs(20));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    // Requests are answered until the hub is done, with 503 and `Retry-After`.
    let signal = async move {
        let _ = tokio::signal::ctrl_c().await;
        let report = hub.shutdown(plan).await;
        println!("{} connections ended, {} cut", report.ended, report.cut);
    };
    axum::serve(listener, axum::Router::new().fallback_service(echo)).with_graceful_shutdown(signal).await?;
    Ok(())
}
