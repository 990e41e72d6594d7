//! Random numbers.

use std::ffi::{c_int, c_uint, c_void};

use super::{ask, original};

/// Fills a buffer from the run's stream; returns false outside of a run.
///
/// # Safety
/// The buffer has this length.
pub(super) unsafe fn filled(buffer: *mut c_void, length: usize) -> bool {
    if buffer.is_null() {
        return false;
    }
    ask(|run| {
        // SAFETY: the caller passes such a buffer. It is initialized first, because a reference needs that.
        let bytes = unsafe {
            buffer.cast::<u8>().write_bytes(0, length);
            std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length)
        };
        run.fill(bytes).then_some(())
    })
    .is_some()
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
    // SAFETY: the caller passes a buffer of this length.
    if unsafe { filled(buffer, length) } {
        return length as isize;
    }
    type Type = unsafe extern "C" fn(*mut c_void, usize, c_uint) -> isize;
    original!(c"getrandom" as Type, buffer, length, flags)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getentropy(buffer: *mut c_void, length: usize) -> c_int {
    const LENGTH_MAX: usize = 256;
    // SAFETY: the caller passes a buffer of this length.
    if length <= LENGTH_MAX && unsafe { filled(buffer, length) } {
        return 0;
    }
    original!(c"getentropy" as unsafe extern "C" fn(*mut c_void, usize) -> c_int, buffer, length)
}
