//! Clocks and sleeps.

use std::ffi::{c_int, c_uint, c_void};

use super::{Timespec, ask, original};

const REALTIME: c_int = 0;
const MONOTONIC: c_int = 1;
const MONOTONIC_RAW: c_int = 4;
const REALTIME_COARSE: c_int = 5;
const MONOTONIC_COARSE: c_int = 6;
const BOOTTIME: c_int = 7;
const TAI: c_int = 11;

/// Returns what a clock of the run shows. CPU time is real.
#[inline]
pub(super) fn shown_ns(clock: c_int) -> Option<i128> {
    match clock {
        MONOTONIC | MONOTONIC_RAW | MONOTONIC_COARSE | BOOTTIME => {
            ask(|run| run.monotonic_ns()).map(i128::from)
        }
        REALTIME | REALTIME_COARSE | TAI => ask(|run| run.wall_ns()),
        _ => None,
    }
}

/// Lets time pass in the run; returns false outside of one.
pub(super) fn pass(ns: i128) -> bool {
    let ns = u64::try_from(ns.max(0)).unwrap_or(u64::MAX);
    ask(|run| run.pass(ns).then_some(())).is_some()
}

/// Lets time pass until this clock shows a time; returns false outside of a run.
pub(super) fn pass_until(clock: c_int, until_ns: i128) -> bool {
    let until_ns = match clock {
        MONOTONIC | BOOTTIME => Some(until_ns),
        // The clocks go at the same rate.
        _ => shown_ns(clock).and_then(|now| Some(shown_ns(MONOTONIC)? + until_ns - now)),
    };
    let Some(until_ns) = until_ns else { return false };
    let until_ns = u64::try_from(until_ns.max(0)).unwrap_or(u64::MAX);
    ask(|run| run.pass_until(until_ns).then_some(())).is_some()
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    match shown_ns(clock) {
        Some(ns) if !time.is_null() => {
            // SAFETY: the caller passes a place for the result.
            unsafe { time.write(Timespec::of_ns(ns)) };
            0
        }
        _ => {
            original!(c"clock_gettime" as unsafe extern "C" fn(c_int, *mut Timespec) -> c_int, clock, time)
        }
    }
}

#[repr(C)]
pub(super) struct Timeval {
    seconds: i64,
    microseconds: i64,
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn gettimeofday(time: *mut Timeval, zone: *mut c_void) -> c_int {
    match shown_ns(REALTIME).map(Timespec::of_ns) {
        Some(Timespec { seconds, nanoseconds }) if !time.is_null() => {
            // SAFETY: the caller passes a place for the result.
            unsafe { time.write(Timeval { seconds, microseconds: nanoseconds / 1000 }) };
            0
        }
        _ => {
            original!(c"gettimeofday" as unsafe extern "C" fn(*mut Timeval, *mut c_void) -> c_int, time, zone)
        }
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn time(place: *mut i64) -> i64 {
    let Some(Timespec { seconds, .. }) = shown_ns(REALTIME).map(Timespec::of_ns) else {
        return original!(c"time" as unsafe extern "C" fn(*mut i64) -> i64, place);
    };
    if !place.is_null() {
        // SAFETY: the caller passes a place for the result, or null.
        unsafe { place.write(seconds) };
    }
    seconds
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn nanosleep(request: *const Timespec, left: *mut Timespec) -> c_int {
    // SAFETY: the caller passes the time to sleep.
    let wanted = unsafe { request.as_ref() }.and_then(|request| request.ns());
    match wanted {
        Some(ns) if pass(ns) => 0,
        _ => {
            type Type = unsafe extern "C" fn(*const Timespec, *mut Timespec) -> c_int;
            original!(c"nanosleep" as Type, request, left)
        }
    }
}

/// Returns an error instead of setting `errno`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn clock_nanosleep(
    clock: c_int,
    flags: c_int,
    request: *const Timespec,
    left: *mut Timespec,
) -> c_int {
    const ABSOLUTE: c_int = 1;
    // SAFETY: the caller passes the time to sleep.
    let wanted = unsafe { request.as_ref() }.and_then(|request| request.ns());
    let known = matches!(clock, REALTIME | MONOTONIC | BOOTTIME | TAI);
    match wanted.filter(|_| known) {
        Some(until) if flags & ABSOLUTE != 0 && pass_until(clock, until) => 0,
        Some(ns) if flags & ABSOLUTE == 0 && pass(ns) => 0,
        _ => {
            type Type = unsafe extern "C" fn(c_int, c_int, *const Timespec, *mut Timespec) -> c_int;
            original!(c"clock_nanosleep" as Type, clock, flags, request, left)
        }
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn usleep(microseconds: c_uint) -> c_int {
    if pass(i128::from(microseconds) * 1000) {
        return 0;
    }
    original!(c"usleep" as unsafe extern "C" fn(c_uint) -> c_int, microseconds)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    if pass(i128::from(seconds) * Timespec::NANOS) {
        return 0;
    }
    original!(c"sleep" as unsafe extern "C" fn(c_uint) -> c_uint, seconds)
}
