//! Session tickets with keys from the run.
//!
//! # Invariants
//! A ticket is accepted for at least six and at most twelve hours by the clock of the server's node, unless the test
//! changes that clock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::rustls::crypto::CryptoProvider;
use ::rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, NONCE_LEN, OutboundChunks, OutboundPlainMessage, Tls13AeadAlgorithm,
};
use ::rustls::server::ProducesTickets;
use ::rustls::time_provider::TimeProvider;
use ::rustls::{ContentType, Error, ProtocolVersion};

use super::NodeClock;
use crate::rng::fill;

/// How long a key seals tickets, in seconds. It opens them for as long again.
const ROTATION_S: u64 = 6 * 60 * 60;
const KEY_LEN: usize = 32;
/// The maximum size of a TLS record, in which a ticket is sealed.
const LONGEST: usize = 1 << 14;

/// Creates a ticketer for `ServerConfig::ticketer`. It draws its keys from the run's random numbers and follows the
/// [clock of the node](NodeClock). As in rustls, it changes its key every six hours and accepts tickets for twelve.
///
/// It seals a ticket as a TLS 1.3 record, with a cipher of the provider. Without a ticketer a TLS 1.3 server stores
/// the sessions of its tickets itself, which is deterministic too.
///
/// # Errors
/// Returns a [`rustls::Error::General`] if the provider has no TLS 1.3 cipher with a 256-bit key.
///
/// # Panics
/// Outside of a run; so do sealing and opening a ticket.
pub fn ticketer(provider: &CryptoProvider) -> Result<Arc<dyn ProducesTickets>, Error> {
    let suites = provider.cipher_suites.iter().filter_map(|suite| suite.tls13());
    let Some(cipher) = suites.map(|suite| suite.aead_alg).find(|cipher| cipher.key_len() == KEY_LEN) else {
        let message = "session tickets need a TLS 1.3 cipher with a 256-bit key; \
                       add one to the cipher suites of the provider";
        return Err(Error::General(message.to_owned()));
    };
    let keys = Keys { current: new_key(), previous: None, until_s: now_s()?.saturating_add(ROTATION_S) };
    Ok(Arc::new(Ticketer { cipher, keys: Mutex::new(keys) }))
}

struct Ticketer {
    cipher: &'static dyn Tls13AeadAlgorithm,
    keys: Mutex<Keys>,
}

struct Keys {
    current: [u8; KEY_LEN],
    previous: Option<[u8; KEY_LEN]>,
    /// When the current key becomes the previous one, in seconds since 1970.
    until_s: u64,
}

impl Ticketer {
    /// Returns the current keys, after rotating them if it is time.
    fn keys(&self) -> Option<MutexGuard<'_, Keys>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let now_s = now_s().ok()?;
        if now_s >= keys.until_s {
            let old = std::mem::replace(&mut keys.current, new_key());
            let next_s = keys.until_s.saturating_add(ROTATION_S);
            // If a whole period has passed without a use, the old key has expired too.
            (keys.previous, keys.until_s) =
                if now_s < next_s { (Some(old), next_s) } else { (None, now_s.saturating_add(ROTATION_S)) };
        }
        Some(keys)
    }

    fn open(&self, key: [u8; KEY_LEN], nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = sealed.to_vec();
        let record = InboundOpaqueMessage::new(
            ContentType::ApplicationData,
            // The version that TLS 1.3 records carry.
            ProtocolVersion::TLSv1_2,
            &mut sealed,
        );
        let mut decrypter = self.cipher.decrypter(AeadKey::from(key), Iv::from(nonce));
        Some(decrypter.decrypt(record, 0).ok()?.payload.to_vec())
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        2 * ROTATION_S as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        if plain.len() > LONGEST {
            return None;
        }
        let key = self.keys()?.current;
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce, "seal a TLS ticket");
        let record = OutboundPlainMessage {
            typ: ContentType::ApplicationData,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(plain),
        };
        let mut encrypter = self.cipher.encrypter(AeadKey::from(key), Iv::from(nonce));
        let sealed = encrypter.encrypt(record, 0).ok()?;
        Some([&nonce, sealed.payload.as_ref()].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.split_first_chunk()?;
        let (current, previous) = {
            let keys = self.keys()?;
            (keys.current, keys.previous)
        };
        let open = |key| self.open(key, *nonce, sealed);
        open(current).or_else(|| previous.and_then(open))
    }
}

impl fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticketer").finish_non_exhaustive()
    }
}

fn new_key() -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    fill(&mut key, "draw a key for TLS tickets");
    key
}

fn now_s() -> Result<u64, Error> {
    NodeClock.current_time().map(|now| now.as_secs()).ok_or(Error::FailedToGetCurrentTime)
}
