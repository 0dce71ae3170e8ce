//! [`Activity`]: whether a transport is used for anything.

use std::time::Duration;

use hyper::rt::Executor;
use tokio::{sync::watch, time::timeout};

/// How many streams of a transport are open; whoever watches is told of each change.
///
/// It is also what hyper spawns the streams of HTTP/2 with, and so it knows of each: ordinary ones until their
/// answer is out, WebSockets until the server's side has ended.
#[derive(Clone)]
pub(super) struct Activity(watch::Sender<usize>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// The transport speaks HTTP/1.1, and hyper keeps the time from here on.
    pub(super) fn is_http1(&self) {
        self.0.send_if_modified(|streams| std::mem::replace(streams, 1) == 0);
    }

    /// Returns once something has been asked for, from now on.
    pub(super) fn begun(&self) -> impl Future<Output = ()> + use<> {
        // Not when it is first polled: by then a stream may be over, and its change missed.
        let mut streams = self.0.subscribe();
        async move {
            let _ = streams.changed().await;
        }
    }

    /// Returns once nothing has been asked for during `patience`.
    pub(super) async fn idle(&self, patience: Duration) {
        let mut streams = self.0.subscribe();
        loop {
            let _ = streams.wait_for(|streams| *streams == 0).await;
            // Any change counts, also that of a stream that was over before we looked.
            if timeout(patience, streams.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl<F> Executor<F> for Activity
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.send_modify(|streams| *streams += 1);
        let open = OpenStream(self.0.clone());
        tokio::spawn(async move {
            stream.await;
            drop(open);
        });
    }
}

/// Counts a stream as open until it is dropped.
struct OpenStream(watch::Sender<usize>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.send_modify(|streams| *streams -= 1);
    }
}
