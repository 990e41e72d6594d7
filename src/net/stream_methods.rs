//! Macros that generate the public methods of TCP and Unix streams and of their halves.
//!
//! tokio has separate types for both, so each method is needed several times, with its documentation.
//! [`Stream`](super::stream::Stream) implements them. The names that the macros use are in [`prelude`]. A type that
//! reads has an operation `reading`, and a type that writes has one `writing`. `$stream` leads to the field with the
//! [`Stream`](super::stream::Stream).

/// The names that the macros use.
pub(super) mod prelude {
    pub(in crate::net) use std::error::Error;
    pub(in crate::net) use std::fmt;
    pub(in crate::net) use std::io::{self, IoSlice, IoSliceMut};
    pub(in crate::net) use std::pin::Pin;
    pub(in crate::net) use std::sync::Arc;
    pub(in crate::net) use std::task::{Context, Poll, ready};

    pub(in crate::net) use bytes::BufMut;

    pub(in crate::net) use crate::engine::announce::Attempt;
    pub(in crate::net) use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
    pub(in crate::net) use crate::net::fabric::{Errno, WaitSlot};
    pub(in crate::net) use crate::net::readiness_methods::{poll_methods, ready_method};
    pub(in crate::net) use crate::net::stream_methods;
}

/// Generates the methods for reading.
macro_rules! read_methods {
    ($($stream:ident).+) => {
        /// Waits until the stream is readable or closed for reading.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn readable(&self) -> io::Result<()> {
            self.$($stream).+.ready(Interest::READABLE).await.map(drop)
        }

        /// Reads without waiting.
        ///
        /// # Errors
        /// Returns `WouldBlock` if there is nothing to read, and `ConnectionReset` or `TimedOut` if the connection
        /// has failed.
        #[track_caller]
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.$($stream).+.try_read(buf)
        }

        /// Like [`try_read`](Self::try_read), into several buffers in order.
        ///
        /// # Errors
        /// As [`try_read`](Self::try_read).
        #[track_caller]
        pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.$($stream).+.try_read_vectored(bufs)
        }

        /// Like [`try_read`](Self::try_read), into a [`BufMut`], which is advanced.
        ///
        /// # Errors
        /// As [`try_read`](Self::try_read).
        #[track_caller]
        pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.$($stream).+.try_read_buf(buf)
        }
    };
}

/// Generates the methods for writing.
macro_rules! write_methods {
    ($($stream:ident).+) => {
        /// Waits until the stream is writable or closed for writing.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn writable(&self) -> io::Result<()> {
            self.$($stream).+.ready(Interest::WRITABLE).await.map(drop)
        }

        /// Writes as many bytes as fit into the buffers, without waiting.
        ///
        /// # Errors
        /// Returns `WouldBlock` if the buffers are full, `BrokenPipe` if the stream is closed for writing, and
        /// `ConnectionReset` or `TimedOut` if the connection has failed.
        #[track_caller]
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.$($stream).+.try_write(buf)
        }

        /// Like [`try_write`](Self::try_write), from several buffers in order.
        ///
        /// # Errors
        /// As [`try_write`](Self::try_write).
        #[track_caller]
        pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.$($stream).+.try_write_vectored(bufs)
        }
    };
}

/// Generates the methods and trait implementations of a stream type, whose stream is the field `stream`.
macro_rules! stream {
    ($type:ident) => {
        impl $type {
            /// Returns the pending error of the socket and clears it.
            ///
            /// # Errors
            /// As [`local_addr`](Self::local_addr).
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.stream.take_error()
            }

            ready_method!(stream);
            stream_methods::read_methods!(stream);
            stream_methods::write_methods!(stream);
            poll_methods!(stream, readable: poll_read_ready, writable: poll_write_ready);

            /// Splits the stream into a read half and a write half that borrow it.
            pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
                halves::split(self)
            }

            /// Splits the stream into a read half and a write half that own it. Dropping the write half shuts down
            /// writing.
            pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
                halves::into_split(self)
            }
        }

        stream_methods::reads!($type, stream);
        stream_methods::writes!($type, stream, |_| {});

        impl AsRef<Self> for $type {
            fn as_ref(&self) -> &Self {
                self
            }
        }
    };
}

/// Generates the borrowed and the owned halves of a stream, in a module of their own. `$module` is the name of
/// tokio's module.
macro_rules! halves {
    ($stream:ident, $address:ty, $module:literal) => {
        #[doc = stream_methods::half_doc!("The read half of a stream", $module, "ReadHalf", $stream, "split")]
        #[derive(Debug)]
        pub struct ReadHalf<'a> {
            inner: &'a $stream,
            reading: Attempt,
        }

        #[doc = stream_methods::half_doc!("The write half of a stream", $module, "WriteHalf", $stream, "split")]
        #[derive(Debug)]
        pub struct WriteHalf<'a> {
            inner: &'a $stream,
            writing: Attempt,
        }

        #[doc = stream_methods::half_doc!("The read half of a stream", $module, "OwnedReadHalf", $stream, "into_split")]
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            inner: Arc<$stream>,
            reading: Attempt,
        }

        #[doc = stream_methods::half_doc!("The write half of a stream", $module, "OwnedWriteHalf", $stream, "into_split")]
        #[derive(Debug)]
        pub struct OwnedWriteHalf {
            inner: Arc<$stream>,
            writing: Attempt,
            shutdown_on_drop: bool,
        }

        pub(super) fn split(inner: &mut $stream) -> (ReadHalf<'_>, WriteHalf<'_>) {
            let (reading, writing) = Default::default();
            (ReadHalf { inner, reading }, WriteHalf { inner, writing })
        }

        pub(super) fn into_split(stream: $stream) -> (OwnedReadHalf, OwnedWriteHalf) {
            let inner = Arc::new(stream);
            let (reading, writing) = Default::default();
            let read = OwnedReadHalf { inner: Arc::clone(&inner), reading };
            (read, OwnedWriteHalf { inner, writing, shutdown_on_drop: true })
        }

        stream_methods::half!(ReadHalf<'_>, $stream, $address);
        stream_methods::half!(WriteHalf<'_>, $stream, $address);
        stream_methods::half!(OwnedReadHalf, $stream, $address);
        stream_methods::half!(OwnedWriteHalf, $stream, $address);

        impl ReadHalf<'_> {
            stream_methods::read_methods!(inner.stream);
        }

        impl WriteHalf<'_> {
            stream_methods::write_methods!(inner.stream);
        }

        impl OwnedReadHalf {
            stream_methods::read_methods!(inner.stream);

            /// Puts the halves of a stream back together.
            ///
            /// # Errors
            /// Returns the halves if they belong to different streams.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                if Arc::ptr_eq(&self.inner, &other.inner) {
                    other.forget();
                    // The other half is gone, so this is the only reference.
                    Ok(Arc::into_inner(self.inner).expect("there are two halves"))
                } else {
                    Err(ReuniteError(self, other))
                }
            }
        }

        impl OwnedWriteHalf {
            stream_methods::write_methods!(inner.stream);

            /// Puts the halves of a stream back together.
            ///
            /// # Errors
            /// Returns the halves if they belong to different streams.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                other.reunite(self)
            }

            /// Drops the half without shutting down writing.
            pub fn forget(mut self) {
                self.shutdown_on_drop = false;
            }
        }

        stream_methods::reads!(ReadHalf<'_>, inner.stream);
        stream_methods::reads!(OwnedReadHalf, inner.stream);
        stream_methods::writes!(WriteHalf<'_>, inner.stream, |_| {});
        stream_methods::writes!(OwnedWriteHalf, inner.stream, |half| half.shutdown_on_drop = false);

        impl Drop for OwnedWriteHalf {
            fn drop(&mut self) {
                if self.shutdown_on_drop {
                    self.inner.stream.shutdown_now();
                }
            }
        }

        #[doc = concat!(
            "The error of reuniting halves of different streams, as [`tokio::net::", $module, "::ReuniteError`]",
            "(https://docs.rs/tokio/1/tokio/net/", $module, "/struct.ReuniteError.html).",
        )]
        #[derive(Debug)]
        pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

        impl fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tried to reunite halves that are not from the same socket")
            }
        }

        impl Error for ReuniteError {}
    };
}

/// The documentation of a half.
macro_rules! half_doc {
    ($what:literal, $module:literal, $half:literal, $stream:ident, $method:literal) => {
        concat!(
            $what,
            ", as [`tokio::net::",
            $module,
            "::",
            $half,
            "`](https://docs.rs/tokio/1/tokio/net/",
            $module,
            "/struct.",
            $half,
            ".html); created by [`",
            stringify!($stream),
            "::",
            $method,
            "`].",
        )
    };
}

/// Generates the methods that all halves have.
macro_rules! half {
    ($half:ty, $stream:ident, $address:ty) => {
        impl $half {
            ready_method!(inner.stream);

            /// Returns the remote address of the stream.
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($stream), "::peer_addr`].")]
            pub fn peer_addr(&self) -> io::Result<$address> {
                self.inner.peer_addr()
            }

            /// Returns the local address of the stream.
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($stream), "::local_addr`].")]
            pub fn local_addr(&self) -> io::Result<$address> {
                self.inner.local_addr()
            }
        }

        impl AsRef<$stream> for $half {
            fn as_ref(&self) -> &$stream {
                &self.inner
            }
        }
    };
}

/// Implements `AsyncRead`.
macro_rules! reads {
    ($type:ty, $($stream:ident).+) => {
        impl AsyncRead for $type {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let this = self.get_mut();
                this.$($stream).+.poll_read(&mut this.reading, cx, buf)
            }
        }
    };
}

/// Implements `AsyncWrite`. `$ended` runs with the value after a shutdown.
macro_rules! writes {
    ($type:ty, $($stream:ident).+, |$half:pat_param| $ended:expr) => {
        impl AsyncWrite for $type {
            #[inline]
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                let this = self.get_mut();
                this.$($stream).+.poll_write(&mut this.writing, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let this = self.get_mut();
                this.$($stream).+.poll_write_vectored(&mut this.writing, cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            #[inline]
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let this = self.get_mut();
                ready!(this.$($stream).+.poll_shutdown(&mut this.writing, cx))?;
                let $half = this;
                $ended;
                Poll::Ready(Ok(()))
            }
        }
    };
}

pub(super) use {half, half_doc, halves, read_methods, reads, stream, write_methods, writes};
