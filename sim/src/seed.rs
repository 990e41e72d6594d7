//! Seeds, and the streams of random numbers that come from them.
//!
//! Always true: a stream is a function of its seed, its domain and its entity, so a draw from one stream shifts nothing
//! in another; and a number is bounded by our own sampler, since the sampling code of `rand` may change its values in a
//! minor release and the meaning of a seed may not.

use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Domain;

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
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream for `entity` (a task, a link, …) in `domain` under `seed`.
    #[must_use]
    pub fn new(seed: Seed, domain: Domain, entity: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.0.to_le_bytes());
        key[8..16].copy_from_slice(&entity.to_le_bytes());
        key[16] = domain.code();
        key[24..].copy_from_slice(b"timeloop");
        Self(ChaCha8Rng::from_seed(key))
    }

    /// The next 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes` with random bytes.
    pub fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A number below `bound`, each as likely as the next to within one part in 2³² / `bound`.
    ///
    /// # Panics
    /// When `bound` is 0.
    // Not inlined: the refilling of a ChaCha buffer in the middle of a scheduler's loop costs it its registers.
    #[inline(never)]
    pub fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "a bound of 0 leaves nothing to choose from");
        // Multiply and shift (Lemire 2019) without the rejection step: one draw a decision, always.
        ((u64::from(self.next_u32()) * u64::from(bound)) >> 32) as u32
    }
}
