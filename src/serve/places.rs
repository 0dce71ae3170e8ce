//! [`Places`]: how many transports may be open, and when none is.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a server's transports.
#[derive(Clone)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    all: u32,
}

/// The place of one transport, free again when its last holder drops it.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

impl Places {
    pub(super) fn new(all: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Waits for a free place.
    pub(super) async fn take(&self) -> Place {
        Arc::new(self.permits(1).await)
    }

    /// Waits until no place is taken.
    pub(super) async fn all_free(&self) {
        drop(self.permits(self.all).await);
    }

    async fn permits(&self, count: u32) -> OwnedSemaphorePermit {
        self.free.clone().acquire_many_owned(count).await.expect("nobody closes the semaphore")
    }
}
