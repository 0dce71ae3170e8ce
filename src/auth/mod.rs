//! [`Authenticate`]: finds a credential, has the application check it, and holds the connection to the answer.

mod first_message;
mod identity;
mod live;
mod source;
mod tickets;
mod token;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};

use crate::connector::{Handshake, Reject};

use self::source::Found;
pub use self::{
    first_message::FirstMessage, identity::Identity, source::Source, tickets::Tickets, token::Token,
};

/// How long a connection that shows its credential in its first message may take, unless said otherwise.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);

/// Finds the credential of a request, and lets the application's own function say whose it is. Cheap to clone.
///
/// The sources are asked in their order, and the first that has a credential decides: if that one is bad, no other
/// is tried. A source that has two different ones has none that counts. What is missing is refused with 401; the
/// function refuses as it likes.
///
/// ```
/// use gustnado::{Authenticate, Handshake, Identity, Reject, Source, Token, async_trait, Connector};
///
/// struct Private {
///     auth: Authenticate,
/// }
///
/// #[async_trait]
/// impl Connector for Private {
///     async fn on_connect(&mut self, handshake: &mut Handshake) -> Result<(), Reject> {
///         self.auth.check(handshake).await?;
///         Ok(())
///     }
/// }
///
/// let auth = Authenticate::new(|token: Token| async move {
///     // An application asks its database here.
///     if token.matches("let-me-in") { Ok(Identity::new("alice")) } else { Err(Reject::unauthorized("who?")) }
/// })
/// .from(Source::Bearer)
/// .from(Source::Cookie("session"))
/// .from(Source::Query("token"));
/// let handler = gustnado::Handler::new(move || Private { auth: auth.clone() });
/// ```
///
/// Browsers can set no header: from them a credential comes as a cookie (mind the
/// [origin](crate::Handler::allow_any_origin)), a subprotocol, the [first message](Self::first_message) or in the
/// query, where logs of proxies keep it: make it a [ticket](Tickets) there.
#[derive(Clone)]
pub struct Authenticate {
    check: Arc<Check>,
    sources: Vec<Source>,
    deadline: Duration,
}

type Check = dyn Fn(Token) -> Checking + Send + Sync;
type Checking = Pin<Box<dyn Future<Output = Result<Identity, Reject>> + Send>>;

impl Authenticate {
    /// Has `check` say whose a credential is. Its errors are logged and not sent, so they must not hold the
    /// credential.
    pub fn new<F, Fut>(check: F) -> Self
    where
        F: Fn(Token) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Identity, Reject>> + Send + 'static,
    {
        Self {
            check: Arc::new(move |token| Box::pin(check(token))),
            sources: Vec::new(),
            deadline: FIRST_MESSAGE,
        }
    }

    /// Looks for the credential here too, after the sources that were named before.
    #[must_use]
    pub fn from(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    /// How long a peer may take to show its credential in its [first message](Self::first_message): 10 s by
    /// default.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Finds and checks the credential of a request, in `on_connect`. The user is named and, if the identity
    /// [expires](Identity::expires_in), the connection closes with 4401 then.
    ///
    /// # Errors
    ///
    /// The refusal: 401 when there is no credential, or whatever the application's function says.
    pub async fn check(&self, handshake: &mut Handshake) -> Result<Identity, Reject> {
        let token = self.find(handshake)?;
        let identity = self.verify(token).await?;
        handshake.set_user(identity.user());
        handshake.set_expiry_at(identity.expiry());
        Ok(identity)
    }

    fn find(&self, handshake: &mut Handshake) -> Result<Token, Reject> {
        // First of all, so that no answer shows a credential, whichever source decides.
        for source in &self.sources {
            source.hide(handshake);
        }
        for source in &self.sources {
            match source.find(handshake) {
                Found::Nothing => {}
                Found::One(token) => return Ok(token),
                Found::Several => return Err(Reject::unauthorized("there is more than one credential")),
            }
        }
        Err(Reject::unauthorized("a credential is needed"))
    }

    async fn verify(&self, token: Token) -> Result<Identity, Reject> {
        (self.check)(token).await
    }
}

impl fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticate").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl Reject {
    /// Refuses with 401 and `WWW-Authenticate: Bearer`: who asks is not known.
    pub fn unauthorized(body: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, body).header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }
}
