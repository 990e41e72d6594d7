//! The public methods of streams and of their halves, written once for TCP and for streams within a host.
//!
//! tokio has separate types for both, so each method is needed several times, with its documentation. The macros here
//! produce them; the work is done by [`Stream`](super::stream::Stream). What they name is in the [`prelude`].
//! A type that reads has an operation `reading`, one that writes has one `writing`; `$stream` is the field that leads to
//! the [`Stream`](super::stream::Stream).

/// What the macros name.
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
    pub(in crate::net) use crate::net::fabric::{As, Errno};
    pub(in crate::net) use crate::net::readiness_methods::{poll_methods, ready_method};
    pub(in crate::net) use crate::net::stream_methods;
}

/// The methods of streams and halves that read.
macro_rules! read_methods {
    ($($stream:ident).+) => {
        /// Waits until there is something to read, or never will be again.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn readable(&self) -> io::Result<()> {
            self.$($stream).+.ready(Interest::READABLE).await.map(drop)
        }

        /// Reads what is there.
        ///
        /// # Errors
        /// `WouldBlock` if that is nothing; `ConnectionReset` and `TimedOut` when the connection has ended so.
        #[track_caller]
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.$($stream).+.try_read(buf)
        }

        /// [`try_read`](Self::try_read) into several buffers, one after the other.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.$($stream).+.try_read_vectored(bufs)
        }

        /// [`try_read`](Self::try_read) into a buffer that keeps count itself.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.$($stream).+.try_read_buf(buf)
        }
    };
}

/// The methods of streams and halves that write.
macro_rules! write_methods {
    ($($stream:ident).+) => {
        /// Waits until there is room to write, or never will be again.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn writable(&self) -> io::Result<()> {
            self.$($stream).+.ready(Interest::WRITABLE).await.map(drop)
        }

        /// Writes as much as there is room for.
        ///
        /// # Errors
        /// `WouldBlock` if there is none; `BrokenPipe` if nothing can be written any more; `ConnectionReset` and
        /// `TimedOut` when the connection has ended so.
        #[track_caller]
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.$($stream).+.try_write(buf)
        }

        /// [`try_write`](Self::try_write) from several buffers, one after the other.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.$($stream).+.try_write_vectored(bufs)
        }
    };
}

/// The methods and traits that both kinds of streams have. The stream is the field `stream`.
macro_rules! stream {
    ($type:ident) => {
        impl $type {
            /// The error that has come up since this was asked last.
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

            /// Halves that borrow the stream, one to read and one to write.
            pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
                halves::split(self)
            }

            /// Halves that share the stream. Dropping the one that writes ends the stream from here.
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

/// The halves of a stream, those that borrow it and those that share it, in a module of their own. `$module` is the name
/// of tokio's.
macro_rules! halves {
    ($stream:ident, $address:ty, $module:literal) => {
        #[doc = stream_methods::half_doc!("The half that reads", $module, "ReadHalf", $stream, "split")]
        #[derive(Debug)]
        pub struct ReadHalf<'a> {
            inner: &'a $stream,
            reading: Attempt,
        }

        #[doc = stream_methods::half_doc!("The half that writes", $module, "WriteHalf", $stream, "split")]
        #[derive(Debug)]
        pub struct WriteHalf<'a> {
            inner: &'a $stream,
            writing: Attempt,
        }

        #[doc = stream_methods::half_doc!("The half that reads", $module, "OwnedReadHalf", $stream, "into_split")]
        #[derive(Debug)]
        pub struct OwnedReadHalf {
            inner: Arc<$stream>,
            reading: Attempt,
        }

        #[doc = stream_methods::half_doc!("The half that writes", $module, "OwnedWriteHalf", $stream, "into_split")]
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

            /// Puts the halves together again.
            ///
            /// # Errors
            /// If they are not of one stream: the halves.
            pub fn reunite(self, other: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                if Arc::ptr_eq(&self.inner, &other.inner) {
                    other.forget();
                    // The other half is gone, so this is the last one.
                    Ok(Arc::into_inner(self.inner).expect("halves are two"))
                } else {
                    Err(ReuniteError(self, other))
                }
            }
        }

        impl OwnedWriteHalf {
            stream_methods::write_methods!(inner.stream);

            /// Puts the halves together again.
            ///
            /// # Errors
            /// If they are not of one stream: the halves.
            pub fn reunite(self, other: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                other.reunite(self)
            }

            /// Drops this half without ending the stream.
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
            "Two halves that are not of one stream, as [`tokio::net::", $module, "::ReuniteError`]",
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
            ".html); made by [`",
            stringify!($stream),
            "::",
            $method,
            "`].",
        )
    };
}

/// What all halves have.
macro_rules! half {
    ($half:ty, $stream:ident, $address:ty) => {
        impl $half {
            ready_method!(inner.stream);

            /// The address of the other side.
            ///
            /// # Errors
            #[doc = concat!("As [`", stringify!($stream), "::peer_addr`].")]
            pub fn peer_addr(&self) -> io::Result<$address> {
                self.inner.peer_addr()
            }

            /// The address of this side.
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

/// Implements `AsyncWrite`; `$ended` is called with the value once that has ended the stream.
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
