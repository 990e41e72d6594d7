//! Crockford's base 32: digits and upper-case letters without I, L, O and U.
//!
//! # Invariants
//! Decoding also accepts lower case, and I, L and O for the digits they resemble. Apart from that, each byte string has one
//! encoding: the spare bits of the last character are zero.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut count) = (0_u32, 0);
    let mut push = |bits: u32| text.push(char::from(ALPHABET[(bits & 31) as usize]));
    for &byte in bytes {
        bits = (bits & 0xFF) << 8 | u32::from(byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            push(bits >> count);
        }
    }
    if count > 0 {
        push(bits << (5 - count));
    }
    text
}

/// Returns the bytes, and whether the spare bits are zero. An error is the first character outside the alphabet.
pub(super) fn decode(text: &str) -> Result<(Vec<u8>, bool), char> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.chars() {
        let upper = match character.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let digit = ALPHABET.iter().position(|&known| char::from(known) == upper).ok_or(character)?;
        bits = (bits & 0x1F_FFFF) << 5 | u32::try_from(digit).expect("below 32");
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xFF) as u8);
        }
    }
    Ok((bytes, bits & ((1 << count) - 1) == 0))
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn decodes_what_it_encodes() {
        for length in 0..40_u8 {
            let bytes: Vec<u8> =
                (0..length).map(|index| index.wrapping_mul(73).wrapping_add(length)).collect();
            assert_eq!(decode(&encode(&bytes)), Ok((bytes.clone(), true)));
            assert_eq!(decode(&encode(&bytes).to_lowercase()), Ok((bytes, true)));
        }
    }

    #[test]
    fn encodes_as_crockford_does() {
        assert_eq!(encode(&[0x00, 0x44, 0x32, 0x14, 0xC7]), "01234567");
        assert_eq!(encode(&[0xFF]), "ZW");
        assert_eq!(decode("oiL"), decode("011"));
        assert_eq!(decode("0U"), Err('U'));
        assert_eq!(decode("ZX"), Ok((vec![0xFF], false)));
    }
}
