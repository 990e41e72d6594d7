//! A tap at a stream: what passes goes into a hash.
//!
//! Always true: it changes nothing of what passes, and not when.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use timeloop::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What has passed, in all streams that it listens to; a clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    seen: Rc<Cell<Seen>>,
}

/// What has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// A hash of every byte, in the order in which they passed, and of who wrote and who read them.
    pub hash: u64,
    /// How many bytes were written.
    pub written: u64,
    /// How many bytes were read.
    pub read: u64,
}

impl Default for Seen {
    fn default() -> Self {
        // FNV-1a's beginning.
        Self { hash: 0xcbf2_9ce4_8422_2325, written: 0, read: 0 }
    }
}

impl Wire {
    /// Listens to a stream.
    pub fn tap<S>(&self, stream: S) -> Tapped<S> {
        Tapped { stream, wire: self.clone() }
    }

    /// What has passed by now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.get()
    }

    fn pass(&self, direction: u8, bytes: &[u8]) {
        let mut seen = self.seen.get();
        for byte in [direction].iter().chain(bytes) {
            seen.hash = (seen.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let count = if direction == b'w' { &mut seen.written } else { &mut seen.read };
        *count += bytes.len() as u64;
        self.seen.set(seen);
    }
}

/// A stream that is listened to, from [`Wire::tap`].
#[derive(Debug)]
pub struct Tapped<S> {
    stream: S,
    wire: Wire,
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.wire.pass(b'r', &buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.wire.pass(b'w', &bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
