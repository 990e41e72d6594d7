//! Bodies: reproducible bytes, streamed in chunks, with a checksum.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame};
use timeloop::time::{Duration, Sleep, sleep};

use crate::BoxError;

/// The body of a request or a response.
pub type Content = BoxBody<Bytes, BoxError>;

/// Creates a body that is sent at once.
pub fn whole(bytes: impl Into<Bytes>) -> Content {
    Full::new(bytes.into()).map_err(never).boxed()
}

/// Creates a body without a declared length: HTTP/1 sends it in chunks.
pub fn in_chunks(bytes: Bytes, chunk: usize, pause: Duration) -> Content {
    Chunks { rest: bytes, chunk, pause, sleep: None }.map_err(never).boxed()
}

fn never(never: Infallible) -> BoxError {
    match never {}
}

/// Returns the bytes that belong to a seed.
pub fn bytes_of(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// An incremental checksum: FNV-1a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum(pub u64);

impl Checksum {
    /// The checksum of no bytes.
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// Returns the checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::EMPTY.and(bytes)
    }

    /// Returns the checksum after these additional bytes.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)))
    }
}

/// A body in chunks, with a pause before each but the first.
#[derive(Debug)]
struct Chunks {
    rest: Bytes,
    chunk: usize,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
        }
        if !self.pause.is_zero() {
            self.sleep = Some(Box::pin(sleep(self.pause)));
        }
        let count = self.chunk.clamp(1, self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(count)))))
    }
}
