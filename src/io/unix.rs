//! Real descriptors, as [`tokio::io::unix`](https://docs.rs/tokio/1/tokio/io/unix/index.html).
//!
//! The readiness of a real descriptor comes from outside of the simulation, at a real time, so no seed decides it. The types are
//! here so that code compiles: registering a descriptor in a run returns an error.
//!
//! ```
//! use std::io::ErrorKind;
//! use timeloop::io::unix::AsyncFd;
//!
//! timeloop::run(1, || async {
//!     let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
//!     let error = AsyncFd::new(one).unwrap_err();
//!     assert_eq!(error.kind(), ErrorKind::Unsupported);
//! })?;
//! # Ok::<(), timeloop::Failure>(())
//! ```

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use super::{Interest, Ready};
use crate::engine::{self, context};

/// A registered real descriptor, as
/// [`tokio::io::unix::AsyncFd`](https://docs.rs/tokio/1/tokio/io/unix/struct.AsyncFd.html). There is none in a simulation.
pub struct AsyncFd<T: AsRawFd> {
    inner: T,
    never: Infallible,
}

/// Shared access to a ready descriptor, as
/// [`tokio::io::unix::AsyncFdReadyGuard`](https://docs.rs/tokio/1/tokio/io/unix/struct.AsyncFdReadyGuard.html).
#[must_use = "You must explicitly choose whether to clear the readiness state by calling a method on ReadyGuard"]
pub struct AsyncFdReadyGuard<'a, T: AsRawFd> {
    fd: &'a AsyncFd<T>,
}

/// Exclusive access to a ready descriptor, as
/// [`tokio::io::unix::AsyncFdReadyMutGuard`](https://docs.rs/tokio/1/tokio/io/unix/struct.AsyncFdReadyMutGuard.html).
#[must_use = "You must explicitly choose whether to clear the readiness state by calling a method on ReadyGuard"]
pub struct AsyncFdReadyMutGuard<'a, T: AsRawFd> {
    fd: &'a mut AsyncFd<T>,
}

type ReadyGuard<'a, T> = io::Result<AsyncFdReadyGuard<'a, T>>;
type ReadyMutGuard<'a, T> = io::Result<AsyncFdReadyMutGuard<'a, T>>;

impl<T: AsRawFd> AsyncFd<T> {
    /// Refuses to register a descriptor.
    ///
    /// # Errors
    /// Always `Unsupported`.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn new(inner: T) -> io::Result<Self> {
        Self::try_new(inner).map_err(io::Error::from)
    }

    /// Like [`new`](Self::new).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        Self::try_with_interest(inner, interest).map_err(io::Error::from)
    }

    /// Refuses to register a descriptor.
    ///
    /// # Errors
    /// Always `Unsupported`. The error contains `inner`.
    ///
    /// # Panics
    /// Outside of a run.
    #[track_caller]
    pub fn try_new(inner: T) -> Result<Self, AsyncFdRegisterError<T>> {
        Self::try_with_interest(inner, Interest::READABLE | Interest::WRITABLE)
    }

    /// Like [`try_new`](Self::try_new).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn try_with_interest(inner: T, interest: Interest) -> Result<Self, AsyncFdRegisterError<T>> {
        let _ = interest;
        if context::with(|_| ()).is_none() {
            engine::outside("register a descriptor");
        }
        let cause = io::Error::new(
            io::ErrorKind::Unsupported,
            "a real descriptor can't be awaited in a simulated run, because no seed decides when it is ready; use the sockets \
             and pipes of the simulation, or keep the code behind a trait",
        );
        Err(AsyncFdRegisterError { inner, cause })
    }

    /// Returns the object with the descriptor.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns the object with the descriptor.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Returns the object with the descriptor.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Polls for readability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub fn poll_read_ready<'a>(&'a self, _cx: &mut Context<'_>) -> Poll<ReadyGuard<'a, T>> {
        match self.never {}
    }

    /// Polls for readability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub fn poll_read_ready_mut<'a>(&'a mut self, _cx: &mut Context<'_>) -> Poll<ReadyMutGuard<'a, T>> {
        match self.never {}
    }

    /// Polls for writability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub fn poll_write_ready<'a>(&'a self, _cx: &mut Context<'_>) -> Poll<ReadyGuard<'a, T>> {
        match self.never {}
    }

    /// Polls for writability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub fn poll_write_ready_mut<'a>(&'a mut self, _cx: &mut Context<'_>) -> Poll<ReadyMutGuard<'a, T>> {
        match self.never {}
    }

    /// Waits for readiness.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn ready(&self, _interest: Interest) -> ReadyGuard<'_, T> {
        match self.never {}
    }

    /// Waits for readiness.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn ready_mut(&mut self, _interest: Interest) -> ReadyMutGuard<'_, T> {
        match self.never {}
    }

    /// Waits for readability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn readable(&self) -> ReadyGuard<'_, T> {
        match self.never {}
    }

    /// Waits for readability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn readable_mut(&mut self) -> ReadyMutGuard<'_, T> {
        match self.never {}
    }

    /// Waits for writability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn writable(&self) -> ReadyGuard<'_, T> {
        match self.never {}
    }

    /// Waits for writability.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn writable_mut(&mut self) -> ReadyMutGuard<'_, T> {
        match self.never {}
    }

    /// Calls `f` whenever the descriptor is ready, until it does not return `WouldBlock`.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn async_io<R>(
        &self,
        _interest: Interest,
        _f: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        match self.never {}
    }

    /// Calls `f` whenever the descriptor is ready, until it does not return `WouldBlock`.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub async fn async_io_mut<R>(
        &mut self,
        _interest: Interest,
        _f: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        match self.never {}
    }

    /// Calls `f` if the descriptor is ready.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub fn try_io<R>(&self, _interest: Interest, _f: impl FnOnce(&T) -> io::Result<R>) -> io::Result<R> {
        match self.never {}
    }

    /// Calls `f` if the descriptor is ready.
    ///
    /// # Errors
    /// Never called: there is no registered descriptor.
    pub fn try_io_mut<R>(
        &mut self,
        _interest: Interest,
        _f: impl FnOnce(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        match self.never {}
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        match self.never {}
    }
}

impl<T: AsRawFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.never {}
    }
}

impl<T: AsRawFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.never {}
    }
}

/// Generates the methods of both guards. `$get` returns the object for `try_io`.
macro_rules! guard {
    ($guard:ident, $fd:ty) => {
        impl<'a, T: AsRawFd> $guard<'a, T> {
            /// Clears the readiness.
            pub fn clear_ready(&mut self) {
                match self.fd.never {}
            }

            /// Clears a part of the readiness.
            pub fn clear_ready_matching(&mut self, _ready: Ready) {
                match self.fd.never {}
            }

            /// Keeps the readiness.
            pub fn retain_ready(&mut self) {
                match self.fd.never {}
            }

            /// Returns what the descriptor is ready for.
            pub fn ready(&self) -> Ready {
                match self.fd.never {}
            }

            /// Calls `f`, and clears the readiness if it returns `WouldBlock`.
            ///
            /// # Errors
            /// Never called: there is no registered descriptor.
            pub fn try_io<R>(
                &mut self,
                _f: impl FnOnce($fd) -> io::Result<R>,
            ) -> Result<io::Result<R>, TryIoError> {
                match self.fd.never {}
            }
        }

        impl<T: AsRawFd + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.fd.never {}
            }
        }
    };
}

guard!(AsyncFdReadyGuard, &'a AsyncFd<T>);
guard!(AsyncFdReadyMutGuard, &mut AsyncFd<T>);

impl<'a, T: AsRawFd> AsyncFdReadyGuard<'a, T> {
    /// Returns the registered descriptor.
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }

    /// Returns the object with the descriptor.
    pub fn get_inner(&self) -> &'a T {
        &self.fd.inner
    }
}

impl<T: AsRawFd> AsyncFdReadyMutGuard<'_, T> {
    /// Returns the registered descriptor.
    pub fn get_ref(&self) -> &AsyncFd<T> {
        self.fd
    }

    /// Returns the registered descriptor.
    pub fn get_mut(&mut self) -> &mut AsyncFd<T> {
        self.fd
    }

    /// Returns the object with the descriptor.
    pub fn get_inner(&self) -> &T {
        &self.fd.inner
    }

    /// Returns the object with the descriptor.
    pub fn get_inner_mut(&mut self) -> &mut T {
        &mut self.fd.inner
    }
}

/// The error of a call that would have to wait, as
/// [`tokio::io::unix::TryIoError`](https://docs.rs/tokio/1/tokio/io/unix/struct.TryIoError.html).
#[derive(Debug)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the descriptor is not ready")
    }
}

impl Error for TryIoError {}

/// The error of registering a descriptor, as
/// [`tokio::io::unix::AsyncFdRegisterError`](https://docs.rs/tokio/1/tokio/io/unix/struct.AsyncFdRegisterError.html).
pub struct AsyncFdRegisterError<T> {
    inner: T,
    cause: io::Error,
}

/// The former name of [`AsyncFdRegisterError`].
pub type AsyncFdTryNewError<T> = AsyncFdRegisterError<T>;

impl<T> AsyncFdRegisterError<T> {
    /// Returns the object that could not be registered, and the error.
    pub fn into_parts(self) -> (T, io::Error) {
        (self.inner, self.cause)
    }
}

impl<T> fmt::Display for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> fmt::Debug for AsyncFdRegisterError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl<T> Error for AsyncFdRegisterError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl<T> From<AsyncFdRegisterError<T>> for io::Error {
    fn from(error: AsyncFdRegisterError<T>) -> Self {
        error.cause
    }
}
