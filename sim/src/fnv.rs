//! FNV-1a, 64 bits: short, fixed, and good enough to distinguish the failures and the operations of one test.

/// A hash of bytes, the same in every process and on every machine.
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Fnv {
    /// Adds `bytes`.
    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    /// Returns the hash of all bytes so far.
    pub(crate) fn get(&self) -> u64 {
        self.0
    }
}
