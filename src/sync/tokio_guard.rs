//! Detects tokio's own runtime on this thread. A run cannot work inside it.
//!
//! A tokio task has a budget: after 128 operations on channels and locks within one poll, every further operation
//! returns `Pending` until the task returns to tokio's scheduler. A run inside such a task never returns to it, so
//! nothing in the run would proceed, and the run would report a deadlock that the code under test does not have.
//!
//! # Invariants
//! Outside a tokio runtime, the check costs no more than taking a free lock.

use std::mem::forget;
use std::panic::catch_unwind;

use crate::engine::panics::Watch;

/// Returns whether this thread is inside a tokio runtime: in its `block_on` or in one of its tasks.
pub(crate) fn inside_tokio() -> bool {
    // With only its feature `sync`, tokio has no runtime and offers no way to ask. If another crate enables the
    // runtime, tokio's blocking methods panic inside it.
    let _unprinted = Watch::begin(false);
    // The lock need not be released: it is not reachable from anywhere else.
    catch_unwind(|| forget(tokio::sync::Mutex::const_new(()).blocking_lock())).is_err()
}
