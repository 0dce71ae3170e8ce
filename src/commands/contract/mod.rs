//! [`Contract`]: commands whose types are written down for clients, as TypeScript and as AsyncAPI.

mod asyncapi;
mod entry;
mod typescript;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use ts_rs::TS;

use self::entry::{Direction, Entry};
use super::{Commands, Context, ErrorReply};
use crate::handler::Handler;

/// A type that can be written down: what `#[derive(ts_rs::TS, schemars::JsonSchema)]` gives.
pub trait Typed: TS + JsonSchema + 'static {}

impl<T: TS + JsonSchema + 'static> Typed for T {}

/// Commands together with the types of their parameters and replies, in one place: a handler is registered and written
/// down by the same call, so what clients are built from cannot say anything else than what the server does.
///
/// ```
/// use gustnado::commands::{Commands, contract::Contract};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
/// use ts_rs::TS;
///
/// #[derive(Deserialize, TS, JsonSchema)]
/// struct Move {
///     from: String,
///     to: String,
/// }
///
/// #[derive(Serialize, TS, JsonSchema)]
/// struct Moved {
///     number: u32,
/// }
///
/// let contract = Contract::new("Chess", "1.0.0", Commands::new())
///     .on("move", "Moves a piece.", |_, piece: Move| async move {
///         assert_ne!(piece.from, piece.to);
///         Ok(Moved { number: 1 })
///     })
///     .sends::<Moved>("moved", "A piece was moved.")
///     .asks::<String, bool>("draw", "The other player offers a draw.");
///
/// assert!(contract.typescript().contains("move: { param: Move; reply: Moved };"));
/// let handler = contract.handler();
/// # let _: gustnado::Handler = handler;
/// ```
///
/// Let a test write the documents down and compare them with those in the tree, as the example `typed` does: then
/// `tsc` fails in the client when a type of the server changes.
pub struct Contract<S = ()> {
    commands: Commands<S>,
    title: String,
    version: String,
    entries: Vec<Entry>,
}

impl<S: Send + Sync + 'static> Contract<S> {
    /// A contract over commands, which may have handlers that are not in it. Title and version are the document's.
    pub fn new(title: impl Into<String>, version: impl Into<String>, commands: Commands<S>) -> Self {
        Self { commands, title: title.into(), version: version.into(), entries: Vec::new() }
    }

    /// As [`Commands::on`], and writes the types of parameter and reply down. `about` is a sentence for the reader.
    ///
    /// # Panics
    ///
    /// As [`Commands::on`]; and if the command is in the contract already.
    #[must_use]
    pub fn on<P, R, F, Fut>(mut self, cmd: &str, about: &str, handler: F) -> Self
    where
        P: DeserializeOwned + Typed + Send,
        R: Serialize + Typed + Send,
        F: Fn(Context<S>, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ErrorReply>> + Send + 'static,
    {
        self.enter(Entry::new::<P, R>(Direction::Command, cmd, about));
        self.commands = self.commands.on(cmd, handler);
        self
    }

    /// Writes down what the server sends by itself: [`Context::broadcast`], [`Command`](super::Command).
    ///
    /// # Panics
    ///
    /// If it is in the contract already.
    #[must_use]
    pub fn sends<P: Serialize + Typed>(mut self, cmd: &str, about: &str) -> Self {
        self.enter(Entry::new::<P, ()>(Direction::Event, cmd, about));
        self
    }

    /// Writes down what the server asks: [`Conn::ask`](crate::Conn::ask).
    ///
    /// # Panics
    ///
    /// If it is in the contract already.
    #[must_use]
    pub fn asks<P: Serialize + Typed, R: DeserializeOwned + Typed>(mut self, cmd: &str, about: &str) -> Self {
        self.enter(Entry::new::<P, R>(Direction::Request, cmd, about));
        self
    }

    fn enter(&mut self, entry: Entry) {
        let known = self.entries.iter().any(|it| it.direction == entry.direction && it.cmd == entry.cmd);
        assert!(!known, "`{}` is in the contract already", entry.cmd);
        self.entries.push(entry);
    }

    fn entries(&self, direction: Direction) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.direction == direction)
    }

    /// The commands, for knobs that a contract has not.
    pub fn into_commands(self) -> Commands<S> {
        self.commands
    }

    /// A handler of these commands.
    pub fn handler(self) -> Handler {
        self.commands.handler()
    }
}

impl<S> std::fmt::Debug for Contract<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contract")
            .field("title", &self.title)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
