//! The future that a loop is driven for, its type forgotten.
//!
//! Always true: the loop polls and drops the root through [`Root`] alone, so that the loop and the making of a run are
//! compiled once, and not once more for every test of a user.

use std::pin::Pin;
use std::task::{Context, Poll};

/// A root that the loop can poll and drop.
pub(crate) trait Root {
    /// Polls it; whether it has ended.
    fn poll(&mut self, context: &mut Context<'_>) -> bool;

    /// Drops what is left of it.
    fn drop_future(&mut self);
}

/// A root, and its output once it has ended.
pub(crate) struct RootFuture<'a, F: Future> {
    future: Pin<&'a mut Option<F>>,
    output: Option<F::Output>,
}

impl<'a, F: Future> RootFuture<'a, F> {
    pub(crate) fn new(future: Pin<&'a mut Option<F>>) -> Self {
        Self { future, output: None }
    }

    /// What it came to, if it has ended.
    pub(crate) fn into_output(self) -> Option<F::Output> {
        self.output
    }
}

impl<F: Future> Root for RootFuture<'_, F> {
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        match self.future.as_mut().as_pin_mut().expect("not dropped yet").poll(context) {
            Poll::Ready(output) => {
                self.output = Some(output);
                true
            }
            Poll::Pending => false,
        }
    }

    fn drop_future(&mut self) {
        self.future.set(None);
    }
}
