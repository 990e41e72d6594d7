//! The set of partial linearizations that the search has visited.
//!
//! # Invariants
//! Membership is exact: equal hashes are followed by a comparison. Nothing depends on the iteration order of the table.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The visited partial linearizations, each reduced to the parts that later steps depend on.
#[derive(Debug)]
pub(super) struct Visited<S> {
    #[expect(clippy::disallowed_types, reason = "asked for members, never iterated")]
    seen: std::collections::HashSet<Place<S>, BuildHasherDefault<Mixer>>,
}

/// A partial linearization, as far as later steps depend on it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Place<S> {
    /// The first operation that returned and is not placed: all that returned before it are.
    pub(super) first: usize,
    /// A bit for each operation that returned later or never: whether it is placed.
    pub(super) others: Box<[u64]>,
    /// The state after the placed operations.
    pub(super) state: S,
}

impl<S: Eq + Hash> Visited<S> {
    pub(super) fn new() -> Self {
        Self { seen: Default::default() }
    }

    /// Adds `place`. Returns whether it was new.
    pub(super) fn is_new(&mut self, place: Place<S>) -> bool {
        self.seen.insert(place)
    }
}

/// A hasher with fixed keys, which multiplies each word in and folds the halves of the product.
#[derive(Debug, Default)]
pub(super) struct Mixer(u64);

impl Mixer {
    fn word(&mut self, word: u64) {
        let product =
            u128::from(self.0.rotate_left(29) ^ word ^ 0x5851_F42D_4C95_7F2D) * 0x9E37_79B9_7F4A_7C15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0xD6E8_FEB8_6659_FD93) ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            word[7] = rest.len() as u8;
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }
}
