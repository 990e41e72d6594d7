//! Errors of mpsc channels: tokio's own, and [`SendTimeoutError`], which tokio defines only with its own clock.
//!
//! # Invariants
//! [`SendTimeoutError`] has the variants and the texts of tokio's.

use std::error::Error;
use std::fmt;

#[doc(hidden)]
#[expect(deprecated, reason = "it is part of tokio's interface")]
pub use tokio::sync::mpsc::error::RecvError;
pub use tokio::sync::mpsc::error::{SendError, TryRecvError, TrySendError};

/// The error of [`Sender::send_timeout`](super::Sender::send_timeout). It contains the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The channel stayed full for the whole timeout.
    Timeout(T),
    /// The receiver was dropped, or has closed the channel.
    Closed(T),
}

impl<T> SendTimeoutError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(message) | Self::Closed(message) => message,
        }
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Timeout(_) => "Timeout(..)",
            Self::Closed(_) => "Closed(..)",
        };
        // Honours the caller's width and alignment, as tokio's does.
        text.fmt(f)
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => "timed out waiting on send operation",
            Self::Closed(_) => "channel closed",
        })
    }
}

impl<T> Error for SendTimeoutError<T> {}
