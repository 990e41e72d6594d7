//! The generator behind every stream: ChaCha with eight rounds.
//!
//! Release builds use `rand_chacha`, which generates four blocks at once in wide registers. In a debug build each of
//! those instructions is several calls: a number would cost a sixth of a step, and the first number of a run as much as
//! ten steps. Tests run in debug builds, so those use a plain implementation that generates one block at a time.
//!
//! # Invariants
//! - Both implementations generate the same words, in the same order, for the same key.

#[cfg(debug_assertions)]
pub(crate) use plain::{ChaCha8, WORDS};
#[cfg(not(debug_assertions))]
pub(crate) use wide::{ChaCha8, WORDS};

#[cfg(not(debug_assertions))]
mod wide {
    use rand_chacha::ChaCha8Core;
    use rand_chacha::rand_core::SeedableRng;
    use rand_chacha::rand_core::block::Generator;

    /// The words of four blocks.
    pub(crate) const WORDS: usize = 64;

    /// The state of the generator.
    #[derive(Clone, Debug)]
    pub(crate) struct ChaCha8(ChaCha8Core);

    impl ChaCha8 {
        #[inline]
        pub(crate) fn new(key: [u8; 32]) -> Self {
            Self(ChaCha8Core::from_seed(key))
        }

        /// Generates the next four blocks.
        #[inline]
        pub(crate) fn generate(&mut self, words: &mut [u32; WORDS]) {
            self.0.generate(words);
        }
    }
}

#[cfg(any(debug_assertions, test))]
mod plain {
    /// The words of a block.
    pub(crate) const WORDS: usize = 16;

    /// The state of the generator.
    #[derive(Clone, Debug)]
    pub(crate) struct ChaCha8 {
        key: [u32; 8],
        /// The number of the next block.
        block: u64,
    }

    /// A quarter round.
    macro_rules! mix {
        ($a:ident $b:ident $c:ident $d:ident) => {
            $a = $a.wrapping_add($b);
            $d = ($d ^ $a).rotate_left(16);
            $c = $c.wrapping_add($d);
            $b = ($b ^ $c).rotate_left(12);
            $a = $a.wrapping_add($b);
            $d = ($d ^ $a).rotate_left(8);
            $c = $c.wrapping_add($d);
            $b = ($b ^ $c).rotate_left(7);
        };
    }

    impl ChaCha8 {
        pub(crate) fn new(key: [u8; 32]) -> Self {
            let mut words = [0; 8];
            let mut place = 0;
            while place < 8 {
                let bytes = [key[4 * place], key[4 * place + 1], key[4 * place + 2], key[4 * place + 3]];
                words[place] = u32::from_le_bytes(bytes);
                place += 1;
            }
            Self { key: words, block: 0 }
        }

        /// Generates the next block.
        pub(crate) fn generate(&mut self, words: &mut [u32; WORDS]) {
            // "expand 32-byte k", the key, the number of the block and that of the stream, which is always 0.
            let [c0, c1, c2, c3] = [0x6170_7865_u32, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
            let [k0, k1, k2, k3, k4, k5, k6, k7] = self.key;
            let (low, high) = (self.block as u32, (self.block >> 32) as u32);
            let (mut x0, mut x1, mut x2, mut x3) = (c0, c1, c2, c3);
            let (mut x4, mut x5, mut x6, mut x7) = (k0, k1, k2, k3);
            let (mut x8, mut x9, mut x10, mut x11) = (k4, k5, k6, k7);
            let (mut x12, mut x13, mut x14, mut x15) = (low, high, 0_u32, 0_u32);
            let mut rounds = 0;
            while rounds < 8 {
                mix!(x0 x4 x8 x12);
                mix!(x1 x5 x9 x13);
                mix!(x2 x6 x10 x14);
                mix!(x3 x7 x11 x15);
                mix!(x0 x5 x10 x15);
                mix!(x1 x6 x11 x12);
                mix!(x2 x7 x8 x13);
                mix!(x3 x4 x9 x14);
                rounds += 2;
            }
            words[0] = x0.wrapping_add(c0);
            words[1] = x1.wrapping_add(c1);
            words[2] = x2.wrapping_add(c2);
            words[3] = x3.wrapping_add(c3);
            words[4] = x4.wrapping_add(k0);
            words[5] = x5.wrapping_add(k1);
            words[6] = x6.wrapping_add(k2);
            words[7] = x7.wrapping_add(k3);
            words[8] = x8.wrapping_add(k4);
            words[9] = x9.wrapping_add(k5);
            words[10] = x10.wrapping_add(k6);
            words[11] = x11.wrapping_add(k7);
            words[12] = x12.wrapping_add(low);
            words[13] = x13.wrapping_add(high);
            words[14] = x14;
            words[15] = x15;
            self.block += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::plain::{ChaCha8, WORDS};

    #[test]
    fn the_words_are_those_of_rand_chacha() {
        for first in 0..20 {
            let key = std::array::from_fn(|place| (place as u8).wrapping_mul(37).wrapping_add(first));
            let (mut ours, mut theirs) = (ChaCha8::new(key), ChaCha8Rng::from_seed(key));
            for _ in 0..10 {
                let mut words = [0; WORDS];
                ours.generate(&mut words);
                assert_eq!(words, std::array::from_fn(|_| theirs.next_u32()));
            }
        }
    }
}
