//! Errors of time.
//!
//! Always true: they carry no data; a deadline that has passed says all there is to say.

use std::fmt;

/// The deadline passed before the future ended, as
/// [`tokio::time::error::Elapsed`](https://docs.rs/tokio/1/tokio/time/error/struct.Elapsed.html).
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(_: Elapsed) -> Self {
        std::io::ErrorKind::TimedOut.into()
    }
}
