//! gustnado's echo under TLS.

mod listen;
mod tls;

use gustnado::{Conn, Handler, Message};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let echo =
        Handler::on_message(|conn: Conn, message: Message| async move { Ok(conn.send(message).await?) });
    let listener = tls::Tls::new(listen::listen().await?)?;
    axum::serve(listener, axum::Router::new().fallback_service(echo)).await
}
