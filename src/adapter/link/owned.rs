//! [`Owned`]: a task that ends with its owner.

use tokio::task::AbortHandle;

/// A task that ends with its owner.
#[derive(Debug)]
pub(in crate::adapter) struct Owned(AbortHandle);

impl Owned {
    pub(in crate::adapter) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task).abort_handle())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.abort();
    }
}
