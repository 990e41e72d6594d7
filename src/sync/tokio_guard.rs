//! Whether tokio's own runtime is at work on this thread, which a run does not survive.
//!
//! A task of tokio's has a budget: after 128 operations on channels and locks within one poll, every further one reports
//! `Pending` until the task has gone back to tokio's scheduler. A run inside of such a task never goes back, so from then
//! on nothing in it would move, and its last word would be a deadlock that the code under test does not have.
//!
//! # Invariants
//! Outside of tokio's runtime the answer costs no more than taking a free lock.

use std::mem::forget;
use std::panic::catch_unwind;

use crate::engine::panics::Watch;

/// Whether this thread is inside of a tokio runtime's `block_on` or one of its tasks.
pub(crate) fn inside_tokio() -> bool {
    // With its feature `sync` alone tokio offers no way to ask, and has no runtime to be inside of. Where another crate
    // enables the runtime, methods that block refuse to be called inside of it, by a panic.
    let _unprinted = Watch::begin(false);
    // The lock need not be let go of: nobody else knows of it.
    catch_unwind(|| forget(tokio::sync::Mutex::const_new(()).blocking_lock())).is_err()
}
