//! Describes the run that a process ends in: by `exit`, or by an abort such as that after a stack overflow.
//!
//! After a stack overflow, the standard library prints a message and aborts. The handler of the abort runs on the small alternate
//! stack, maybe within the allocator, so it does almost nothing: the watchdog's thread describes the run, and the handler waits
//! for it.
//!
//! # Invariants
//! - A handler that someone else has installed is left alone.
//! - Nothing is printed unless the thread that ends the process is in a run.
#![expect(unsafe_code, reason = "C functions that the standard library does not offer")]

use std::cell::Cell;
use std::ffi::c_int;
#[cfg(unix)]
use std::ffi::c_void;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::describe_run_of;

thread_local! {
    /// The number of this thread among those that make runs, or 0. Unlike a value with a destructor, it is there until the thread
    /// has ended.
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The thread that aborts the process, or 0.
static ABORTING: AtomicU64 = AtomicU64::new(0);
/// Whether the run that the process ends in has been described.
static DESCRIBED: AtomicBool = AtomicBool::new(false);

/// Returns a number for this thread, by which its runs are found when it ends the process.
pub(super) fn number_thread() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Relaxed) + 1;
    THREAD.set(number);
    number
}

/// Gives this thread the number of another one, in whose place it makes a run.
pub(super) fn set_number(number: u64) {
    THREAD.set(number);
}

/// Records that the current run has been described already.
pub(super) fn set_described() {
    DESCRIBED.store(true, Relaxed);
}

/// Describes the run that aborts the process, if one does. The watchdog calls this regularly.
pub(super) fn describe_aborting() {
    let thread = ABORTING.load(Relaxed);
    if thread > 0 && !DESCRIBED.load(Relaxed) {
        print(thread, "the process is aborted during a run");
        set_described();
    }
}

fn print(thread: u64, what: &str) {
    if let Some(run) = describe_run_of(thread) {
        // Not captured by the test harness, which does not live to print it.
        let _ = std::io::stderr().write_all(format!("\ntimeloop: {what}\n{run}").as_bytes());
    }
}

unsafe extern "C" {
    #[cfg(any(unix, windows))]
    safe fn atexit(function: extern "C" fn()) -> c_int;
    #[cfg(unix)]
    fn signal(number: c_int, handler: usize) -> usize;
    #[cfg(unix)]
    fn poll(descriptors: *mut c_void, count: PollCount, timeout_ms: c_int) -> c_int;
    #[cfg(unix)]
    safe fn raise(number: c_int) -> c_int;
}

/// The type of the number of descriptors.
#[cfg(any(target_os = "linux", target_os = "android"))]
type PollCount = std::ffi::c_ulong;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
type PollCount = std::ffi::c_uint;

/// The signal of `abort`, which has this number on all Unix systems.
#[cfg(unix)]
const SIGABRT: c_int = 6;
/// The default handler, which ends the process.
#[cfg(unix)]
const SIG_DFL: usize = 0;

/// Installs the handlers of this process.
pub(super) fn install() {
    #[cfg(any(unix, windows))]
    let _ = atexit(on_exit);
    #[cfg(unix)]
    {
        let handler = on_abort as extern "C" fn(c_int) as usize;
        // SAFETY: the handler has the type of a signal handler. It reads a thread-local cell that needs neither initialization
        // nor a destructor, uses atomics, and calls `poll`, `signal` and `raise`, which a handler may do.
        unsafe {
            let previous = signal(SIGABRT, handler);
            if previous != SIG_DFL {
                signal(SIGABRT, previous);
            }
        }
    }
}

#[cfg(any(unix, windows))]
extern "C" fn on_exit() {
    let thread = THREAD.get();
    if thread > 0 && !DESCRIBED.load(Relaxed) {
        print(
            thread,
            "the code under test has ended the process, by `std::process::exit` or the like, so the tests after it are not run",
        );
    }
}

#[cfg(unix)]
extern "C" fn on_abort(number: c_int) {
    let thread = THREAD.get();
    if thread > 0 {
        ABORTING.store(thread, Relaxed);
        // The watchdog looks every 250 ms at least. If it is not there, the wait ends all the same.
        for _ in 0..200 {
            if DESCRIBED.load(Relaxed) {
                break;
            }
            // Not `sleep`, which in a hermetic run takes virtual time. A handler may call this.
            // SAFETY: there are no descriptors to read.
            unsafe { poll(std::ptr::null_mut(), 0, 10) };
        }
    }
    // SAFETY: the default handler exists.
    unsafe { signal(number, SIG_DFL) };
    raise(number);
}
