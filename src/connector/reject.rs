//! [`Reject`]: how a request is refused.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode, Version,
    header::{CONTENT_TYPE, HeaderName, RETRY_AFTER},
};

use crate::protocol::{
    close::{CloseCode, CloseFrame},
    handshake::HandshakeError,
    text::Text,
};

/// Refuses a request with any status, headers and body.
///
/// Any error becomes one by `?`: 500, without the error's text unless the handler is in
/// [debug mode](crate::Handler::debug).
///
/// ```
/// use gustnado::Reject;
/// use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
///
/// let reject = Reject::new(StatusCode::UNAUTHORIZED, "who are you?")
///     .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
/// assert_eq!(reject.status(), StatusCode::UNAUTHORIZED);
/// ```
pub struct Reject(Box<Inner>);

struct Inner {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    close: Option<CloseFrame>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Reject {
    /// Refuses with a status and a plain text body.
    ///
    /// A status that would say that the connection is open is sent as 500: 1xx, and 2xx on HTTP/2.
    pub fn new(status: StatusCode, body: impl Into<Text>) -> Self {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))]);
        let body = body.into().into_bytes();
        Self(Box::new(Inner { status, headers, body, close: None, source: None }))
    }

    /// Refuses with a response of any kind.
    pub fn response(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        Self(Box::new(Inner { status, headers, body, close: None, source: None }))
    }

    /// Adds a header, in the place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Says when to come back: `Retry-After`, in whole seconds, at least 1.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// What a browser gets to see where the handler makes
    /// [rejects visible](crate::Handler::visible_rejects). Otherwise it is the code 4000 + status, and the body as
    /// the reason.
    #[must_use]
    pub fn close_frame(mut self, frame: CloseFrame) -> Self {
        self.0.close = Some(frame);
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// The response to a request of this HTTP version; with `debug`, the text of the error that caused it is its
    /// body.
    pub(crate) fn into_response(self, version: Version, debug: bool) -> Response<Bytes> {
        let Inner { status, headers, body, source, .. } = *self.0;
        let body = match source {
            Some(source) if debug => Bytes::from(source.to_string()),
            _ => body,
        };
        let mut response = Response::new(body);
        // An informational status is no answer, and 101 would even say that the connection is open; on HTTP/2 any
        // 2xx does (RFC 8441 §5).
        let opens = status.is_informational() || version == Version::HTTP_2 && status.is_success();
        *response.status_mut() = if opens { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        *response.headers_mut() = headers;
        response
    }

    pub(crate) fn into_close_frame(self) -> CloseFrame {
        let Inner { status, body, close, .. } = *self.0;
        close.unwrap_or_else(|| {
            // A status is at most 999.
            let code = CloseCode::from(4000 + status.as_u16());
            CloseFrame::sendable(code, Text::try_from(body).unwrap_or_default())
        })
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Reject {
    fn from(error: E) -> Self {
        let mut reject = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        reject.0.source = Some(Box::new(error));
        reject
    }
}

/// The answers of the handshake itself.
pub(crate) fn from_handshake(error: &HandshakeError) -> Reject {
    let mut reject = Reject::new(error.status(), error.to_string());
    reject.0.headers.extend(error.headers());
    reject
}

impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reject")
            .field("status", &self.0.status)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}
