//! The standard streams of the process: [`stdin`], [`stdout`] and [`stderr`].
//!
//! # Invariants
//! Input that no schedule can repeat does not reach a run: standard input is at its end.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The standard input, which is empty; see [`stdin`].
#[derive(Debug)]
pub struct Stdin {
    _private: (),
}

/// Returns the standard input. It is at its end, as with `< /dev/null`: no schedule could repeat what a person types.
#[must_use]
pub fn stdin() -> Stdin {
    Stdin { _private: () }
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Defines a stream that writes to the process's.
macro_rules! output {
    ($(#[$attribute:meta])* $Type:ident, $function:ident) => {
        $(#[$attribute])*
        #[derive(Debug)]
        pub struct $Type {
            inner: io::$Type,
        }

        /// Returns the process's stream of this name. Every run writes to it, and a write blocks the thread.
        #[must_use]
        pub fn $function() -> $Type {
            $Type { inner: io::$function() }
        }

        impl AsyncWrite for $Type {
            fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(self.inner.write(buf))
            }

            fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.inner.flush())
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

output! {
    /// The standard output; see [`stdout`].
    Stdout, stdout
}
output! {
    /// The standard error; see [`stderr`].
    Stderr, stderr
}
