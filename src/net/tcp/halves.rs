//! The halves of a stream of TCP.
//!
//! # Invariants
//! Dropping the owned half that writes ends the stream from here, unless it was told to forget that. The connection is
//! closed with the last owned half. Dropping halves that borrow the stream ends nothing.

use std::net::SocketAddr;

use super::stream::TcpStream;
use crate::net::stream_methods::prelude::*;

stream_methods::halves!(TcpStream, SocketAddr, "tcp");

/// The methods that look at what is there, which halves within a host do not have.
macro_rules! peeks {
    ($half:ty) => {
        impl $half {
            /// Reads what [`peek`](Self::peek) reads; whoever polls last is woken.
            ///
            /// # Errors
            /// As there.
            pub fn poll_peek(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                self.inner.poll_peek(cx, buf)
            }

            /// Reads what is there, or comes first, and leaves it there.
            ///
            /// # Errors
            /// As [`TcpStream::peek`].
            pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.inner.peek(buf).await
            }
        }
    };
}

peeks!(ReadHalf<'_>);
peeks!(OwnedReadHalf);
