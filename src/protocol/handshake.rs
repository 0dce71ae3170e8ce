//! The opening handshake on `http` types (§4.2; RFC 8441 for HTTP/2): what a request must be, and the
//! answer to it.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{
        ALLOW, CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::deflate::{self, Agreed, Compression};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const VERSION_13: HeaderValue = HeaderValue::from_static("13");

/// Why a request does not open a connection, before anybody was asked about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Neither a GET of HTTP/1.1 nor an extended CONNECT of HTTP/2: 405.
    #[error("a WebSocket is opened by {allow}")]
    Method {
        /// The method that would do.
        allow: &'static str,
    },
    /// No `Upgrade: websocket`, or no `Connection: upgrade` with it: 426.
    #[error("this is a WebSocket endpoint")]
    NotAnUpgrade,
    /// `Sec-WebSocket-Version` is not 13: 426.
    #[error("only version 13 of the protocol is spoken here")]
    Version,
    /// `Sec-WebSocket-Key` is missing, there twice, or not 16 bytes of base64: 400.
    #[error("Sec-WebSocket-Key is not 16 bytes of base64")]
    Key,
    /// `Sec-WebSocket-Protocol` is not a list of tokens: 400.
    #[error("Sec-WebSocket-Protocol is not a list of tokens")]
    Protocols,
    /// `Sec-WebSocket-Extensions` is not a list of extensions (§9.1): 400. It is looked at with the feature `deflate`.
    #[error("Sec-WebSocket-Extensions is not a list of extensions")]
    Extensions,
    /// The origin policy does not allow the page that asked: 403.
    #[error("this origin is not allowed")]
    Origin,
}

impl HandshakeError {
    /// The status that answers the request.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAnUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::Protocols | Self::Extensions => StatusCode::BAD_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        }
    }

    /// The headers the answer needs besides.
    pub(crate) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        match self {
            Self::Method { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::NotAnUpgrade => {
                headers.insert(UPGRADE, WEBSOCKET);
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            }
            Self::Version => {
                headers.insert(SEC_WEBSOCKET_VERSION, VERSION_13);
            }
            Self::Key | Self::Protocols | Self::Extensions | Self::Origin => {}
        }
        headers
    }
}

/// A request that opens a connection, and what the answer to it needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// `Sec-WebSocket-Accept`; HTTP/2 has none (RFC 8441 §5).
    accept: Option<HeaderValue>,
    /// The subprotocols the client offers, in its order of preference.
    pub(crate) protocols: Vec<Box<str>>,
    /// How the client would have messages compressed, and what is answered to it.
    compression: Option<deflate::Offer>,
    extensions: Option<HeaderValue>,
}

/// Whether the request asks for a WebSocket at all, well or badly; what does not may go to a fallback.
pub(crate) fn is_attempt(parts: &Parts) -> bool {
    match parts.version {
        Version::HTTP_2 => is_extended_connect(parts),
        _ => has_token(&parts.headers, &UPGRADE, "websocket"),
    }
}

/// Checks all of a request but its origin.
pub(crate) fn check(parts: &Parts) -> Result<Opening, HandshakeError> {
    let http2 = parts.version == Version::HTTP_2;
    if http2 {
        if !is_extended_connect(parts) {
            return Err(HandshakeError::Method { allow: "CONNECT" });
        }
    } else {
        if parts.method != Method::GET {
            return Err(HandshakeError::Method { allow: "GET" });
        }
        // RFC 9110 §7.8: HTTP/1.0 knows no upgrade, and `Upgrade` counts only if `Connection` names it.
        let upgrade = parts.version == Version::HTTP_11
            && has_token(&parts.headers, &UPGRADE, "websocket")
            && has_token(&parts.headers, &CONNECTION, "upgrade");
        if !upgrade {
            return Err(HandshakeError::NotAnUpgrade);
        }
    }
    if only(&parts.headers, &SEC_WEBSOCKET_VERSION).map(|version| version.as_bytes().trim_ascii())
        != Some(b"13")
    {
        return Err(HandshakeError::Version);
    }
    let accept = if http2 { None } else { Some(accept(&parts.headers)?) };
    let protocols = protocols(&parts.headers)?;
    let compression = deflate::offered(&parts.headers).map_err(|_| HandshakeError::Extensions)?;
    Ok(Opening { accept, protocols, compression, extensions: None })
}

impl Opening {
    /// What the client's offer comes to, if there is one and the server wants to compress.
    pub(crate) fn agree(&mut self, compression: Option<&Compression>) -> Option<Agreed> {
        let agreed = self.compression.zip(compression).map(|(offer, options)| offer.agree(options));
        self.extensions = agreed.as_ref().map(Agreed::answer);
        agreed
    }

    /// The head of the answer that opens the connection: 101, or 200 on HTTP/2.
    pub(crate) fn answer(self, protocol: Option<&str>, extra: HeaderMap) -> http::Response<()> {
        let mut response = http::Response::new(());
        *response.headers_mut() = extra;
        let headers = response.headers_mut();
        // It was one of the tokens the client sent, so it is a header value.
        if let Some(Ok(protocol)) = protocol.map(HeaderValue::from_str) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        if let Some(extensions) = self.extensions {
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, extensions);
        }
        if let Some(accept) = self.accept {
            headers.insert(UPGRADE, WEBSOCKET);
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        }
        response
    }
}

/// Whether a header of the answer is the handshake's own, so that nobody else may set it.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    [
        CONNECTION,
        CONTENT_LENGTH,
        SEC_WEBSOCKET_ACCEPT,
        SEC_WEBSOCKET_EXTENSIONS,
        SEC_WEBSOCKET_PROTOCOL,
        TRANSFER_ENCODING,
        UPGRADE,
    ]
    .contains(name)
}

fn is_extended_connect(parts: &Parts) -> bool {
    parts.method == Method::CONNECT
        && parts.extensions.get::<hyper::ext::Protocol>().is_some_and(|name| name.as_str() == "websocket")
}

fn accept(headers: &HeaderMap) -> Result<HeaderValue, HandshakeError> {
    let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or(HandshakeError::Key)?.as_bytes().trim_ascii();
    // 16 bytes are 22 characters of base64 and two of padding. The last character has four bits to spare, and
    // clients that draw characters and not bytes fill them.
    let is_nonce = key.len() == 24
        && key.ends_with(b"==")
        && key[..22].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    if !is_nonce {
        return Err(HandshakeError::Key);
    }
    HeaderValue::try_from(derive_accept_key(key)).map_err(|_| HandshakeError::Key)
}

/// The offered subprotocols, over all lines of the header (§11.3.4).
fn protocols(headers: &HeaderMap) -> Result<Vec<Box<str>>, HandshakeError> {
    let mut offered = Vec::new();
    for line in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let line = line.to_str().map_err(|_| HandshakeError::Protocols)?;
        for protocol in elements(line) {
            if !protocol.bytes().all(is_token_char) {
                return Err(HandshakeError::Protocols);
            }
            offered.push(Box::from(protocol));
        }
    }
    Ok(offered)
}

/// The value of a header that must be there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// Whether a list header holds `token` as an element of its own: `Upgrade: websockets` does not do.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| elements(line).any(|element| element.eq_ignore_ascii_case(token)))
}

/// The elements of a list header; empty ones are skipped (RFC 9110 §5.6.1).
fn elements(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|element| element.trim_matches([' ', '\t'])).filter(|element| !element.is_empty())
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
