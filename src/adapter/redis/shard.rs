//! One server that holds slots: its two connections and what waits for them.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{
    commands::Commands,
    options::{Address, Options},
    subscriptions::Subscriptions,
};
use crate::adapter::link::{Owned, ShardId, Voice};

/// A server, for as long as it holds slots.
pub(super) struct Shard {
    pub(super) id: ShardId,
    pub(super) address: Address,
    pub(super) commands: Arc<Commands>,
    pub(super) subscriptions: Arc<Subscriptions>,
    voice: Arc<Voice>,
    _tasks: [Owned; 2],
}

impl Shard {
    pub(super) fn new(
        id: ShardId,
        address: Address,
        options: &Arc<Options>,
        voice: &Arc<Voice>,
        moved: &Arc<Notify>,
    ) -> Self {
        voice.expect(id);
        let silent = Arc::new(Notify::new());
        let shared = || (voice.clone(), moved.clone(), silent.clone());
        let (told, asked, heard) = shared();
        let commands = Arc::new(Commands::new(id, options, told, asked, heard));
        let (told, asked, heard) = shared();
        let subscriptions = Arc::new(Subscriptions::new(id, options.is_cluster(), told, asked, heard));
        let tasks = [
            Owned::spawn(commands.clone().keep(options.clone(), address.clone())),
            Owned::spawn(subscriptions.clone().keep(options.clone(), address.clone())),
        ];
        Self { id, address, commands, subscriptions, voice: voice.clone(), _tasks: tasks }
    }

    /// From here on the link does not depend on it.
    pub(super) fn retire(&self) {
        self.voice.forget(self.id);
    }
}
