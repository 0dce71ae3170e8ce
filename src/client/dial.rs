//! Connecting: the address, the transport, the credential, the opening handshake.

use std::{error::Error, io, sync::Arc, time::Duration};

use futures_util::{SinkExt, future::BoxFuture};
use http::{HeaderValue, Request, StatusCode, Uri, header};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, client::IntoClientRequest, error::ProtocolError, protocol::WebSocketConfig},
};

use super::{
    closing::{Closed, MISTAKE},
    config::{Config, TokenIn},
    error::ClientError,
};

/// A byte stream to a server.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

pub(super) type Socket = WebSocketStream<Box<dyn Transport>>;

/// A way to the server that the application provides.
pub(super) type Dialer = Arc<dyn Fn() -> BoxFuture<'static, io::Result<Box<dyn Transport>>> + Send + Sync>;

/// The address is no `ws:`, `wss:`, `http:` or `https:` one with a host.
#[derive(Debug, thiserror::Error)]
#[error("no address of a WebSocket")]
pub struct InvalidAddress;

/// Where to connect.
#[derive(Debug, Default)]
pub(super) struct Address {
    uri: Uri,
    is_secure: bool,
}

impl Address {
    pub(super) fn parse(address: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = address.split_once("://").ok_or(InvalidAddress)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(InvalidAddress),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let scheme = if is_secure { "wss" } else { "ws" };
        let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| InvalidAddress)?;
        let is_sound = uri.host().is_some_and(|host| !host.is_empty());
        is_sound.then_some(Self { uri, is_secure }).ok_or(InvalidAddress)
    }

    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Without the brackets of an IPv6 address.
    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(if self.is_secure { 443 } else { 80 })
    }

    fn with_query(&self, name: &str, value: &str) -> Result<Uri, http::Error> {
        let old = self.uri.query().unwrap_or_default();
        let mut query = form_urlencoded::Serializer::for_suffix(old.to_owned(), old.len());
        let path = format!("{}?{}", self.uri.path(), query.append_pair(name, value).finish());
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path.parse()?);
        Ok(Uri::from_parts(parts)?)
    }
}

/// What a TLS connection is checked against: the system's certificates, and those given.
pub(super) fn tls(trusted: &[Vec<u8>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(trusted.iter().map(|der| CertificateDer::from(der.clone())));
    // Named, since rustls has no default where a program has several providers.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) closed: Closed,
    pub(super) error: ClientError,
}

/// Makes one attempt to connect.
pub(super) async fn dial(config: &Config) -> Result<Socket, Failed> {
    let token = match &config.token {
        Some(provider) => Some(provider().await.map_err(no_token)?),
        None => None,
    };
    let request =
        request(config, token.as_deref()).map_err(|error| failed(MISTAKE, "cannot connect", error))?;
    let io = transport(config).await.map_err(|error| failed(1006, "cannot connect", error.into()))?;
    let limits = WebSocketConfig::default()
        // As small as the server's; the defaults reserve 128 KiB for each.
        .read_buffer_size(16 << 10)
        .write_buffer_size(16 << 10)
        .max_message_size(Some(config.max_message_size))
        .max_frame_size(Some(config.max_message_size));
    match client_async_with_config(request, io, Some(limits)).await {
        Ok((mut socket, _)) => {
            if let (TokenIn::Message, Some(token)) = (&config.token_in, token) {
                socket.send(tungstenite::Message::text(token)).await.map_err(refused)?;
            }
            Ok(socket)
        }
        Err(error) => Err(refused(error)),
    }
}

async fn transport(config: &Config) -> io::Result<Box<dyn Transport>> {
    if let Some(dialer) = &config.dialer {
        return dialer().await;
    }
    let tcp = TcpStream::connect((config.address.host(), config.address.port())).await?;
    tcp.set_nodelay(true)?;
    let Some(tls) = &config.tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(config.address.host().to_owned()).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await?))
}

/// The opening request. No error of it quotes the token.
fn request(config: &Config, token: Option<&str>) -> Result<Request<()>, Box<dyn Error + Send + Sync>> {
    let mut uri = config.address.uri.clone();
    let mut protocols = config.subprotocol().to_owned();
    let mut authorization = None;
    if let Some(token) = token {
        match &config.token_in {
            TokenIn::Header => authorization = Some(secret(&format!("Bearer {token}"))?),
            TokenIn::Query(name) => {
                uri = config.address.with_query(name, token).map_err(|_| NoPlaceForToken)?;
            }
            TokenIn::Subprotocol => {
                let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
                if token.is_empty() || !token.bytes().all(is_tchar) {
                    return Err(NoPlaceForToken.into());
                }
                protocols = format!("{protocols}, bearer.{token}");
            }
            TokenIn::Message => {}
        }
    }
    let mut request = uri.into_client_request()?;
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, secret(&protocols)?);
    if let Some(authorization) = authorization {
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
    }
    Ok(request)
}

/// The token cannot stand where it shall.
#[derive(Debug, thiserror::Error)]
#[error("the token has characters that cannot stand there")]
struct NoPlaceForToken;

fn secret(value: &str) -> Result<HeaderValue, NoPlaceForToken> {
    let mut value = HeaderValue::from_str(value).map_err(|_| NoPlaceForToken)?;
    value.set_sensitive(true);
    Ok(value)
}

fn no_token(error: Box<dyn Error + Send + Sync>) -> Failed {
    Failed { closed: Closed::network("no token"), error: ClientError::Token(error) }
}

fn failed(code: u16, reason: &str, error: Box<dyn Error + Send + Sync>) -> Failed {
    Failed { closed: Closed::new(code, reason, false), error: ClientError::Connect(error) }
}

fn refused(error: tungstenite::Error) -> Failed {
    match &error {
        tungstenite::Error::Http(response) => {
            let status = response.status();
            let retry_after = response.headers().get(header::RETRY_AFTER).and_then(seconds);
            let error = Box::new(Status(status));
            let mut failed = failed(4000 + status.as_u16(), &format!("HTTP {}", status.as_u16()), error);
            failed.closed.retry_after = retry_after;
            failed
        }
        tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            failed(MISTAKE, "no subprotocol chosen", error.into())
        }
        _ => failed(1006, "cannot connect", error.into()),
    }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3); a date is not looked at, as clocks differ.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The server answered with this instead of opening a connection.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {0}")]
struct Status(StatusCode);
