//! Lets a simulated run answer what code asks the C library: the time, random numbers, names, threads and connections.
//!
//! The functions are defined in the program itself, under their names in C. The linker then prefers them to the C library's,
//! for the Rust standard library too. A call asks the installed [`Run`] if the thread is in a run ([`enter`]). Else it is passed
//! to the C library. timeloop's feature `hermetic` installs the runs; this crate has no other user.
//!
//! # Invariants
//! - On a thread that is not in a run, a call does what the C library does.
//! - While a run answers, its own calls are passed to the C library.

#![deny(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::OnceLock;

// Miri has definitions of its own.
#[cfg_attr(
    not(all(
        target_os = "linux",
        target_env = "gnu",
        target_pointer_width = "64",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(target_feature = "crt-static"),
        not(miri),
    )),
    path = "missing.rs"
)]
mod interposed;

/// Whether this crate defines the functions for the target: Linux on x86-64 or aarch64, with a shared glibc.
pub const IS_SUPPORTED: bool = interposed::IS_SUPPORTED;

/// The answers of the runs of this process. Each method is called on a thread that is in a run. A method that returns nothing
/// or false leaves the call to the C library. It must not panic.
pub trait Run: Sync {
    /// Returns what the monotonic clock shows, in nanoseconds.
    fn monotonic_ns(&self) -> Option<u64>;

    /// Returns what the wall clock shows, in nanoseconds since the Unix epoch.
    fn wall_ns(&self) -> Option<i128>;

    /// Lets this time pass, for a call that blocks the thread.
    fn pass(&self, ns: u64) -> bool;

    /// Lets time pass until the monotonic clock shows this time, for a call that blocks the thread.
    fn pass_until(&self, monotonic_ns: u64) -> bool;

    /// Fills a buffer with random bytes.
    fn fill(&self, bytes: &mut [u8]) -> bool;

    /// Looks up the addresses of a name.
    fn resolve(&self, host: &str) -> Option<Result<Vec<IpAddr>, LookupError>>;

    /// Returns a port for a socket that is bound to any.
    fn port(&self) -> Option<u16>;

    /// Takes note of a call that leaves the simulation. Returns true if the call must fail instead.
    fn refuse(&self, call: Call) -> bool;
}

/// Why a name has no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupError {
    /// No host has the name.
    Unknown,
    /// The lookup fails this time.
    Fails,
}

/// A call that leaves the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// `pthread_create`: starts a thread.
    StartThread,
    /// `connect`: connects a real socket.
    Connect,
    /// `accept` or `accept4`: accepts a connection to a real socket.
    Accept,
    /// `sendto`: sends from a real socket that is not connected.
    Send,
}

static RUN: OnceLock<&'static dyn Run> = OnceLock::new();

thread_local! {
    /// Whether a run answers the calls of this thread.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    /// Whether this crate has received a call.
    static CALLED: Cell<bool> = const { Cell::new(false) };
}

/// Installs what answers in runs; returns whether it will. Later calls have no other effect.
///
/// It returns false where this crate [defines nothing](IS_SUPPORTED), and if the linker has preferred other definitions.
pub fn install(run: &'static dyn Run) -> bool {
    interposed::link();
    RUN.get_or_init(|| run);
    CALLED.set(false);
    #[expect(clippy::disallowed_methods, reason = "the time is not used")]
    let _ = std::time::Instant::now();
    CALLED.get()
}

/// Whether this thread is in a run.
#[must_use]
pub fn is_entered() -> bool {
    ACTIVE.get()
}

/// Lets the installed [`Run`] answer the calls of this thread, until the returned value is dropped.
#[must_use = "the run answers until the value is dropped"]
pub fn enter() -> Entered {
    Entered { previous: ACTIVE.replace(true), _not_send: PhantomData }
}

/// Calls `f`, whose calls are passed to the C library, also in a run.
pub fn outside<R>(f: impl FnOnce() -> R) -> R {
    let _left = Entered { previous: ACTIVE.replace(false), _not_send: PhantomData };
    f()
}

/// A thread's stay in a run, or outside of one. Dropping it restores the previous state.
#[derive(Debug)]
pub struct Entered {
    previous: bool,
    /// Not `Send`: the state is the thread's.
    _not_send: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        ACTIVE.set(self.previous);
    }
}
