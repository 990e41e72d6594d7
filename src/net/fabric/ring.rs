//! The bytes of one direction of a stream, first in, first out.
//!
//! Always true: bytes come out in the order in which they went in, each once; a ring without bytes has no allocation of its
//! own, so that an idle stream costs next to nothing.

/// Rings of this size and smaller are kept for the next stream that has something to say.
const KEPT_BYTES_MAX: usize = 512 * 1024;

/// So many are kept.
const KEPT_MAX: usize = 64;

/// The least room that is made at once.
const LEAST: usize = 4 * 1024;

/// Room that no ring uses just now.
#[derive(Debug, Default)]
pub(super) struct Pool(Vec<Box<[u8]>>);

impl Pool {
    fn take(&mut self, least: usize) -> Box<[u8]> {
        match self.0.pop() {
            Some(room) if room.len() >= least => room,
            _ => vec![0; least.next_power_of_two().max(LEAST)].into_boxed_slice(),
        }
    }

    fn give(&mut self, room: Box<[u8]>) {
        if self.0.len() < KEPT_MAX && room.len() <= KEPT_BYTES_MAX && !room.is_empty() {
            self.0.push(room);
        }
    }
}

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Ring {
    room: Box<[u8]>,
    start: u32,
    len: u32,
}

impl Ring {
    /// How many bytes there are.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Appends bytes.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8], pool: &mut Pool) {
        let needed = self.len as usize + bytes.len();
        if needed > self.room.len() {
            self.grow(needed, pool);
        }
        let size = self.room.len();
        let mut end = self.start as usize + self.len as usize;
        if end >= size {
            end -= size;
        }
        let first = bytes.len().min(size - end);
        self.room[end..end + first].copy_from_slice(&bytes[..first]);
        self.room[..bytes.len() - first].copy_from_slice(&bytes[first..]);
        self.len = needed as u32;
    }

    #[inline(never)]
    fn grow(&mut self, needed: usize, pool: &mut Pool) {
        let mut room = pool.take(needed);
        let (first, second) = self.first(self.len);
        room[..first.len()].copy_from_slice(first);
        room[first.len()..first.len() + second.len()].copy_from_slice(second);
        self.start = 0;
        pool.give(std::mem::replace(&mut self.room, room));
    }

    /// The first `count` bytes, in two pieces.
    #[inline]
    pub(super) fn first(&self, count: u32) -> (&[u8], &[u8]) {
        let (start, count) = (self.start as usize, count as usize);
        let first = count.min(self.room.len() - start);
        (&self.room[start..start + first], &self.room[..count - first])
    }

    /// Takes the first `count` bytes out.
    #[inline]
    pub(super) fn consume(&mut self, count: u32, pool: &mut Pool) {
        debug_assert!(count <= self.len, "no more than there is");
        self.len -= count;
        if self.len == 0 {
            self.start = 0;
            pool.give(std::mem::take(&mut self.room));
            return;
        }
        let start = self.start as usize + count as usize;
        self.start = if start >= self.room.len() { start - self.room.len() } else { start } as u32;
    }

    /// Drops all but the first `count` bytes.
    pub(super) fn truncate(&mut self, count: u32, pool: &mut Pool) {
        self.consume_end(self.len.saturating_sub(count), pool);
    }

    fn consume_end(&mut self, count: u32, pool: &mut Pool) {
        self.len -= count;
        if self.len == 0 {
            self.start = 0;
            pool.give(std::mem::take(&mut self.room));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::{Pool, Ring};

    proptest! {
        /// Against a plain queue.
        #[test]
        fn keeps_bytes_in_order(operations in prop::collection::vec((0_u8..4, 0_u32..9_000), 0..60)) {
            let (mut ring, mut pool) = (Ring::default(), Pool::default());
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
