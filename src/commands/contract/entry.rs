//! [`Entry`]: one line of a contract, with what its types can say about themselves.

use schemars::{Schema, SchemaGenerator};
use ts_rs::Config;

use super::{
    Typed,
    typescript::{Declarations, config},
};

/// Who says it, and whether an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// A client's command, with the server's reply.
    Command,
    /// What the server sends by itself.
    Event,
    /// What the server asks, with the client's reply.
    Request,
}

pub(super) struct Entry {
    pub(super) direction: Direction,
    pub(super) cmd: String,
    pub(super) about: String,
    pub(super) param: Type,
    pub(super) reply: Type,
}

/// A type, as functions of it: the type itself is known only where it was registered.
#[derive(Clone, Copy)]
pub(super) struct Type {
    /// Its name in TypeScript.
    pub(super) name: fn(&Config) -> String,
    /// Declares it and what it is made of.
    pub(super) declare: fn(&mut Declarations<'_>),
    /// Its JSON Schema; what it is made of goes to the generator's definitions.
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Entry {
    pub(super) fn new<P: Typed, R: Typed>(direction: Direction, cmd: &str, about: &str) -> Self {
        Self {
            direction,
            cmd: cmd.into(),
            about: about.into(),
            param: Type::of::<P>(),
            reply: Type::of::<R>(),
        }
    }

    /// The types as TypeScript names them.
    pub(super) fn names(&self) -> (String, String) {
        let config = config();
        ((self.param.name)(&config), (self.reply.name)(&config))
    }
}

impl Type {
    fn of<T: Typed>() -> Self {
        Self {
            name: T::name,
            declare: |declarations| declarations.add::<T>(),
            schema: SchemaGenerator::subschema_for::<T>,
        }
    }
}
