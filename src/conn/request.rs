//! [`RequestInfo`]: what a connection keeps of the request that opened it.

use std::{borrow::Cow, fmt};

use http::{HeaderName, HeaderValue, Method, request::Parts};

/// What a connection keeps of its opening request: method, path, query, and the headers that the handler was
/// told to [keep](crate::Handler::keep_headers).
///
/// All of it is copied out. A `Uri` or a `HeaderValue` of the request itself would pin the HTTP server's whole
/// read buffer for as long as the connection lives.
pub struct RequestInfo {
    method: &'static Method,
    /// Path and query, with the question mark between them if there is a query.
    target: Box<str>,
    path: u32,
    headers: Box<[(HeaderName, HeaderValue)]>,
}

static GET: Method = Method::GET;
static CONNECT: Method = Method::CONNECT;

impl RequestInfo {
    pub(crate) fn copied_from(parts: &Parts, keep: &[HeaderName]) -> Self {
        let copy = |value: &HeaderValue| {
            let mut copy = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            copy.set_sensitive(value.is_sensitive());
            Some(copy)
        };
        let kept = keep.iter().flat_map(|name| parts.headers.get_all(name).iter().map(move |it| (name, it)));
        let path = parts.uri.path();
        let target = match parts.uri.query() {
            Some(query) => [path, "?", query].concat().into(),
            None => path.into(),
        };
        Self {
            // No others open a connection.
            method: if parts.method == CONNECT { &CONNECT } else { &GET },
            // A `Uri` has at most 65,534 bytes.
            path: u32::try_from(path.len()).unwrap_or(u32::MAX),
            target,
            headers: kept.filter_map(|(name, value)| Some((name.clone(), copy(value)?))).collect(),
        }
    }

    /// `GET`, or `CONNECT` on HTTP/2 (RFC 8441).
    pub fn method(&self) -> &Method {
        self.method
    }

    /// The path, as it came: percent-encoded, and below a router that nests, without the nested prefix.
    pub fn path(&self) -> &str {
        &self.target[..self.path as usize]
    }

    /// The query, as it came. It may hold credentials; it is never logged.
    pub fn query(&self) -> Option<&str> {
        self.target.get(self.path as usize + 1..)
    }

    /// The first value of a parameter of the query, decoded.
    pub fn query_param(&self, name: &str) -> Option<Cow<'_, str>> {
        query_param(self.query(), name)
    }

    /// Every value of a parameter of the query, decoded, in the order they came.
    pub fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        query_all(self.query(), name)
    }

    /// The first value of a kept header.
    pub fn header(&self, name: impl AsRef<str>) -> Option<&HeaderValue> {
        let name = name.as_ref();
        self.headers.iter().find(|(kept, _)| kept.as_str().eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every kept header, in the order the handler names them.
    pub fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter().map(|(name, value)| (name, value))
    }
}

/// Without the query and the headers' values, which may hold credentials.
impl fmt::Debug for RequestInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestInfo")
            .field("method", &self.method)
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// The first value of the query's parameter `name`, percent-decoded.
pub(crate) fn query_param<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    query_pairs(query).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Every value of the query's parameter `name`, percent-decoded.
pub(crate) fn query_all<'a>(query: Option<&'a str>, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
    query_pairs(query).filter(move |(key, _)| key == name).map(|(_, value)| value)
}

fn query_pairs(query: Option<&str>) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
}
