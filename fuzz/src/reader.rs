//! [`Reader`]: decodes a fuzzer's bytes from the front.
//!
//! # Invariants
//! After the end of the bytes it reads zeros. Zero is always the simplest choice, so a short input is a simple one.

/// Decodes values from the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Creates a reader of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns whether all bytes have been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Reads a flag: whether the next byte is odd.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Reads a number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Picks one of the values.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Reads a number, which is usually small.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..240 => u64::from(small),
            width => (0..=width - 240).fold(0, |sum, _| sum << 8 | u64::from(self.byte())),
        }
    }

    /// Reads a number, truncated to 32 bits.
    pub fn number_u32(&mut self) -> u32 {
        self.number() as u32
    }

    /// Splits off a part of the bytes, whose length is the next byte.
    pub fn part(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (part, rest) = self.0.split_at(length);
        self.0 = rest;
        part
    }

    /// Returns the remaining bytes.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }
}
