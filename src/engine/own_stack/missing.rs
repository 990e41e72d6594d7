//! Without stacks of their own, closures run on the stack of the loop, as a part of one step.

use std::marker::PhantomData;
use std::task::Poll;

use super::RunId;
use super::blocking_waits::allow_blocking;

/// How two blocking waits can do without each other.
pub(super) const HINT: &str =
    ", or turn on the feature `blocking-stacks` (Linux) if they are in closures of `spawn_blocking`";

/// Whether a closure can be suspended.
pub(crate) const IS_SUPPORTED: bool = false;

/// A closure that is called at once.
pub(crate) struct Closure<F, R>(Option<F>, PhantomData<fn() -> R>);

impl<F: FnOnce() -> R, R> Closure<F, R> {
    pub(crate) fn new(f: F) -> Self {
        Self(Some(f), PhantomData)
    }

    /// Calls the closure.
    pub(crate) fn resume(&mut self) -> Poll<R> {
        let call = self.0.take().expect("a closure is called once");
        Poll::Ready(allow_blocking(call))
    }
}

/// Returns false: the running code can't be suspended.
pub(super) fn can_suspend() -> bool {
    false
}

/// Returns false.
pub(super) fn is_of(_: RunId) -> bool {
    false
}

/// Returns false.
pub(crate) fn is_on_own_stack() -> bool {
    false
}

/// Returns false: no stack is being unwound.
pub(super) fn is_unwinding() -> bool {
    false
}

/// Is not called.
pub(super) fn suspend() {
    unreachable!("the caller checks that the code is on a stack of its own");
}
