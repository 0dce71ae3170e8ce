//! [`Factory`]: makes a connector for each request.

use async_trait::async_trait;

use super::{Connector, Handshake, Reject};

/// Makes a connector for each request that asks for a connection, before `on_connect`.
///
/// Most handlers are built from a closure: [`Handler::new`](crate::Handler::new) takes
/// `|| C` and `|| Result<C, Reject>`, [`Handler::with`](crate::Handler::with) one that sees the request. A type that
/// implements this trait may also wait for something, such as a pool; give it to
/// [`Handler::from_factory`](crate::Handler::from_factory). What it does counts towards the
/// [handshake timeout](crate::Handler::handshake_timeout), and a panic refuses with 500.
///
/// ```
/// use gustnado::{async_trait, Connector, Factory, Handler, Handshake, Reject};
/// # struct Chat(String); impl Connector for Chat {}
/// # struct Pool;
/// # impl Pool { async fn user(&self, _: &str) -> std::io::Result<String> { Ok(String::new()) } }
///
/// struct Chats {
///     pool: Pool,
/// }
///
/// #[async_trait]
/// impl Factory for Chats {
///     async fn create(&self, handshake: &Handshake) -> Result<Box<dyn Connector>, Reject> {
///         let token = handshake.query("token").unwrap_or_default();
///         Ok(Box::new(Chat(self.pool.user(&token).await?))) // an error refuses with 500
///     }
/// }
///
/// let handler = Handler::from_factory(Chats { pool: Pool });
/// ```
#[async_trait]
pub trait Factory: Send + Sync + 'static {
    /// Makes the connector for this request, or refuses it.
    async fn create(&self, handshake: &Handshake) -> Result<Box<dyn Connector>, Reject>;
}

/// What a factory closure may return: a connector, or a `Result` of one.
pub trait IntoConnector {
    /// The connector, or the refusal.
    fn into_connector(self) -> Result<Box<dyn Connector>, Reject>;
}

impl<C: Connector> IntoConnector for C {
    fn into_connector(self) -> Result<Box<dyn Connector>, Reject> {
        Ok(Box::new(self))
    }
}

impl<C: Connector> IntoConnector for Result<C, Reject> {
    fn into_connector(self) -> Result<Box<dyn Connector>, Reject> {
        self.map(|connector| Box::new(connector) as Box<dyn Connector>)
    }
}

/// A factory from `Fn() -> C`.
pub(crate) struct FromFn<F>(pub(crate) F);

#[async_trait]
impl<F, C> Factory for FromFn<F>
where
    F: Fn() -> C + Send + Sync + 'static,
    C: IntoConnector,
{
    async fn create(&self, _: &Handshake) -> Result<Box<dyn Connector>, Reject> {
        (self.0)().into_connector()
    }
}

/// A factory from `Fn(&Handshake) -> C`.
pub(crate) struct FromRequest<F>(pub(crate) F);

#[async_trait]
impl<F, C> Factory for FromRequest<F>
where
    F: Fn(&Handshake) -> C + Send + Sync + 'static,
    C: IntoConnector,
{
    async fn create(&self, handshake: &Handshake) -> Result<Box<dyn Connector>, Reject> {
        (self.0)(handshake).into_connector()
    }
}
