//! What can go wrong with an mpsc channel: tokio's own errors, and the one that tokio has with its clock alone.
//!
//! Always true: [`SendTimeoutError`] has the shape and the words of tokio's.

use std::error::Error;
use std::fmt;

#[doc(hidden)]
#[expect(deprecated, reason = "it is part of tokio's interface")]
pub use tokio::sync::mpsc::error::RecvError;
pub use tokio::sync::mpsc::error::{SendError, TryRecvError, TrySendError};

/// Why [`Sender::send_timeout`](super::Sender::send_timeout) did not send; holds the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The channel was full all the time.
    Timeout(T),
    /// The receiver is gone, or has closed the channel.
    Closed(T),
}

impl<T> SendTimeoutError<T> {
    /// The message.
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
        // Padded where the caller asks for it, as tokio's.
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
