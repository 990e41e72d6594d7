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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// A hash of every byte, in the order in which they passed, and of who wrote and who read them.
    pub hash: u64,
    /// How many bytes were written.
    pub written: u64,
    /// How many bytes were read.
    pub read: u64,
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
        let mut mix =
            |word: u64| seen.hash = (seen.hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mix(u64::from(direction) << 32 | bytes.len() as u64);
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        mix(u64::from_le_bytes(last));
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
