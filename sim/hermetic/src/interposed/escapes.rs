//! Calls that leave the simulation: in a run they fail, and the run reports them.
//!
//! `socket`, `bind` and `listen` are not among them: programs make real sockets for the runtime to take over.

use std::ffi::{c_int, c_void};

use super::{NOT_PERMITTED, ask, fail, original};
use crate::Call;

/// Returns whether the call must fail.
fn is_refused(call: Call) -> bool {
    ask(|run| run.refuse(call).then_some(())).is_some()
}

/// Returns an error instead of setting `errno`.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    start: *mut c_void,
    argument: *mut c_void,
) -> c_int {
    if is_refused(Call::StartThread) {
        return NOT_PERMITTED;
    }
    type Type = unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void, *mut c_void) -> c_int;
    original!(c"pthread_create" as Type, thread, attributes, start, argument)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn connect(socket: c_int, address: *const c_void, length: u32) -> c_int {
    if is_refused(Call::Connect) {
        return fail(NOT_PERMITTED);
    }
    type Type = unsafe extern "C" fn(c_int, *const c_void, u32) -> c_int;
    original!(c"connect" as Type, socket, address, length)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn accept(socket: c_int, address: *mut c_void, length: *mut u32) -> c_int {
    if is_refused(Call::Accept) {
        return fail(NOT_PERMITTED);
    }
    type Type = unsafe extern "C" fn(c_int, *mut c_void, *mut u32) -> c_int;
    original!(c"accept" as Type, socket, address, length)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn accept4(
    socket: c_int,
    address: *mut c_void,
    length: *mut u32,
    flags: c_int,
) -> c_int {
    if is_refused(Call::Accept) {
        return fail(NOT_PERMITTED);
    }
    type Type = unsafe extern "C" fn(c_int, *mut c_void, *mut u32, c_int) -> c_int;
    original!(c"accept4" as Type, socket, address, length, flags)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sendto(
    socket: c_int,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
    address: *const c_void,
    address_length: u32,
) -> isize {
    // Without an address it is `send`, on a connected socket: of a pair, or connected outside of the run.
    if !address.is_null() && is_refused(Call::Send) {
        return fail(NOT_PERMITTED) as isize;
    }
    type Type = unsafe extern "C" fn(c_int, *const c_void, usize, c_int, *const c_void, u32) -> isize;
    original!(c"sendto" as Type, socket, bytes, length, flags, address, address_length)
}
