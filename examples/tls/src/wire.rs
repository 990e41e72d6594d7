//! Records the bytes that pass through streams, as a hash.
//!
//! Recording changes neither the bytes nor their timing.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use timeloop::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Records the bytes of all its streams. Clones share the record.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    seen: Rc<Cell<Seen>>,
}

/// A summary of the recorded bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// A hash of all bytes in order, and of their directions.
    pub hash: u64,
    /// The number of bytes written.
    pub written: u64,
    /// The number of bytes read.
    pub read: u64,
}

impl Wire {
    /// Wraps a stream to record its bytes.
    pub fn record<S>(&self, stream: S) -> Recorded<S> {
        Recorded { stream, wire: self.clone() }
    }

    /// Returns the summary so far.
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

/// A stream whose bytes are recorded; from [`Wire::record`].
#[derive(Debug)]
pub struct Recorded<S> {
    stream: S,
    wire: Wire,
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorded<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorded<S> {
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
