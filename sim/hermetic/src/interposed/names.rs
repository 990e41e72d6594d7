//! Lookups of names.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::net::IpAddr;

use super::{ask, original};
use crate::LookupError;

#[repr(C)]
pub(super) struct Addrinfo {
    flags: c_int,
    family: c_int,
    kind: c_int,
    protocol: c_int,
    length: u32,
    address: *mut Address,
    name: *mut c_char,
    next: *mut Addrinfo,
}

/// `sockaddr_in` or `sockaddr_in6`.
#[repr(C, align(8))]
pub(super) struct Address([u8; 28]);

/// An element of a result. It is the C library's type with the address behind it.
#[repr(C)]
struct Entry {
    info: Addrinfo,
    address: Address,
    /// The name that `AI_CANONNAME` asks for.
    name: Option<Box<CStr>>,
}

/// Marks results of this module. The C library's own never have flags that it does not know.
const OURS: c_int = 0x5EED_0000;

const UNSPECIFIED: c_int = 0;
const INET: c_int = 2;
const INET6: c_int = 10;

const STREAM: c_int = 1;
const DATAGRAM: c_int = 2;
const TCP: c_int = 6;
const UDP: c_int = 17;

const CANONICAL_NAME: c_int = 2;
const NUMERIC_HOST: c_int = 4;

/// `EAI_NONAME`.
const UNKNOWN: c_int = -2;
/// `EAI_AGAIN`.
const TRY_AGAIN: c_int = -3;
/// `EAI_SERVICE`.
const UNKNOWN_SERVICE: c_int = -8;

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const Addrinfo,
    result: *mut *mut Addrinfo,
) -> c_int {
    // SAFETY: the caller passes a string or null.
    let host = (!node.is_null()).then(|| unsafe { CStr::from_ptr(node) });
    // SAFETY: as above.
    let service_name = (!service.is_null()).then(|| unsafe { CStr::from_ptr(service) });
    // SAFETY: the caller passes hints or null.
    let wanted = unsafe { hints.as_ref() };
    let flags = wanted.map_or(0, |hints| hints.flags);
    let found = host.and_then(|host| resolve(host, flags));
    let Some(found) = found else {
        type Type =
            unsafe extern "C" fn(*const c_char, *const c_char, *const Addrinfo, *mut *mut Addrinfo) -> c_int;
        return original!(c"getaddrinfo" as Type, node, service, hints, result);
    };
    let port = match service_name.map(|service| service.to_str().map(str::parse::<u16>)) {
        None => 0,
        Some(Ok(Ok(port))) => port,
        Some(_) => return UNKNOWN_SERVICE,
    };
    let addresses = match found {
        Ok(addresses) => addresses,
        Err(LookupError::Unknown) => return UNKNOWN,
        Err(LookupError::Fails) => return TRY_AGAIN,
    };
    let (family, kind, protocol) =
        wanted.map_or((UNSPECIFIED, 0, 0), |hints| (hints.family, hints.kind, hints.protocol));
    let kinds = match kind {
        0 => vec![(STREAM, TCP), (DATAGRAM, UDP)],
        STREAM => vec![(STREAM, TCP)],
        DATAGRAM => vec![(DATAGRAM, UDP)],
        other => vec![(other, protocol)],
    };
    let mut name = host.filter(|_| flags & CANONICAL_NAME != 0);
    let mut entries = Vec::new();
    for ip in addresses {
        for &(kind, protocol) in &kinds {
            let (of_family, length, address) = Address::of(ip, port);
            if family == UNSPECIFIED || family == of_family {
                let info = Addrinfo {
                    flags: OURS,
                    family: of_family,
                    kind,
                    protocol,
                    length,
                    address: std::ptr::null_mut(),
                    name: std::ptr::null_mut(),
                    next: std::ptr::null_mut(),
                };
                entries.push(Entry { info, address, name: name.take().map(Box::from) });
            }
        }
    }
    let mut head: *mut Addrinfo = std::ptr::null_mut();
    for entry in entries.into_iter().rev() {
        let entry = Box::into_raw(Box::new(entry));
        // SAFETY: the entry was made above, and nothing else refers to it.
        unsafe {
            (*entry).info.address = &raw mut (*entry).address;
            (*entry).info.name = (*entry).name.as_deref().map_or(std::ptr::null(), CStr::as_ptr).cast_mut();
            (*entry).info.next = head;
        }
        head = entry.cast();
    }
    if head.is_null() {
        return UNKNOWN;
    }
    // SAFETY: the caller passes a place for the result.
    unsafe { result.write(head) };
    0
}

/// Returns the addresses in the run; `None` outside of one.
fn resolve(host: &CStr, flags: c_int) -> Option<Result<Vec<IpAddr>, LookupError>> {
    ask(|run| {
        let Ok(host) = host.to_str() else { return Some(Err(LookupError::Unknown)) };
        match host.parse::<IpAddr>() {
            Ok(ip) => Some(Ok(vec![ip])),
            Err(_) if flags & NUMERIC_HOST != 0 => Some(Err(LookupError::Unknown)),
            Err(_) => run.resolve(host),
        }
    })
}

impl Address {
    /// Returns family, length and contents.
    fn of(ip: IpAddr, port: u16) -> (c_int, u32, Self) {
        let mut bytes = [0; 28];
        let (family, length) = match ip {
            IpAddr::V4(ip) => {
                bytes[4..8].copy_from_slice(&ip.octets());
                (INET, 16)
            }
            IpAddr::V6(ip) => {
                bytes[8..24].copy_from_slice(&ip.octets());
                (INET6, 28)
            }
        };
        bytes[..2].copy_from_slice(&(family as u16).to_ne_bytes());
        bytes[2..4].copy_from_slice(&port.to_be_bytes());
        (family, length, Self(bytes))
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn freeaddrinfo(info: *mut Addrinfo) {
    // SAFETY: the caller passes a result of `getaddrinfo`, or null.
    if unsafe { info.as_ref() }.is_some_and(|info| info.flags != OURS) {
        original!(c"freeaddrinfo" as unsafe extern "C" fn(*mut c_void), info.cast());
        return;
    }
    let mut next = info.cast::<Entry>();
    while !next.is_null() {
        // SAFETY: `getaddrinfo` has made each entry by `Box::into_raw`, and the caller gives them up.
        let entry = unsafe { Box::from_raw(next) };
        next = entry.info.next.cast();
    }
}
