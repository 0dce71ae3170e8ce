//! Commands: JSON or MessagePack messages with a name, routed to typed handlers, with replies in both directions.
//!
//! A message is a map, `{"channel": "lobby", "cmd": "chat", "param": {"text": "hi"}, "id": 1}`, of which only `cmd`
//! must be there. `channel` is a room. With an `id` the sender asks for a reply. What the server passes on has a
//! `from`, which it knows itself; a client's own is not even looked at. The
//! specification is in `docs/wire.md`.
//!
//! ```
//! use gustnado::{Handler, commands::Commands};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Chat {
//!     text: String,
//! }
//!
//! let handler: Handler = Commands::new()
//!     .on("chat", |ctx, Chat { text }: Chat| async move {
//!         ctx.broadcast("chat", text).await?;
//!         Ok(())
//!     })
//!     .on("add", |_, (a, b): (f64, f64)| async move { Ok(a + b) })
//!     .handler();
//! ```
//!
//! `join`, `leave` and `ping` are there already. The server asks with [`Conn::ask`](crate::Conn::ask), and
//! sends with [`Conn::send_command`](crate::Conn::send_command) and
//! [`Target::send_command`](crate::Target::send_command).

mod builtin;
pub(crate) mod codec;
mod connection;
mod context;
#[cfg(feature = "types")]
pub mod contract;
mod error;
pub(crate) mod frame;
mod history;
mod lane;
mod live;
mod presence;
mod publish;
mod request;
mod router;
mod send;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    codec::{Codec, DecodeError, EncodeError, JSON, MESSAGE_PACK},
    context::Context,
    error::{ErrorReply, code},
    publish::{PublishCommandError, PublishRequest},
    request::{Reply, RequestError},
    send::{Command, SendCommandError},
};
use self::{
    connection::Connection,
    frame::{ERROR, REPLY},
    router::Router,
};
use crate::{
    conn::Closed,
    connector::{Connector, Disconnect, Factory, Handshake, Reject},
    handler::Handler,
};

/// A router of commands, and the factory of the connectors that carry them out.
///
/// The commands of one connection are carried out one at a time, in the order in which they came. A client chooses
/// the codec by the subprotocol, [`JSON`] or [`MESSAGE_PACK`]; one that asks for none speaks JSON, and one that asks
/// only for others gets 400.
///
/// | knob | default |
/// |---|---|
/// | [`require_membership`](Self::require_membership) | yes |
/// | [`presence`](Self::presence) | yes |
/// | [`publish`](Self::publish) | clients may not |
/// | [`max_errors`](Self::max_errors) | any number |
/// | [`max_requests`](Self::max_requests) | 64 per connection |
/// | [`max_waiting`](Self::max_waiting) | 64 per connection |
pub struct Commands<S = ()> {
    router: Arc<Router<S>>,
}

impl Commands {
    /// Commands of connections without a state of their own.
    #[allow(clippy::new_without_default, reason = "a router without a command is nothing to default to")]
    pub fn new() -> Self {
        Self::with_state(|_| Ok(()))
    }

    /// Commands of connections that each have a state, which `state` makes from the handshake: the place to name the
    /// user, to join rooms, and to refuse.
    ///
    /// ```
    /// use gustnado::{Reject, commands::Commands};
    /// use http::StatusCode;
    ///
    /// let counting = Commands::with_state(|handshake| {
    ///     let user = handshake.query("user").map(String::from);
    ///     let user = user.ok_or_else(|| Reject::new(StatusCode::UNAUTHORIZED, "who are you?"))?;
    ///     handshake.set_user(user);
    ///     Ok(0_u32)
    /// })
    /// .on("count", |mut ctx, (): ()| async move {
    ///     *ctx.state() += 1;
    ///     Ok(*ctx.state())
    /// });
    /// ```
    pub fn with_state<S: Send + Sync + 'static>(
        state: impl Fn(&mut Handshake) -> Result<S, Reject> + Send + Sync + 'static,
    ) -> Commands<S> {
        Commands { router: Arc::new(Router::new(Arc::new(state))) }
    }
}

impl<S: Send + Sync + 'static> Commands<S> {
    /// Carries out the commands named `cmd`: `param` is deserialized for the handler, which gets `()` or `None` for
    /// one that is missing, and what it returns is the reply, to a client that gave an `id`.
    ///
    /// An [`ErrorReply`] is told to the client in any case. A panic closes the connection with 1011. A later handler
    /// of the same name takes the place of the earlier, and of a built-in command.
    ///
    /// # Panics
    ///
    /// For `reply` and `error`, which are no commands.
    #[must_use]
    pub fn on<P, R, F, Fut>(mut self, cmd: impl Into<Box<str>>, handler: F) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(Context<S>, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ErrorReply>> + Send + 'static,
    {
        let cmd = cmd.into();
        assert!(!matches!(&*cmd, REPLY | ERROR), "`{cmd}` answers commands, and is none");
        self.turn(|router| router.add(cmd, handler));
        self
    }

    /// Is called once the connection is open, before its first command; what it sends is the first that the client
    /// gets. The [`Disconnect`] closes.
    #[must_use]
    pub fn on_open<F, Fut>(mut self, on_open: F) -> Self
    where
        F: Fn(Context<S>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Disconnect>> + Send + 'static,
    {
        self.turn(|router| router.on_open = Some(Arc::new(move |ctx| Box::pin(on_open(ctx)))));
        self
    }

    /// Is called when the connection is over, after its last command, while it is still in its rooms.
    #[must_use]
    pub fn on_close<F, Fut>(mut self, on_close: F) -> Self
    where
        F: Fn(Context<S>, Closed) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.turn(|router| {
            router.on_close = Some(Arc::new(move |ctx, closed| Box::pin(on_close(ctx, closed))));
        });
        self
    }

    /// Whether a command with a `channel` is refused with `not_a_member` when its connection is not in that room,
    /// except for `join` and `leave`: yes by default. Otherwise handlers must look themselves whom they let send
    /// where.
    #[must_use]
    pub fn require_membership(mut self, required: bool) -> Self {
        self.turn(|router| router.membership = required);
        self
    }

    /// Whether the members of a room are told, by an `online` command, of a user whose first connection comes in and
    /// whose last one leaves: yes by default. It costs each member a message for each user who comes or goes.
    ///
    /// All connections of a hub are counted together, on every node, as [`Hub::presence`](crate::Hub::presence) does;
    /// [`presence_grace`](crate::HubBuilder::presence_grace) lets somebody connect again before it is told. Members
    /// ask with the command `presence` who is there.
    #[must_use]
    pub fn presence(mut self, told: bool) -> Self {
        self.turn(|router| router.presence = told);
        self
    }

    /// Lets clients send commands to rooms that they are in, by the command `publish`, where `policy` allows it; with a key
    /// of theirs, so that one who got no answer may repeat it. Not by default: without it members hear only what
    /// handlers send.
    ///
    /// ```
    /// use gustnado::commands::{Commands, ErrorReply};
    ///
    /// let commands = Commands::new().publish(|request| match request.cmd {
    ///     "chat" => Ok(()),
    ///     _ => Err(ErrorReply::new("refused", "only chat")),
    /// });
    /// ```
    #[must_use]
    pub fn publish(
        mut self,
        policy: impl Fn(&PublishRequest<'_>) -> Result<(), ErrorReply> + Send + Sync + 'static,
    ) -> Self {
        self.turn(|router| router.publish = Some(Arc::new(policy)));
        self
    }

    /// After how many error replies that are the client's own fault its connection closes with 1008: never by
    /// default. `internal`, `busy` and `closing` are not counted.
    #[must_use]
    pub fn max_errors(mut self, errors: impl Into<Option<u32>>) -> Self {
        let errors = errors.into();
        self.turn(|router| router.max_errors = errors);
        self
    }

    /// How many requests of the server may wait for one client's reply: 64 by default.
    #[must_use]
    pub fn max_requests(mut self, requests: usize) -> Self {
        self.turn(|router| router.max_requests = requests);
        self
    }

    /// How many commands may wait behind one that waits for its own client: 64 by default. More are refused with
    /// `busy`. The memory is at most this many times
    /// [`max_message_size`](crate::Handler::max_message_size).
    #[must_use]
    pub fn max_waiting(mut self, commands: usize) -> Self {
        self.turn(|router| router.max_waiting = commands);
        self
    }

    /// A handler of these commands, as [`Handler::from_factory`] makes it.
    #[must_use]
    pub fn handler(self) -> Handler {
        Handler::from_factory(self)
    }

    fn turn(&mut self, change: impl FnOnce(&mut Router<S>)) {
        change(Arc::make_mut(&mut self.router));
    }
}

#[async_trait]
impl<S: Send + Sync + 'static> Factory for Commands<S> {
    async fn create(&self, _: &Handshake) -> Result<Box<dyn Connector>, Reject> {
        Ok(Box::new(Connection::new(self.router.clone())))
    }
}

impl<S> Clone for Commands<S> {
    fn clone(&self) -> Self {
        Self { router: self.router.clone() }
    }
}

impl<S> fmt::Debug for Commands<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}
