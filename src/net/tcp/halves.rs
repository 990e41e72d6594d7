//! The halves of a TCP stream.
//!
//! # Invariants
//! Dropping the owned write half shuts down writing, unless it was dropped by `forget`. The connection is closed when
//! both owned halves are dropped. Dropping borrowed halves does nothing.

use std::net::SocketAddr;

use super::stream::TcpStream;
use crate::net::stream_methods::prelude::*;

stream_methods::halves!(TcpStream, SocketAddr, "tcp");

/// Generates `peek`, which the halves of Unix streams do not have.
macro_rules! peeks {
    ($half:ty) => {
        impl $half {
            /// Polls [`peek`](Self::peek). Only the task that polled last is woken.
            ///
            /// # Errors
            /// As [`peek`](Self::peek).
            pub fn poll_peek(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                self.inner.poll_peek(cx, buf)
            }

            /// Reads without removing the bytes, waiting until there is something to read.
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
