//! A ring buffer for the bytes of one direction of a stream.
//!
//! # Invariants
//! Bytes come out in the order in which they went in, each once. An empty ring owns no allocation, so an idle stream
//! takes little memory.

/// Buffers up to this size are kept in the pool.
const KEPT_BYTES_MAX: usize = 512 * 1024;

/// The pool keeps at most this many buffers.
const KEPT_MAX: usize = 64;

/// The minimum size of a buffer.
const LEAST: usize = 4 * 1024;

/// Unused buffers, for reuse.
#[derive(Debug, Default)]
pub(super) struct BufferPool(Vec<Box<[u8]>>);

impl BufferPool {
    fn take(&mut self, least: usize) -> Box<[u8]> {
        match self.0.pop() {
            Some(buffer) if buffer.len() >= least => buffer,
            _ => vec![0; least.next_power_of_two().max(LEAST)].into_boxed_slice(),
        }
    }

    fn give(&mut self, buffer: Box<[u8]>) {
        if self.0.len() < KEPT_MAX && buffer.len() <= KEPT_BYTES_MAX && !buffer.is_empty() {
            self.0.push(buffer);
        }
    }
}

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct RingBuffer {
    buffer: Box<[u8]>,
    start: u32,
    len: u32,
}

impl RingBuffer {
    /// Returns the number of bytes.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], pool: &mut BufferPool) {
        let needed = self.len as usize + bytes.len();
        if needed > self.buffer.len() {
            self.grow(needed, pool);
        }
        let size = self.buffer.len();
        let mut end = self.start as usize + self.len as usize;
        if end >= size {
            end -= size;
        }
        let first = bytes.len().min(size - end);
        self.buffer[end..end + first].copy_from_slice(&bytes[..first]);
        self.buffer[..bytes.len() - first].copy_from_slice(&bytes[first..]);
        self.len = needed as u32;
    }

    #[inline(never)]
    fn grow(&mut self, needed: usize, pool: &mut BufferPool) {
        let mut buffer = pool.take(needed);
        let (first, second) = self.first(self.len);
        buffer[..first.len()].copy_from_slice(first);
        buffer[first.len()..first.len() + second.len()].copy_from_slice(second);
        self.start = 0;
        pool.give(std::mem::replace(&mut self.buffer, buffer));
    }

    /// Returns the first `count` bytes, in two pieces.
    #[inline]
    pub(super) fn first(&self, count: u32) -> (&[u8], &[u8]) {
        let (start, count) = (self.start as usize, count as usize);
        let first = count.min(self.buffer.len() - start);
        (&self.buffer[start..start + first], &self.buffer[..count - first])
    }

    /// Removes the first `count` bytes.
    #[inline]
    pub(super) fn consume(&mut self, count: u32, pool: &mut BufferPool) {
        debug_assert!(count <= self.len, "the ring holds that many bytes");
        self.len -= count;
        if self.len == 0 {
            self.start = 0;
            pool.give(std::mem::take(&mut self.buffer));
            return;
        }
        let start = self.start as usize + count as usize;
        self.start = if start >= self.buffer.len() { start - self.buffer.len() } else { start } as u32;
    }

    /// Drops all but the first `count` bytes.
    pub(super) fn truncate(&mut self, count: u32, pool: &mut BufferPool) {
        self.consume_end(self.len.saturating_sub(count), pool);
    }

    fn consume_end(&mut self, count: u32, pool: &mut BufferPool) {
        self.len -= count;
        if self.len == 0 {
            self.start = 0;
            pool.give(std::mem::take(&mut self.buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::{BufferPool, RingBuffer};

    proptest! {
        /// Compares the ring with a `VecDeque`.
        #[test]
        fn keeps_bytes_in_order(operations in prop::collection::vec((0_u8..4, 0_u32..9_000), 0..60)) {
            let (mut ring, mut pool) = (RingBuffer::default(), BufferPool::default());
            let mut model: VecDeque<u8> = VecDeque::new();
            let mut next = 0_u8;
            for (what, count) in operations {
                match what {
                    0 | 1 => {
                        let bytes: Vec<u8> = (0..count).map(|_| { next = next.wrapping_add(1); next }).collect();
                        ring.push(&bytes, &mut pool);
                        model.extend(bytes);
                    }
                    2 => {
                        let count = count.min(ring.len());
                        let (first, second) = ring.first(count);
                        let taken: Vec<u8> = [first, second].concat();
                        ring.consume(count, &mut pool);
                        prop_assert_eq!(taken, model.drain(..count as usize).collect::<Vec<_>>());
                    }
                    _ => {
                        ring.truncate(count, &mut pool);
                        model.truncate(count as usize);
                    }
                }
                prop_assert_eq!(ring.len() as usize, model.len());
            }
            let (first, second) = ring.first(ring.len());
            prop_assert_eq!([first, second].concat(), Vec::from(model));
        }
    }
}
