//! The definitions, under their names in C.
//!
//! # Invariants
//! - Nothing unwinds out of a function.
//! - `errno` changes only where the C library changes it, too.
#![expect(unsafe_code, reason = "functions of the C library, under their names and with its types")]

mod clock;
mod escapes;
mod names;
mod random;
mod sockets;
mod system_call;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::{ACTIVE, CALLED, RUN, Run, outside};

/// Whether the functions are defined.
pub(crate) const IS_SUPPORTED: bool = true;

/// Keeps every function: the linker leaves out what nothing refers to, and would then use the C library's.
#[inline(never)]
pub(crate) fn link() {
    let functions: [*const (); 22] = [
        clock::clock_gettime as *const (),
        clock::gettimeofday as *const (),
        clock::time as *const (),
        clock::nanosleep as *const (),
        clock::clock_nanosleep as *const (),
        clock::usleep as *const (),
        clock::sleep as *const (),
        random::getrandom as *const (),
        random::getentropy as *const (),
        system_call::syscall as *const (),
        names::getaddrinfo as *const (),
        names::freeaddrinfo as *const (),
        escapes::pthread_create as *const (),
        escapes::connect as *const (),
        escapes::accept as *const (),
        escapes::accept4 as *const (),
        escapes::sendto as *const (),
        sockets::socket as *const (),
        sockets::bind as *const (),
        sockets::listen as *const (),
        sockets::getsockname as *const (),
        sockets::close as *const (),
    ];
    std::hint::black_box(functions);
}

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
}

/// The C library's definition of a function, which is found when it is first called.
pub(crate) struct Original(AtomicPtr<c_void>);

impl Original {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// Returns the address; aborts the process if there is no such function.
    #[inline]
    pub(crate) fn get(&self, name: &CStr) -> *mut c_void {
        let known = self.0.load(Relaxed);
        if known.is_null() { self.find(name) } else { known }
    }

    #[cold]
    fn find(&self, name: &CStr) -> *mut c_void {
        const RTLD_NEXT: *mut c_void = std::ptr::without_provenance_mut(usize::MAX);
        // SAFETY: the name ends with a NUL.
        let found = unsafe { dlsym(RTLD_NEXT, name.as_ptr()) };
        if found.is_null() {
            std::process::abort();
        }
        self.0.store(found, Relaxed);
        found
    }
}

/// Calls the C library's definition of a function of this type.
macro_rules! original {
    ($name:literal as $type:ty, $($argument:expr),*) => {{
        static ORIGINAL: $crate::interposed::Original = $crate::interposed::Original::new();
        // SAFETY: the C library's function with this name has this type.
        let original = unsafe { std::mem::transmute::<*mut std::ffi::c_void, $type>(ORIGINAL.get($name)) };
        // SAFETY: the caller has passed arguments that the function accepts.
        unsafe { original($($argument),*) }
    }};
}
pub(crate) use original;

/// Asks the run; `None` if the thread is not in one.
#[inline]
fn ask<R>(question: impl FnOnce(&dyn Run) -> Option<R>) -> Option<R> {
    // No destructor, so both exist until the thread has ended.
    CALLED.set(true);
    if !ACTIVE.get() {
        return None;
    }
    let run = *RUN.get()?;
    outside(|| question(run))
}

fn errno() -> c_int {
    // SAFETY: the C library returns the address of the thread's own value.
    unsafe { *__errno_location() }
}

/// Sets `errno` and returns -1.
fn fail(error: c_int) -> c_int {
    // SAFETY: as above.
    unsafe { *__errno_location() = error };
    -1
}

/// `EPERM`.
const NOT_PERMITTED: c_int = 1;
/// `ETIMEDOUT`.
const TIMED_OUT: c_int = 110;

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

impl Timespec {
    const NANOS: i128 = 1_000_000_000;

    fn of_ns(ns: i128) -> Self {
        Self { seconds: ns.div_euclid(Self::NANOS) as i64, nanoseconds: ns.rem_euclid(Self::NANOS) as i64 }
    }

    /// Returns the nanoseconds; `None` if they are not between 0 and a second.
    fn ns(self) -> Option<i128> {
        let valid = (0..1_000_000_000).contains(&self.nanoseconds);
        valid.then(|| i128::from(self.seconds) * Self::NANOS + i128::from(self.nanoseconds))
    }
}
