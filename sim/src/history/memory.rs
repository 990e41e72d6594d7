//! The partial linearizations that the search has been at.
//!
//! Always true: membership is exact (a hash only says where to look), and nothing depends on the order of the table.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A set of partial linearizations, each by what later steps depend on.
#[derive(Debug)]
pub(super) struct Memory<S> {
    #[expect(clippy::disallowed_types, reason = "asked for members, never iterated")]
    seen: std::collections::HashSet<Place<S>, BuildHasherDefault<Mixer>>,
}

/// A point of the search.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Place<S> {
    /// All operations that returned before this one are in.
    pub(super) first: usize,
    /// Of those that returned later or never, these are.
    pub(super) others: Box<[u64]>,
    /// The state that they led to.
    pub(super) state: S,
}

impl<S: Eq + Hash> Memory<S> {
    pub(super) fn new() -> Self {
        Self { seen: Default::default() }
    }

    /// Whether the search is at this place for the first time.
    pub(super) fn is_new(&mut self, place: Place<S>) -> bool {
        self.seen.insert(place)
    }
}

/// Hashes with fixed keys: each word is multiplied in, and the halves of the product are folded.
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
