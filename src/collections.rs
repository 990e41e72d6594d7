//! Hash maps and sets that iterate in the same order in every run and every process.
//!
//! The standard library's maps hash with keys that differ in each process. Code that iterates over one behaves
//! differently each time, so a seed no longer determines the run. These are the same maps with a fixed hasher:
//!
//! ```
//! use timeloop::collections::{FixedExt as _, HashMap};
//!
//! let mut stock = HashMap::new(); // or `HashMap::default()`
//! stock.insert("apples", 3);
//! stock.insert("pears", 5);
//! let names: Vec<_> = stock.keys().copied().collect(); // in the same order each time
//! # assert_eq!(names.len(), 2);
//! ```
//!
//! # Guarantees
//!
//! The same operations in the same order on maps of the same types give the same order of iteration: in each run, each
//! process and each build with the same standard library for the same target.
//!
//! The hashes are the same on every machine and in every version, and golden tests pin them. Integers hash by value,
//! whatever the machine's byte order. The standard library makes one exception: it passes a *slice* of integers wider
//! than a byte to the hasher as the bytes in memory. How a map uses a hash is up to the standard library, and may
//! change with its version or the target.
//!
//! # Limits
//!
//! The hasher does not resist keys chosen to collide: these maps are for code under test, and for the state of a test.
//! If the order itself matters, use a `BTreeMap`.
//!
//! # Invariants
//! A hash depends only on what was written to the hasher.

use std::hash::{BuildHasher, Hasher};

/// `std`'s hash map, with a fixed hasher.
#[expect(clippy::disallowed_types, reason = "with a fixed hasher its order does not vary")]
pub type HashMap<K, V> = std::collections::HashMap<K, V, FixedState>;

/// `std`'s hash set, with a fixed hasher.
#[expect(clippy::disallowed_types, reason = "with a fixed hasher its order does not vary")]
pub type HashSet<T> = std::collections::HashSet<T, FixedState>;

/// The constructors that `std` defines only for its own hasher.
pub trait FixedExt: Sized {
    /// Creates an empty collection.
    #[must_use]
    fn new() -> Self;

    /// Creates an empty collection with capacity for `capacity` entries.
    #[must_use]
    fn with_capacity(capacity: usize) -> Self;
}

impl<K, V> FixedExt for HashMap<K, V> {
    fn new() -> Self {
        Self::default()
    }

    fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_hasher(capacity, FixedState)
    }
}

impl<T> FixedExt for HashSet<T> {
    fn new() -> Self {
        Self::default()
    }

    fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_hasher(capacity, FixedState)
    }
}

/// Builds identical [`FixedHasher`]s. Use it for maps of other crates that take a [`BuildHasher`].
///
/// ```
/// use std::hash::BuildHasher;
/// use timeloop::collections::FixedState;
/// assert_eq!(FixedState.hash_one("apples"), 0xA041_C8EB_F440_713C);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedState;

impl BuildHasher for FixedState {
    type Hasher = FixedHasher;

    #[inline]
    fn build_hasher(&self) -> FixedHasher {
        FixedHasher::default()
    }
}

/// A fixed, portable hasher: suitable for maps, without protection against chosen keys.
///
/// Each word is folded into the state by a 64 × 64 → 128 bit multiplication whose halves are then xored, so that every
/// bit of the word reaches both ends of the state: `std`'s maps take a bucket from the low end of a hash and a tag from
/// the high end.
#[derive(Clone, Debug)]
pub struct FixedHasher {
    state: u64,
}

/// The initial state: the fraction of π.
const START: u64 = 0x243F_6A88_85A3_08D3;
/// The multiplier of a word: the fraction of the golden ratio, odd and with well-spread bits.
const WORD: u64 = 0x9E37_79B9_7F4A_7C15;
/// The multiplier of the final step: the fraction of √3, with the same properties.
const FINISH: u64 = 0xBB67_AE85_84CA_A73B;

impl Default for FixedHasher {
    #[inline]
    fn default() -> Self {
        Self { state: START }
    }
}

/// Returns the xor of the two halves of the product.
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

impl FixedHasher {
    #[inline]
    fn word(&mut self, word: u64) {
        // The rotation makes the hash depend on the order of words. Without it, equal words in a row would cancel out.
        self.state = fold(self.state.rotate_left(23) ^ word, WORD);
    }
}

impl Hasher for FixedHasher {
    #[inline]
    fn finish(&self) -> u64 {
        fold(self.state, FINISH)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            // At most seven bytes are left, so the last byte of the word is free for their number.
            word[7] = rest.len() as u8;
            self.word(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.word(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    #[inline]
    fn write_u128(&mut self, number: u128) {
        self.word(number as u64);
        self.word((number >> 64) as u64);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        // As 64 bits on every target.
        self.word(number as u64);
    }

    #[inline]
    fn write_isize(&mut self, number: isize) {
        // The default converts by way of `usize`, where a negative number would lose its upper half on 32-bit targets.
        self.word(number as i64 as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, Hash};

    use super::*;

    fn hash(value: impl Hash) -> u64 {
        FixedState.hash_one(value)
    }

    /// Changing a value here changes the order of maps under every seed: a breaking change.
    #[test]
    fn hashes_are_pinned() {
        assert_eq!(FixedHasher::default().finish(), 0x03DF_1E7F_7166_C9D2);
        assert_eq!(hash(0_u64), 0x6449_ADCD_57ED_92D6);
        assert_eq!(hash(1_u64), 0x5511_FC81_7B13_9830);
        assert_eq!(hash(u64::MAX), 0xC770_CF7E_D9E8_B00E);
        assert_eq!(hash(""), 0x07DA_E3BF_F361_4D6E);
        assert_eq!(hash("timeloop"), 0xB99A_EB74_5C35_75B4);
        assert_eq!(hash("a longer key, of more than one word"), 0xF525_05C9_17A6_D782);
        assert_eq!(hash((7_u8, -1_i32, 'é', [1_u8, 2, 3].as_slice())), 0x69DC_C7FA_48A1_8EB2);
        assert_eq!(hash(u128::MAX - 1), 0x709F_7609_DCB1_3675);
    }

    #[test]
    fn order_of_iteration_is_pinned_to_insertion() {
        let order = || {
            let mut map = HashMap::default();
            for number in 0..100_u32 {
                map.insert(number, ());
            }
            map.remove(&17);
            map.into_keys().collect::<Vec<_>>()
        };
        assert_eq!(order(), order());
        assert!(!order().is_sorted(), "a hash map in order of keys would hide its users' mistakes");
    }

    #[test]
    fn numbers_hash_by_value_on_every_target() {
        assert_eq!(hash(7_u8), hash(7_u64));
        assert_eq!(hash(7_usize), hash(7_u64));
        assert_eq!(hash(-7_isize), hash(-7_i64));
    }

    #[test]
    fn bytes_are_read_from_the_low_end() {
        let mut bytes = FixedHasher::default();
        bytes.write(&[1, 2, 0, 0, 0, 0, 0, 0]);
        let mut number = FixedHasher::default();
        number.write_u64(0x0201);
        assert_eq!(bytes.finish(), number.finish());
    }

    #[test]
    fn what_is_written_counts_wholly_and_in_order() {
        let texts = [
            "",
            "a",
            "b",
            "ab",
            "ba",
            "aa",
            "a\0",
            "\0",
            "\0\0",
            "12345678",
            "123456781",
            "1234567812345678",
        ];
        let mut seen = std::collections::BTreeSet::new();
        assert!(texts.iter().all(|text| seen.insert(hash(text))));
        assert_ne!(hash((1_u64, 2_u64)), hash((2_u64, 1_u64)));
        assert_ne!(hash((1_u64, 1_u64)), hash((1_u64, 1_u64, 1_u64)));
    }

    /// Each bit of a key flips each bit of the hash about half of the time.
    #[test]
    fn every_bit_of_a_key_reaches_every_bit_of_the_hash() {
        const KEYS: u64 = 2_000;
        for flipped in 0..64 {
            let mut flips = [0_u32; 64];
            for key in 0..KEYS {
                let difference = hash(key) ^ hash(key ^ (1 << flipped));
                for (bit, count) in flips.iter_mut().enumerate() {
                    *count += u32::from(difference >> bit & 1 == 1);
                }
            }
            for (bit, count) in flips.into_iter().enumerate() {
                let share = f64::from(count) / KEYS as f64;
                assert!(
                    (0.3..0.7).contains(&share),
                    "bit {flipped} of the key flips bit {bit} in {share} of hashes"
                );
            }
        }
    }

    /// Consecutive numbers, multiples and short texts fill buckets (the low bits) and tags (the high ones) evenly.
    #[test]
    fn common_keys_spread_over_buckets_and_tags() {
        let evenly = |what: &str, hashes: Vec<u64>| {
            for (end, shift) in [("low", 0), ("high", 57)] {
                let mut buckets = [0_u32; 128];
                hashes.iter().for_each(|hash| buckets[(hash >> shift & 127) as usize] += 1);
                let expected = hashes.len() as f64 / 128.0;
                let chi2: f64 = buckets.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
                // 127 degrees of freedom: mean 127, standard deviation 16.
                assert!(chi2 < 127.0 + 6.0 * 16.0, "{what}, {end} bits: chi-squared {chi2}");
            }
        };
        evenly("consecutive", (0..20_000_u64).map(hash).collect());
        evenly("multiples of 4096", (0..20_000_u64).map(|n| hash(n * 4096)).collect());
        evenly("high bits", (0..20_000_u64).map(|n| hash(n << 48)).collect());
        evenly("texts", (0..20_000_u64).map(|n| hash(format!("key-{n}"))).collect());
        evenly("pairs", (0..20_000_u32).map(|n| hash((n / 100, n % 100))).collect());
    }
}
