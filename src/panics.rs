//! Futures whose panics are their own affair.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// A callback panicked. What it panicked with went to the panic hook already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Calls `f`; a panic stays within.
///
/// The application's value that a panic may have left half-changed is used once more, for `on_close`, which
/// follows every other callback: hence `AssertUnwindSafe`.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| Panicked)
}

/// A future that ends with [`Panicked`] when it panics.
pub(crate) struct CatchPanic<F>(pub(crate) Pin<Box<F>>)
where
    F: ?Sized;

impl<F: Future + ?Sized> Future for CatchPanic<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch(|| self.0.as_mut().poll(cx)) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(Panicked) => Poll::Ready(Err(Panicked)),
        }
    }
}
