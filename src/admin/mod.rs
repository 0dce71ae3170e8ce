//! [`Admin`]: a page, a JSON API and a live socket over a hub, for its operators.

mod actions;
mod answer;
mod guard;
mod list;
mod live;
mod redact;
mod route;
mod secret;
mod session;
mod views;

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::ORIGIN, request::Parts};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};
use tower_service::Service;

pub use self::guard::Guard;
use self::{
    guard::Access,
    redact::Redact,
    route::{Route, Task},
};
use crate::{
    connector::PeerAddr,
    handler::{Body, Handler},
    hub::Hub,
    protocol::origin::OriginPolicy,
};

/// The longest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// How long it may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const CSRF_HEADER: &str = "x-csrf-token";

/// A page over a hub: figures that move, connections, rooms, users, nodes, taps; and the same as a JSON API, described by
/// `api/openapi.json`. A tower service, made by [`Hub::admin`].
///
/// Nothing of it is reachable without the [`Guard`]. What changes something is a `POST` of the same origin with the
/// header `x-csrf-token`, whose value `api/session` tells; a program that shows the secret as `Authorization: Bearer`
/// needs neither. A `GET` changes nothing. Each change is logged, with who asked for it.
///
/// Connections, rooms and users are those of all nodes; nodes that did not answer within a second are named. The overview and
/// the tap are this node's.
///
/// ```
/// use gustnado::{Echo, Handler, admin::Guard};
///
/// # fn example(secret: String) {
/// let handler = Handler::new(|| Echo);
/// let admin = handler.to_hub().admin(Guard::secret(secret)).redact_fields(["password", "token"]);
/// let app: axum::Router =
///     axum::Router::new().route_service("/ws", handler).nest_service("/admin", admin);
/// # }
/// ```
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    hub: Hub,
    guard: Guard,
    base: String,
    redact: Redact,
    live: Handler,
}

impl Hub {
    /// A page and an API over this hub, behind a guard.
    pub fn admin(&self, guard: Guard) -> Admin {
        Admin::new(self.clone(), guard, "/admin".into(), Redact::default())
    }
}

impl Admin {
    fn new(hub: Hub, guard: Guard, base: String, redact: Redact) -> Self {
        let live = live::handler(&hub, &redact);
        Self(Arc::new(Inner { hub, guard, base, redact, live }))
    }

    /// Where it is mounted, as the browser sees it: `/admin` by default, `""` for the root.
    #[must_use]
    pub fn at(self, base: impl Into<String>) -> Self {
        let base: String = base.into();
        let Inner { hub, guard, redact, .. } = &*self.0;
        Self::new(hub.clone(), guard.clone(), base.trim_end_matches('/').to_owned(), redact.clone())
    }

    /// Takes the values of these JSON fields out of every preview of a message, before it leaves the server: at any
    /// depth, but not in JSON that stands in a string. Of a binary message nothing is shown then.
    #[must_use]
    pub fn redact_fields<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let Inner { hub, guard, base, .. } = &*self.0;
        Self::new(hub.clone(), guard.clone(), base.clone(), Redact::fields(names))
    }
}

impl Inner {
    async fn answer<B>(&self, parts: Parts, body: B) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let route = Route::of(self.below(&parts));
        let has_login = self.guard.has_login();
        if route == Route::Login && parts.method == Method::POST {
            let form = match read(body).await {
                Ok(form) => form,
                Err((status, why)) => return answer::error(status, why),
            };
            let answer = self.guard.log_in(&parts, &form, &self.base);
            return answer.unwrap_or_else(|reject| answer::refusal(reject, &parts, has_login, &self.base));
        }
        let access = match self.guard.admit(&parts).await {
            Ok(access) => access,
            Err(reject) => return answer::refusal(reject, &parts, has_login, &self.base),
        };
        match (&parts.method, route) {
            (_, Route::Live) => self.connect(parts, access).await,
            (&Method::GET | &Method::HEAD, Route::File(file)) => answer::file(file, &self.base),
            (&Method::GET | &Method::HEAD, Route::Session) => {
                answer::json(&json!({ "csrf": self.guard.csrf(&parts).expose() }))
            }
            (&Method::GET | &Method::HEAD, Route::View(view)) => {
                match views::show(&self.hub, &view, &parts).await {
                    Some(value) => answer::json(&value),
                    None => answer::error(StatusCode::NOT_FOUND, "there is no such thing"),
                }
            }
            (&Method::POST, Route::Task(_) | Route::Logout) if !self.may_change(&parts, access) => {
                answer::error(StatusCode::FORBIDDEN, "not from this page")
            }
            (&Method::POST, Route::Task(task)) => self.change(&parts, body, task).await,
            (&Method::POST, Route::Logout) => self.guard.log_out(&parts, &self.base),
            (_, Route::Nothing) => answer::error(StatusCode::NOT_FOUND, "there is no such page"),
            (_, route) => answer::wrong_method(&route),
        }
    }

    /// What stands after the base. A router that nests has taken the base off; others leave it on.
    fn below<'a>(&self, parts: &'a Parts) -> &'a str {
        let path = parts.uri.path();
        let below = path.strip_prefix(self.base.as_str());
        below.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path)
    }

    /// Opens the socket.
    async fn connect(&self, mut parts: Parts, access: Access) -> Response<Body> {
        let pass = self.guard.pass(&parts, access);
        parts.extensions.insert(pass);
        let answer = self.live.clone().call(Request::from_parts(parts, ())).await;
        answer.unwrap_or_else(|never| match never {})
    }

    async fn change<B>(&self, parts: &Parts, body: B, task: Task) -> Response<Body>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let peer = parts.extensions.get::<PeerAddr>().map(|peer| tracing::field::display(peer.0));
        let what = format!("{task:?}");
        let done = async {
            let body = read(body).await.map_err(|(status, why)| (status, why.to_owned()))?;
            let param: Value = serde_json::from_slice(&body)
                .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
            actions::run(&self.hub, task, param).await
        };
        let done = done.await;
        let status = done.as_ref().map_or_else(|(status, _)| *status, |_| StatusCode::OK);
        tracing::info!(what, peer, status = status.as_u16(), "an operator's change");
        done.map_or_else(|(status, why)| answer::error(status, &why), |done| answer::json(&done))
    }

    /// Whether a request may change something: no other page can make a browser send what this asks for.
    fn may_change(&self, parts: &Parts, access: Access) -> bool {
        if access == Access::Bearer {
            return true;
        }
        let token = parts.headers.get(CSRF_HEADER).and_then(|token| token.to_str().ok());
        parts.headers.contains_key(ORIGIN)
            && OriginPolicy::SameHost.allows(parts)
            && token.is_some_and(|token| self.guard.csrf(parts).matches(token))
    }
}

/// A body, or why it is refused.
async fn read<B>(body: B) -> Result<Bytes, (StatusCode, &'static str)>
where
    B: http_body::Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let body = Limited::new(Box::pin(body), MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or was cut off")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not come")),
    }
}

impl<B> Service<Request<B>> for Admin
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = self.0.clone();
        let (parts, body) = request.into_parts();
        Box::pin(async move { Ok(inner.answer(parts, body).await) })
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("base", &self.0.base)
            .field("guard", &self.0.guard)
            .finish_non_exhaustive()
    }
}
