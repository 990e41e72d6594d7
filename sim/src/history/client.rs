//! [`Client`]: the caller of an operation, for reports. The verdict on a history does not depend on it.

use std::borrow::Cow;
use std::fmt;

/// The caller of an operation: a number or a name, for reports.
///
/// ```
/// use timeloop_sim::history::Client;
/// assert_eq!(Client::from(3).to_string(), "client 3");
/// assert_eq!(Client::from("alice").to_string(), "client `alice`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client(Identity);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Identity {
    Number(i128),
    Name(Cow<'static, str>),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Identity::Number(number) => write!(f, "client {number}"),
            Identity::Name(name) => write!(f, "client `{name}`"),
        }
    }
}

macro_rules! from_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Client {
            fn from(number: $number) -> Self {
                Self(Identity::Number(number as i128))
            }
        }
    )*};
}

from_numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl From<&'static str> for Client {
    fn from(name: &'static str) -> Self {
        Self(Identity::Name(Cow::Borrowed(name)))
    }
}

impl From<String> for Client {
    fn from(name: String) -> Self {
        Self(Identity::Name(Cow::Owned(name)))
    }
}

impl From<Cow<'static, str>> for Client {
    fn from(name: Cow<'static, str>) -> Self {
        Self(Identity::Name(name))
    }
}

impl From<&Client> for Client {
    fn from(client: &Client) -> Self {
        client.clone()
    }
}
