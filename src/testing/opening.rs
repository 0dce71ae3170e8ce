//! [`Opening`]: the request that opens a connection.

use std::fmt;

/// The key of the example in §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A request that opens a connection, as a client of HTTP/1.1 writes it.
///
/// ```
/// use gustnado::testing::Opening;
///
/// let opening = Opening::new("/chat?nick=ann").protocol("json").header("Authorization", "Bearer t0p");
/// # let _ = opening;
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is asked before a client opens it"]
pub struct Opening {
    target: String,
    headers: String,
}

impl Opening {
    /// A request for a path, with its query.
    pub fn new(target: impl Into<String>) -> Self {
        Self { target: target.into(), headers: String::new() }
    }

    /// One header more. Nothing is checked, so that a test can send what no client should.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Offers a subprotocol; several calls offer several, the first first.
    pub fn protocol(self, name: &str) -> Self {
        self.header("Sec-WebSocket-Protocol", name)
    }
}

impl Default for Opening {
    fn default() -> Self {
        Self::new("/")
    }
}

/// The request's bytes.
impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "GET {} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{}\r\n",
            self.target, self.headers
        )
    }
}
