//! Over TLS, on HTTP/1.1 and HTTP/2, with a certificate that can be changed while connections are open.
//!
//! `cargo run --example tls -- [ADDRESS]`, then open <https://127.0.0.1:8080>. The browser warns: the certificate is
//! made on the spot, and nobody has signed it. Enter makes another one.

use std::{error::Error, sync::Arc};

use axum::{Router, response::Html, routing::get};
use gustnado::{Conn, Connector, Disconnect, Handler, Handshake, Message, Reject, Shutdown, async_trait};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

const PAGE: &str = "<!doctype html><title>Gustnado over TLS</title><p></p><script>
  const socket = new WebSocket(`wss://${location.host}/ws`);
  socket.onmessage = ({ data }) => { document.querySelector('p').textContent = data; };
</script>";

/// Says which version of HTTP it came over, and then sends everything back.
#[derive(Default)]
struct Echo {
    greeting: String,
}

#[async_trait]
impl Connector for Echo {
    async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
        self.greeting = format!("over {:?}", handshake.version());
        Ok(())
    }

    async fn on_open(&mut self, conn: &Conn) -> Result<(), Disconnect> {
        Ok(conn.send(std::mem::take(&mut self.greeting)).await?)
    }

    async fn on_message(&mut self, conn: &Conn, message: Message) -> Result<(), Disconnect> {
        Ok(conn.send(message).await?)
    }
}

/// A certificate of its own and what is agreed on by ALPN. A deployment would read the files that its certificate is
/// renewed in.
fn tls() -> Result<TlsAcceptor, Box<dyn Error + Send + Sync>> {
    let made = rcgen::generate_simple_self_signed(["localhost".into(), "127.0.0.1".into()])?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], made.signing_key.serialize_der().try_into()?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (renewed, current) = watch::channel(tls()?);
    // Not by tokio's stdin, which would hold up the end of the program.
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            match tls() {
                Ok(tls) => {
                    renewed.send_replace(tls);
                    println!("another certificate");
                }
                Err(error) => eprintln!("the certificate stays: {error}"),
            }
        }
    });

    let echo = Handler::new(Echo::default);
    let hub = echo.to_hub();
    let app = Router::new().route("/", get(Html(PAGE))).route_service("/ws", echo);
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    gustnado::serve(listener, app)
        // Each handshake takes the certificate of the moment; what is open keeps its keys.
        .tls(move |tcp| current.borrow().accept(tcp))
        .hub(&hub)
        .shutdown_on(interrupted, Shutdown::default())
        .await;
    Ok(())
}
