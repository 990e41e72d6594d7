//! `syscall`, by which the standard library, `getrandom` and others call the system directly.

use std::ffi::{c_int, c_long, c_uint, c_void};

use super::clock::{self, Timeval};
use super::{TIMED_OUT, Timespec, errno, fail, original, random};
use crate::ACTIVE;

#[cfg(target_arch = "x86_64")]
mod number {
    use std::ffi::c_long;

    pub(super) const NANOSLEEP: c_long = 35;
    pub(super) const GETTIMEOFDAY: c_long = 96;
    pub(super) const FUTEX: c_long = 202;
    pub(super) const CLOCK_GETTIME: c_long = 228;
    pub(super) const CLOCK_NANOSLEEP: c_long = 230;
    pub(super) const GETRANDOM: c_long = 318;
}

#[cfg(target_arch = "aarch64")]
mod number {
    use std::ffi::c_long;

    pub(super) const NANOSLEEP: c_long = 101;
    pub(super) const GETTIMEOFDAY: c_long = 169;
    pub(super) const FUTEX: c_long = 98;
    pub(super) const CLOCK_GETTIME: c_long = 113;
    pub(super) const CLOCK_NANOSLEEP: c_long = 115;
    pub(super) const GETRANDOM: c_long = 278;
}

/// Calls the C library's function with six arguments. It reads only those that the call has.
fn original(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> c_long {
    original!(c"syscall" as unsafe extern "C" fn(c_long, ...) -> c_long, number, a, b, c, d, e, f)
}

/// Variadic in C. In the calling conventions of Linux on these architectures, a variadic call passes its integers and pointers
/// where a call with seven arguments does. Arguments that are not passed are undefined, and are not used here either.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    let all = [a, b, c, d, e, f];
    if !ACTIVE.get() {
        return original(number, all);
    }
    // SAFETY: the arguments are those of the system call, whose function in C has the same ones.
    unsafe {
        match number {
            number::GETRANDOM => random::getrandom(a as *mut c_void, b, c as c_uint) as c_long,
            number::CLOCK_GETTIME => clock::clock_gettime(a as c_int, b as *mut Timespec).into(),
            number::GETTIMEOFDAY => clock::gettimeofday(a as *mut Timeval, b as *mut c_void).into(),
            number::NANOSLEEP => clock::nanosleep(a as *const Timespec, b as *mut Timespec).into(),
            number::CLOCK_NANOSLEEP => {
                let (request, left) = (c as *const Timespec, d as *mut Timespec);
                match clock::clock_nanosleep(a as c_int, b as c_int, request, left) {
                    0 => 0,
                    error => fail(error).into(),
                }
            }
            number::FUTEX => futex(all),
            _ => original(number, all),
        }
    }
}

/// Waits on a futex. With a timeout the wait takes virtual time, since no other thread of the simulation could end it.
///
/// # Safety
/// The arguments are those of the system call.
unsafe fn futex(all: [usize; 6]) -> c_long {
    const WAIT: usize = 0;
    const WAIT_BITSET: usize = 9;
    const PRIVATE: usize = 128;
    const CLOCK_REALTIME: usize = 256;
    let [word, operation, value, timeout, e, f] = all;
    let absolute = match operation & !(PRIVATE | CLOCK_REALTIME) {
        WAIT => false,
        WAIT_BITSET => true,
        _ => return original(number::FUTEX, all),
    };
    // SAFETY: the fourth argument of these operations is a timeout or null.
    let Some(timeout) = (unsafe { (timeout as *const Timespec).as_ref() }).and_then(|timeout| timeout.ns())
    else {
        return original(number::FUTEX, all);
    };
    // Due at once: if it is waited for, the system says so without a wait.
    let due = Timespec::of_ns(0);
    let waited = original(number::FUTEX, [word, operation, value, (&raw const due).addr(), e, f]);
    if waited == -1 && errno() == TIMED_OUT {
        let clock = c_int::from(operation & CLOCK_REALTIME == 0);
        let passed = if absolute { clock::pass_until(clock, timeout) } else { clock::pass(timeout) };
        if !passed {
            return original(number::FUTEX, all);
        }
        return fail(TIMED_OUT).into();
    }
    waited
}
