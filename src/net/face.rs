//! What a program can do with a stream or a half of one, be it of TCP or within a host: written once for all of them, whose
//! types differ because tokio's do.
//!
//! Always true: nothing is decided here; every method hands on to [`Stream`](super::stream::Stream). A type that reads has
//! an operation `reading`, one that writes has one `writing`; a half has its stream in `inner`.

/// The methods that a stream has to read and to write, within its `impl`.
macro_rules! stream_methods {
    () => {
        /// Waits until one of these things may be done, and says which.
        ///
        /// # Errors
        /// If the stream's run is over.
        ///
        /// # Cancel safety
        ///
        /// Nothing is lost with it.
        pub async fn ready(&self, interest: $crate::io::Interest) -> std::io::Result<$crate::io::Ready> {
            self.stream.ready(interest).await
        }

        /// Waits until there is something to read, or never will be again.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn readable(&self) -> std::io::Result<()> {
            self.stream.ready($crate::io::Interest::READABLE).await.map(drop)
        }

        /// [`readable`](Self::readable) as a poll; whoever polls last is woken.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub fn poll_read_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.stream
                .poll_ready(cx, $crate::io::Interest::READABLE, $crate::net::fabric::As::Poller)
                .map_ok(drop)
        }

        /// Reads what is there.
        ///
        /// # Errors
        /// `WouldBlock` if that is nothing; `ConnectionReset` and `TimedOut` when the connection has ended so.
        #[track_caller]
        pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
            self.stream.try_read(buf)
        }

        /// [`try_read`](Self::try_read) into several buffers, one after the other.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_read_vectored(&self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
            self.stream.try_read_vectored(bufs)
        }

        /// [`try_read`](Self::try_read) into a buffer that keeps count itself.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
            self.stream.try_read_buf(buf)
        }

        /// Waits until there is room to write, or never will be again.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub async fn writable(&self) -> std::io::Result<()> {
            self.stream.ready($crate::io::Interest::WRITABLE).await.map(drop)
        }

        /// [`writable`](Self::writable) as a poll; whoever polls last is woken.
        ///
        /// # Errors
        /// As [`ready`](Self::ready).
        pub fn poll_write_ready(
            &self,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.stream
                .poll_ready(cx, $crate::io::Interest::WRITABLE, $crate::net::fabric::As::Poller)
                .map_ok(drop)
        }

        /// Writes as much as there is room for.
        ///
        /// # Errors
        /// `WouldBlock` if there is none; `BrokenPipe` if nothing can be written any more; `ConnectionReset` and `TimedOut` when
        /// the connection has ended so.
        #[track_caller]
        pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
            self.stream.try_write(buf)
        }

        /// [`try_write`](Self::try_write) from several buffers, one after the other.
        ///
        /// # Errors
        /// As there.
        #[track_caller]
        pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
            self.stream.try_write_vectored(bufs)
        }

        /// Calls `f` if the stream is ready for what it does.
        ///
        /// # Errors
        /// `WouldBlock` if it is not; what `f` gives.
        #[track_caller]
        pub fn try_io<R>(
            &self,
            interest: $crate::io::Interest,
            f: impl FnOnce() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            self.stream.try_io(interest, f)
        }

        /// Calls `f` when the stream is ready for what it does, again and again while it says `WouldBlock`.
        ///
        /// # Errors
        /// What `f` gives.
        pub async fn async_io<R>(
            &self,
            interest: $crate::io::Interest,
            f: impl FnMut() -> std::io::Result<R>,
        ) -> std::io::Result<R> {
            self.stream.async_io(interest, f).await
        }
    };
}

/// The methods of a half that reads.
macro_rules! read_half {
    ($half:ty, $stream:ident, $address:ty) => {
        impl $half {
            /// Waits until one of these things may be done, and says which.
            ///
            /// # Errors
            /// If the stream's run is over.
            pub async fn ready(&self, interest: $crate::io::Interest) -> std::io::Result<$crate::io::Ready> {
                self.inner.stream.ready(interest).await
            }

            /// Waits until there is something to read, or never will be again.
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            pub async fn readable(&self) -> std::io::Result<()> {
                self.inner.stream.ready($crate::io::Interest::READABLE).await.map(drop)
            }

            #[doc = concat!(" Reads what is there; see [`", stringify!($stream), "::try_read`].")]
            ///
            /// # Errors
            /// As there.
            #[track_caller]
            pub fn try_read(&self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.inner.stream.try_read(buf)
            }

            /// As [`try_read`](Self::try_read), into several buffers, one after the other.
            ///
            /// # Errors
            /// As there.
            #[track_caller]
            pub fn try_read_vectored(&self, bufs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
                self.inner.stream.try_read_vectored(bufs)
            }

            /// As [`try_read`](Self::try_read), into a buffer that keeps count itself.
            ///
            /// # Errors
            /// As there.
            #[track_caller]
            pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> std::io::Result<usize> {
                self.inner.stream.try_read_buf(buf)
            }

            /// The address of the other side.
            ///
            /// # Errors
            #[doc = concat!(" As [`", stringify!($stream), "::peer_addr`].")]
            pub fn peer_addr(&self) -> std::io::Result<$address> {
                self.inner.peer_addr()
            }

            /// The address of this side.
            ///
            /// # Errors
            #[doc = concat!(" As [`", stringify!($stream), "::local_addr`].")]
            pub fn local_addr(&self) -> std::io::Result<$address> {
                self.inner.local_addr()
            }
        }

        $crate::net::face::reads!($half, inner.stream);

        impl AsRef<$stream> for $half {
            fn as_ref(&self) -> &$stream {
                &self.inner
            }
        }
    };
}

/// The methods of a half that writes; what is to be done with it once it has ended the stream.
macro_rules! write_half {
    ($half:ty, $stream:ident, $address:ty, |$ended:pat_param| $after:expr) => {
        impl $half {
            /// Waits until one of these things may be done, and says which.
            ///
            /// # Errors
            /// If the stream's run is over.
            pub async fn ready(&self, interest: $crate::io::Interest) -> std::io::Result<$crate::io::Ready> {
                self.inner.stream.ready(interest).await
            }

            /// Waits until there is room to write, or never will be again.
            ///
            /// # Errors
            /// As [`ready`](Self::ready).
            pub async fn writable(&self) -> std::io::Result<()> {
                self.inner.stream.ready($crate::io::Interest::WRITABLE).await.map(drop)
            }

            #[doc = concat!(" Writes as much as there is room for; see [`", stringify!($stream), "::try_write`].")]
            ///
            /// # Errors
            /// As there.
            #[track_caller]
            pub fn try_write(&self, buf: &[u8]) -> std::io::Result<usize> {
                self.inner.stream.try_write(buf)
            }

            /// As [`try_write`](Self::try_write), from several buffers, one after the other.
            ///
            /// # Errors
            /// As there.
            #[track_caller]
            pub fn try_write_vectored(&self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                self.inner.stream.try_write_vectored(bufs)
            }

            /// The address of the other side.
            ///
            /// # Errors
            #[doc = concat!(" As [`", stringify!($stream), "::peer_addr`].")]
            pub fn peer_addr(&self) -> std::io::Result<$address> {
                self.inner.peer_addr()
            }

            /// The address of this side.
            ///
            /// # Errors
            #[doc = concat!(" As [`", stringify!($stream), "::local_addr`].")]
            pub fn local_addr(&self) -> std::io::Result<$address> {
                self.inner.local_addr()
            }
        }

        $crate::net::face::writes!($half, inner.stream, |$ended| $after);

        impl AsRef<$stream> for $half {
            fn as_ref(&self) -> &$stream {
                &self.inner
            }
        }
    };
}

/// Reads from the stream that is found so.
macro_rules! reads {
    ($type:ty, $($stream:ident).+) => {
        impl $crate::io::AsyncRead for $type {
            #[inline]
            fn poll_read(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>, buf: &mut $crate::io::ReadBuf<'_>) -> std::task::Poll<std::io::Result<()>> {
                let this = self.get_mut();
                this.$($stream).+.poll_read(&mut this.reading, cx, buf)
            }
        }
    };
}

/// Writes to the stream that is found so; what is to be done with the value once it has ended the stream.
macro_rules! writes {
    ($type:ty, $($stream:ident).+, |$half:pat_param| $ended:expr) => {
        impl $crate::io::AsyncWrite for $type {
            #[inline]
            fn poll_write(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>, buf: &[u8]) -> std::task::Poll<std::io::Result<usize>> {
                let this = self.get_mut();
                this.$($stream).+.poll_write(&mut this.writing, cx, buf)
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let this = self.get_mut();
                this.$($stream).+.poll_write_vectored(&mut this.writing, cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            #[inline]
            fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
                let this = self.get_mut();
                std::task::ready!(this.$($stream).+.poll_shutdown(&mut this.writing, cx))?;
                let $half = this;
                $ended;
                std::task::Poll::Ready(Ok(()))
            }
        }
    };
}

pub(super) use {read_half, reads, stream_methods, write_half, writes};
