//! Addresses of real sockets: in a run, a socket is bound to an address in name only, and has a port that the run chooses.
//!
//! Programs bind sockets of `std` or `socket2` and pass them to the runtime, which makes simulated sockets of their addresses.
//! Real ports would differ from run to run, and could be in use.

use std::cell::RefCell;
use std::ffi::c_int;

use super::{ask, original};

/// A bound socket of a run.
struct Bound {
    socket: c_int,
    /// `sockaddr_in` or `sockaddr_in6`.
    address: Vec<u8>,
}

thread_local! {
    /// The sockets that runs of this thread have bound.
    static BOUND: RefCell<Vec<Bound>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with the bound sockets; `None` while the thread ends.
fn with_bound<R>(f: impl FnOnce(&mut Vec<Bound>) -> R) -> Option<R> {
    BOUND.try_with(|bound| bound.try_borrow_mut().ok().map(|mut bound| f(&mut bound))).ok().flatten()
}

fn forget(socket: c_int) {
    with_bound(|bound| bound.retain(|bound| bound.socket != socket));
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn bind(socket: c_int, address: *const u8, length: u32) -> c_int {
    const INET: u16 = 2;
    const INET6: u16 = 10;
    const LENGTH_MAX: usize = 28;
    let bound = ask(|run| {
        let length = (length as usize).min(LENGTH_MAX);
        if address.is_null() || length < 16 {
            return None;
        }
        // SAFETY: the caller passes an address of this length.
        let mut address = unsafe { std::slice::from_raw_parts(address, length) }.to_vec();
        if !matches!(u16::from_ne_bytes([address[0], address[1]]), INET | INET6) {
            return None;
        }
        if address[2..4] == [0, 0] {
            address[2..4].copy_from_slice(&run.port()?.to_be_bytes());
        }
        with_bound(|bound| {
            bound.retain(|bound| bound.socket != socket);
            bound.push(Bound { socket, address });
        })
    });
    match bound {
        Some(()) => 0,
        None => {
            type Type = unsafe extern "C" fn(c_int, *const u8, u32) -> c_int;
            original!(c"bind" as Type, socket, address, length)
        }
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn listen(socket: c_int, backlog: c_int) -> c_int {
    let is_bound = |bound: &mut Vec<Bound>| bound.iter().any(|bound| bound.socket == socket).then_some(());
    if ask(|_| with_bound(is_bound)?).is_some() {
        return 0;
    }
    original!(c"listen" as unsafe extern "C" fn(c_int, c_int) -> c_int, socket, backlog)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getsockname(socket: c_int, address: *mut u8, length: *mut u32) -> c_int {
    let find = |bound: &mut Vec<Bound>| {
        let bound = bound.iter().find(|bound| bound.socket == socket)?;
        // SAFETY: the caller passes a place for an address, and its length.
        unsafe {
            let copied = bound.address.len().min(*length as usize);
            address.copy_from_nonoverlapping(bound.address.as_ptr(), copied);
            *length = bound.address.len() as u32;
        }
        Some(())
    };
    if !address.is_null() && !length.is_null() && ask(|_| with_bound(find)?).is_some() {
        return 0;
    }
    type Type = unsafe extern "C" fn(c_int, *mut u8, *mut u32) -> c_int;
    original!(c"getsockname" as Type, socket, address, length)
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn close(socket: c_int) -> c_int {
    ask(|_| {
        forget(socket);
        Some(())
    });
    original!(c"close" as unsafe extern "C" fn(c_int) -> c_int, socket)
}

/// A number may be that of a socket that was closed on another thread.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    type Type = unsafe extern "C" fn(c_int, c_int, c_int) -> c_int;
    let socket = original!(c"socket" as Type, domain, kind, protocol);
    ask(|_| {
        forget(socket);
        Some(())
    });
    socket
}
