//! Traits and utilities for asynchronous I/O: tokio's own, at the same paths.
//!
//! They are re-exported from the crate `tokio` (feature `io-util`, without a runtime): none of them draws random
//! numbers, reads a clock or starts a thread. [`Interest`] and [`Ready`] are timeloop's, with the same API, because
//! tokio's need real sockets. `stdin`, `stdout` and `unix::AsyncFd` are missing, because they access the real world.
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

mod interest;
mod ready;

pub use interest::Interest;
pub use ready::Ready;
pub use std::io::{Error, ErrorKind, Result, SeekFrom};
pub use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, BufReader, BufStream, BufWriter, Chain, DuplexStream, Empty, Join, Lines, ReadBuf,
    ReadHalf, Repeat, SimplexStream, Sink, Split, Take, WriteHalf, copy, copy_bidirectional,
    copy_bidirectional_with_sizes, copy_buf, duplex, empty, join, repeat, simplex, sink, split,
};
