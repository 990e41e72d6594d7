//! Streams of random numbers: a [`Stream`] is ChaCha8 keyed by seed, domain and entity.
//!
//! # Invariants
//! - A stream is a function of its seed, its domain and its entity, so a draw from one stream affects no other.
//! - Bounded numbers come from a sampler in this module. The samplers of `rand` may change their values in a minor
//!   release, and the meaning of a seed may not change.

use crate::chacha::{ChaCha8, WORDS};
use crate::{Domain, Seed};

/// A stream of random numbers: ChaCha8, keyed by seed, domain and entity.
///
/// Creating one costs about 90 ns and a number about 1.3 ns, so streams are created by their first draw.
// The words are buffered here rather than in a generator, so that taking one is a few inlined instructions and
// generating more is an out-of-line call.
#[derive(Clone, Debug)]
pub struct Stream {
    core: ChaCha8,
    /// The index of the next word; past the end, more must be generated.
    next: usize,
    words: [u32; WORDS],
}

impl Stream {
    /// Creates the stream for `entity` (a task, a link, …) in `domain` under `seed`.
    #[must_use]
    pub fn new(seed: Seed, domain: Domain, entity: u64) -> Self {
        Self { core: core(seed, domain, entity), next: WORDS, words: [0; WORDS] }
    }

    /// As [`new`](Self::new), reusing the memory of a stream that is no longer needed.
    pub(crate) fn reset(&mut self, seed: Seed, domain: Domain, entity: u64) {
        self.core = core(seed, domain, entity);
        self.next = WORDS;
    }

    /// Returns the next 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        // Not `get`, which is several calls in a debug build.
        if self.next >= WORDS {
            return self.first_of_more();
        }
        let word = self.words[self.next];
        self.next += 1;
        word
    }

    #[cold]
    #[inline(never)]
    fn first_of_more(&mut self) -> u32 {
        self.core.generate(&mut self.words);
        self.next = 1;
        self.words[0]
    }

    /// Returns the next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Fills `bytes` with random bytes.
    pub fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.next_u32().to_le_bytes()[..chunk.len()]);
        }
    }

    /// A number below `bound`, each as likely as the next to within one part in 2³² / `bound`.
    ///
    /// # Panics
    /// When `bound` is 0.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "a bound of 0 leaves nothing to choose from");
        // Multiply and shift (Lemire 2019) without the rejection step: one draw a decision, always.
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }
}

fn core(seed: Seed, domain: Domain, entity: u64) -> ChaCha8 {
    let mut key = [0_u8; 32];
    key[..8].copy_from_slice(&seed.0.to_le_bytes());
    key[8..16].copy_from_slice(&entity.to_le_bytes());
    key[16] = domain.code();
    key[24..].copy_from_slice(b"timeloop");
    ChaCha8::new(key)
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    /// The stream yields the words of `rand_chacha`'s generator, whichever method takes them.
    #[test]
    fn a_stream_is_chacha8() {
        let mut key = [0; 32];
        key[0] = 7;
        key[8] = 9;
        key[16] = Domain::User.code();
        key[24..].copy_from_slice(b"timeloop");
        let mut expected = ChaCha8Rng::from_seed(key);
        let mut stream = Stream::new(Seed(3), Domain::Schedule, 1);
        stream.next_u32();
        stream.reset(Seed(7), Domain::User, 9);
        for round in 0..400 {
            match round % 3 {
                0 => assert_eq!(stream.next_u32(), expected.next_u32()),
                1 => assert_eq!(stream.next_u64(), expected.next_u64()),
                _ => {
                    let mut bytes = [[0; 300]; 2];
                    let [ours, theirs] = &mut bytes;
                    stream.fill_bytes(&mut ours[..round * 7 % 301]);
                    expected.fill_bytes(&mut theirs[..round * 7 % 301]);
                    assert_eq!(ours, theirs);
                }
            }
        }
    }
}
