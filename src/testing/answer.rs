//! [`Answer`]: what came back for a request.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 101 if the connection is open.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as long as `Content-Length` says.
    pub body: Bytes,
}

impl Answer {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads an answer of HTTP/1.1, and not a byte more.
    pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(io.read_u8().await.expect("the server ended without an answer"));
        }
        let mut lines = std::str::from_utf8(&head).expect("a head of ASCII").lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut headers = HeaderMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").expect("a header");
            let name = http::HeaderName::try_from(name).expect("the name of a header");
            headers.append(name, value.parse().expect("the value of a header"));
        }
        let len = headers.get(http::header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
        let mut body = vec![0; len.unwrap_or_default()];
        io.read_exact(&mut body).await.expect("a whole body");
        Self { status: status.expect("a status line"), headers, body: body.into() }
    }
}
