//! What every peer begins with: the address from the command line, and the line that tells the driver the port.

use tokio::net::TcpListener;

/// Listens on the first argument, `127.0.0.1:8080` without one.
pub async fn listen() -> std::io::Result<TcpListener> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080")).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}
