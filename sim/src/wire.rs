//! [`Wire`]: how a run in a process of its own returns its result as bytes to the process that has started it. Both are the same
//! program, so the form is of no interest elsewhere.
//!
//! # Invariants
//! `take` returns what was `put`, except that borrowed text is owned afterwards.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A value that another process of the same program returns.
pub(crate) trait Wire: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);

    /// Removes a value from the front. Returns `None` if there is none.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

/// Implements [`Wire`] for structs, field by field.
macro_rules! wire_structs {
    ($($type:ident { $($field:ident),* $(,)? })*) => { $(
        impl $crate::wire::Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($crate::wire::Wire::put($field, out);)*
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::wire::Wire::take(from)?),* })
            }
        }
    )* };
}
pub(crate) use wire_structs;

macro_rules! wire_numbers {
    ($($type:ty),*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )* };
}

wire_numbers! { u8, u16, u32, u64, u128, usize, i32, i64 }

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        u8::take(from).map(|byte| byte == 1)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        T::take(from).map(Self::new)
    }
}

fn put_all<T: Wire>(values: &[T], out: &mut Vec<u8>) {
    values.len().put(out);
    values.iter().for_each(|value| value.put(out));
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self, out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let length = usize::take(from)?;
        (0..length).map(|_| T::take(from)).collect()
    }
}

impl<T: Wire> Wire for Box<[T]> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(self, out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Vec::take(from).map(Vec::into_boxed_slice)
    }
}

impl<T: Wire> Wire for [T; 2] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some([T::take(from)?, T::take(from)?])
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    text.len().put(out);
    out.extend(text.as_bytes());
}

fn take_text<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::take(from)?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    str::from_utf8(bytes).ok()
}

macro_rules! wire_texts {
    ($($type:ty),*) => { $(
        impl Wire for $type {
            fn put(&self, out: &mut Vec<u8>) {
                put_text(self, out);
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                take_text(from).map(Self::from)
            }
        }
    )* };
}

wire_texts! { String, Box<str>, Arc<str> }

impl Wire for Cow<'static, str> {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        String::take(from).map(Cow::Owned)
    }
}

/// A text of the program.
impl Wire for &'static str {
    fn put(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        static KNOWN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

        let text = take_text(from)?;
        let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        Some(all.iter().find(|known| **known == text).copied().unwrap_or_else(|| {
            // There are only a few.
            let text = Box::leak(text.into());
            all.push(text);
            text
        }))
    }
}

impl Wire for Range<usize> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.start, self.end).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        Wire::take(from).map(|(start, end)| start..end)
    }
}

impl Wire for SocketAddr {
    fn put(&self, out: &mut Vec<u8>) {
        let (ip, more) = match self {
            Self::V4(address) => (Err(u32::from(*address.ip())), (0, 0)),
            Self::V6(address) => (Ok(u128::from(*address.ip())), (address.flowinfo(), address.scope_id())),
        };
        (ip.ok(), ip.err()).put(out);
        (self.port(), more).put(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (v6, v4) = <(Option<u128>, Option<u32>)>::take(from)?;
        let (port, (flowinfo, scope)) = Wire::take(from)?;
        Some(match (v6, v4) {
            (Some(ip), _) => Self::V6(SocketAddrV6::new(ip.into(), port, flowinfo, scope)),
            (None, ip) => Self::new(IpAddr::V4(ip?.into()), port),
        })
    }
}
