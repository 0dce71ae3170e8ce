//! Responses.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode, Version,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
    request::Parts,
};
use serde_json::{Value, json};

use super::{
    route::{File, Route},
    secret::random,
};
use crate::{connector::Reject, handler::Body};

/// Nothing but what comes from this server, and no script that stands in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";

pub(super) fn file(file: &File, base: &str) -> Response<Body> {
    respond(StatusCode::OK, file.kind, file.text.replace("@base@", &escaped(base)))
}

pub(super) fn json(value: &Value) -> Response<Body> {
    respond(StatusCode::OK, "application/json", value.to_string())
}

pub(super) fn error(status: StatusCode, why: &str) -> Response<Body> {
    respond(status, "application/json", json!({ "error": why }).to_string())
}

pub(super) fn empty() -> Response<Body> {
    respond(StatusCode::NO_CONTENT, "", String::new())
}

/// To the page itself.
pub(super) fn see_other(base: &str) -> Response<Body> {
    let mut response = respond(StatusCode::SEE_OTHER, "", String::new());
    if let Ok(location) = HeaderValue::try_from(format!("{base}/")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

pub(super) fn wrong_method(route: &Route) -> Response<Body> {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "not by this method");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.methods()));
    response
}

/// What a guard answers: to a browser that asks for a page, the form to log in by.
pub(super) fn refusal(reject: Reject, parts: &Parts, has_login: bool, base: &str) -> Response<Body> {
    let wants_page =
        parts.headers.get(ACCEPT).is_some_and(|it| it.to_str().is_ok_and(|it| it.contains("text/html")));
    let mut response = rejected(reject, parts.version);
    if has_login && wants_page && response.status() == StatusCode::UNAUTHORIZED {
        // The form has its own style, since nothing else is served without the guard.
        let nonce = random();
        let page =
            include_str!("page/login.html").replace("@base@", &escaped(base)).replace("{nonce}", &nonce);
        *response.body_mut() = Body::full(page.into());
        set(&mut response, CONTENT_TYPE, HTML);
        let policy = format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        if let Ok(policy) = policy.parse() {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
    }
    response
}

pub(super) fn rejected(reject: Reject, version: Version) -> Response<Body> {
    let mut response = reject.into_response(version, false).map(Body::full);
    harden(&mut response);
    response
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(text)));
    *response.status_mut() = status;
    if !kind.is_empty() {
        set(&mut response, CONTENT_TYPE, kind);
    }
    harden(&mut response);
    response
}

fn harden(response: &mut Response<Body>) {
    set(response, CONTENT_SECURITY_POLICY, POLICY);
    set(response, CACHE_CONTROL, "no-store");
    set(response, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(response, X_FRAME_OPTIONS, "DENY");
    // `no-referrer` would make the origin of the form that logs in `null`.
    set(response, REFERRER_POLICY, "same-origin");
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
}

/// For the value of an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
