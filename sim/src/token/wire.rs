//! The bytes of a token: numbers of variable length, least significant seven bits first, and the checksum.
//!
//! # Invariants
//! A number has one encoding. Reading never goes beyond the end of the bytes.

use super::PREFIX;

pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads bytes from the front. Its methods return `None` if the bytes end, or are not encoded as [`put`] does.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                // A last byte of zero would be a second encoding.
                return (byte != 0 || shift == 0).then_some(number);
            }
        }
        None
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.u64()?.try_into().ok()
    }

    /// Reads a count of items that take at least a byte each.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.u64()?).ok()?;
        (count <= self.0.len()).then_some(count)
    }
}

/// Returns the checksum of a token with these bytes.
pub(super) fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32(&[PREFIX.as_bytes(), bytes].concat()).to_be_bytes()
}

/// Returns the CRC-32 (IEEE 802.3), which detects every change within 32 consecutive bits.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| crc >> 1 ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::{Reader, crc32, put};

    #[test]
    fn reads_what_it_puts() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            let mut reader = Reader(&bytes);
            assert_eq!(reader.u64(), Some(number));
            assert!(reader.0.is_empty());
        }
        assert_eq!(Reader(&[0x80, 0x00]).u64(), None, "a second encoding of 0");
        assert_eq!(Reader(&[0x80]).u64(), None, "no end");
        assert_eq!(Reader(&[0xFF; 11]).u64(), None, "more than 64 bits");
    }

    #[test]
    fn checks_as_the_standard_does() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
