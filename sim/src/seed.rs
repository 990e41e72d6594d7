//! Seeds, and the streams of random numbers that come from them.
//!
//! Always true: a stream is a function of its seed, its domain and its entity, so a draw from one stream shifts nothing
//! in another; and a number is bounded by our own sampler, since the sampling code of `rand` may change its values in a
//! minor release and the meaning of a seed may not.

use std::fmt;

use crate::Domain;
use crate::chacha::{ChaCha8, WORDS};

/// The number that every decision of a run comes from.
///
/// ```
/// use timeloop_sim::Seed;
/// assert_eq!(Seed(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the run with this index in an exploration that starts at `self`: consecutive numbers, so that
    /// a person can tell which run failed from its seed.
    #[must_use]
    pub fn of_run(self, index: u64) -> Self {
        Self(self.0.wrapping_add(index))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for Seed {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// A stream of random numbers: ChaCha8, keyed by seed, domain and entity.
///
/// Creating one costs about 90 ns, a number about 1.3 ns, so streams are made when first drawn from.
// Its words stand here, and not in a generator, so that to take one is a few instructions where it is
// needed, and the making of more a call apart.
#[derive(Clone, Debug)]
pub struct Stream {
    core: ChaCha8,
    /// Which of the words is next; past the last one there are none left.
    next: usize,
    words: [u32; WORDS],
}

impl Stream {
    /// The stream for `entity` (a task, a link, …) in `domain` under `seed`.
    #[must_use]
    pub fn new(seed: Seed, domain: Domain, entity: u64) -> Self {
        Self { core: core(seed, domain, entity), next: WORDS, words: [0; WORDS] }
    }

    /// As `new`, in the place of a stream that is of no use any more.
    pub(crate) fn renew(&mut self, seed: Seed, domain: Domain, entity: u64) {
        self.core = core(seed, domain, entity);
        self.next = WORDS;
    }

    /// The next 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        // Not `get`, which is a few calls in a debug build.
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

    /// The next 64 random bits.
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

    /// The words come as the generator of `rand_chacha` itself gives them, however they are asked for.
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
        stream.renew(Seed(7), Domain::User, 9);
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
