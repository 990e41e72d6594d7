//! Keys without cryptographic strength.
//!
//! # Invariants
//! A signature does not verify, and a sealed message does not open, with another key or after a changed bit. The
//! bytes are the same on every machine.

use std::fmt;

use ::quinn::crypto::{AeadKey, CryptoError, HandshakeTokenKey, HmacKey};

/// The size of a signature.
const TAG_BYTES: usize = 16;

/// A key for stateless resets and address tokens. It needs no cryptography library, keeps nothing secret and resists
/// no attacker.
///
/// ```
/// use std::sync::Arc;
/// use timeloop::adapters::quinn::{Key, endpoint_config};
///
/// timeloop::run(1, || async {
///     let mut config = endpoint_config();
///     // The same key after a crash, so that clients recognize the reset.
///     config.reset_key(Arc::new(Key::new([7; 32])));
/// })?;
/// # Ok::<(), timeloop::Failure>(())
/// ```
#[derive(Clone)]
pub struct Key {
    words: [u64; 4],
}

impl Key {
    /// Creates a key from 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(8)) {
            *word = little_endian(bytes);
        }
        Self { words }
    }

    /// Draws a key from the run's random numbers.
    ///
    /// # Panics
    /// Outside of a run.
    #[must_use]
    pub fn draw() -> Self {
        Self::new(super::config::drawn())
    }

    /// Returns a keyed hash of the messages.
    fn digest(&self, messages: [&[u8]; 2]) -> [u64; 4] {
        let mut state = self.words;
        for message in messages {
            state[0] ^= message.len() as u64;
            mix(&mut state);
            for bytes in message.chunks(8) {
                state[0] ^= little_endian(bytes);
                mix(&mut state);
            }
        }
        mix(&mut state);
        mix(&mut state);
        state
    }

    fn tag(&self, messages: [&[u8]; 2]) -> [u8; TAG_BYTES] {
        let [one, other, ..] = self.digest(messages);
        ((u128::from(one) << 64) | u128::from(other)).to_le_bytes()
    }

    /// Encrypts or decrypts bytes.
    fn cover(&self, bytes: &mut [u8]) {
        for (number, part) in (0_u64..).zip(bytes.chunks_mut(8)) {
            let [_, _, word, _] = self.digest([&number.to_le_bytes(), &[]]);
            for (byte, cover) in part.iter_mut().zip(word.to_le_bytes()) {
                *byte ^= cover;
            }
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// Mixes the state. After four calls, each bit depends on each bit before.
fn mix(state: &mut [u64; 4]) {
    for index in 0..4 {
        let mut word = state[index].wrapping_add(state[(index + 3) % 4].rotate_left(23));
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state[index] = word ^ (word >> 31);
    }
}

impl HmacKey for Key {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&self.tag([data, &[]]));
    }

    fn signature_len(&self) -> usize {
        TAG_BYTES
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if self.tag([data, &[]]) == signature { Ok(()) } else { Err(CryptoError) }
    }
}

impl HandshakeTokenKey for Key {
    fn aead_from_hkdf(&self, random_bytes: &[u8]) -> Box<dyn AeadKey> {
        Box::new(Self { words: self.digest([random_bytes, b"token"]) })
    }
}

impl AeadKey for Key {
    fn seal(&self, data: &mut Vec<u8>, additional_data: &[u8]) -> Result<(), CryptoError> {
        self.cover(data);
        data.extend(self.tag([additional_data, data]));
        Ok(())
    }

    fn open<'a>(&self, data: &'a mut [u8], additional_data: &[u8]) -> Result<&'a mut [u8], CryptoError> {
        let (bytes, tag) = data.split_last_chunk_mut::<TAG_BYTES>().ok_or(CryptoError)?;
        if self.tag([additional_data, bytes]) != *tag {
            return Err(CryptoError);
        }
        self.cover(bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{AeadKey, HandshakeTokenKey, HmacKey, Key};

    fn key(number: u8) -> Key {
        Key::new([number; 32])
    }

    #[test]
    fn what_one_key_signs_another_does_not() {
        let mut signature = [0; 16];
        key(1).sign(b"a connection", &mut signature);
        assert!(key(1).verify(b"a connection", &signature).is_ok());
        assert!(key(2).verify(b"a connection", &signature).is_err());
        assert!(key(1).verify(b"a connectioN", &signature).is_err());
        signature[15] ^= 1;
        assert!(key(1).verify(b"a connection", &signature).is_err());
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_alone() {
        let sealed = |key: &dyn AeadKey| {
            let mut bytes = b"an address and a time of day".to_vec();
            key.seal(&mut bytes, b"about").unwrap();
            bytes
        };
        let same = key(1).aead_from_hkdf(b"nonce");
        let bytes = sealed(&*same);
        assert!(!bytes.windows(7).any(|part| part == b"address"));
        assert_eq!(same.open(&mut bytes.clone(), b"about").unwrap(), b"an address and a time of day");
        assert!(same.open(&mut bytes.clone(), b"besides").is_err());
        assert!(same.open(&mut bytes[..8].to_vec(), b"about").is_err());
        assert!(key(1).aead_from_hkdf(b"another").open(&mut bytes.clone(), b"about").is_err());
        assert!(key(2).aead_from_hkdf(b"nonce").open(&mut bytes.clone(), b"about").is_err());
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(same.open(&mut changed, b"about").is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_bytes_are_pinned() {
        let mut signature = [0; 16];
        key(7).sign(b"pinned", &mut signature);
        assert_eq!(u128::from_le_bytes(signature), 15_385_988_259_878_900_570_866_874_787_197_144_121);
    }
}
