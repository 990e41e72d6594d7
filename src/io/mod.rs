//! Traits and utilities for asynchronous I/O: tokio's own, at the same paths.
//!
//! They are re-exported from the crate `tokio` (feature `io-util`, without a runtime): none of them draws random
//! numbers, reads a clock or starts a thread. Those that seldom wait, such as [`copy`] and [`duplex`], are wrapped: they
//! spend the budget of [`task::coop`](crate::task::coop). [`Interest`] and [`Ready`] are timeloop's, with the same API,
//! because tokio's need real sockets. [`stdin`] is empty. [`unix::AsyncFd`](unix) refuses real descriptors.
//!
//! ```
//! use timeloop::io::{AsyncReadExt, AsyncWriteExt};
//!
//! timeloop::run(1, || async {
//!     let (mut one, mut other) = timeloop::io::duplex(64);
//!     one.write_all(b"hello").await.unwrap();
//!     drop(one);
//!     let mut text = String::new();
//!     other.read_to_string(&mut text).await.unwrap();
//!     assert_eq!(text, "hello");
//! })?;
//! # Ok::<(), timeloop::Failure>(())
//! ```

mod cooperative;
mod in_memory;
mod interest;
mod ready;
mod standard;
#[cfg(unix)]
pub mod unix;

pub use cooperative::{
    Empty, Repeat, Sink, copy, copy_bidirectional, copy_bidirectional_with_sizes, copy_buf, empty, repeat,
    sink,
};
pub use in_memory::{DuplexStream, SimplexStream, duplex, simplex};
pub use interest::Interest;
pub use ready::Ready;
pub use standard::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use std::io::{Error, ErrorKind, Result, SeekFrom};
// Names defined here take precedence. A list would need the newest tokio.
pub use tokio::io::*;
