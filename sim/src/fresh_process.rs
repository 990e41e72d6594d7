//! Makes a run in a process of its own, which is a copy of this one: whatever a run leaves behind in statics ends with it.
//!
//! The copy begins with the statics of this process, so this process makes no run itself: see
//! [`own_process`](crate::own_process).
//!
//! # Invariants
//! The process that makes copies has no thread that may hold a lock: only the test's own, and that of the test harness, which
//! waits for it.

#[cfg(all(target_os = "linux", feature = "processes"))]
mod copy;

#[cfg(all(target_os = "linux", feature = "processes"))]
pub(crate) use copy::run;

/// Whether a process can be copied for a run.
pub(crate) const IS_SUPPORTED: bool = cfg!(all(target_os = "linux", feature = "processes"));

#[cfg(all(not(target_os = "linux"), feature = "processes"))]
pub(crate) fn run<R>(f: impl FnOnce() -> R) -> R {
    f()
}
