//! Session tickets whose keys are the run's.
//!
//! Always true: a ticket is accepted for six hours at least and for twelve at most, by the clock of the node that the server
//! is on; but for what the test does to that clock.

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

/// How long a key makes tickets, in seconds; it opens them for as long again.
const ROTATION_S: u64 = 6 * 60 * 60;
const KEY_LEN: usize = 32;
/// What fits into one record of TLS, in which tickets are sealed.
const LONGEST: usize = 1 << 14;

/// A maker of session tickets for `ServerConfig::ticketer`, whose keys are drawn from the run's random numbers, and which follows
/// the [clock of the node](NodeClock): a new key every six hours, tickets for twelve, as those of rustls itself.
///
/// It seals tickets with a cipher of the provider's, as a record of TLS 1.3. Without it a server of TLS 1.3 keeps what its
/// tickets stand for itself, which is the run's too.
///
/// # Errors
/// A [`rustls::Error::General`] where the provider has no cipher of TLS 1.3 with a key of 256 bits.
///
/// # Panics
/// Outside of a run; so do the tickets that it makes and opens.
pub fn ticketer(provider: &CryptoProvider) -> Result<Arc<dyn ProducesTickets>, Error> {
    let suites = provider.cipher_suites.iter().filter_map(|suite| suite.tls13());
    let Some(cipher) = suites.map(|suite| suite.aead_alg).find(|cipher| cipher.key_len() == KEY_LEN) else {
        let message = "to seal tickets takes a cipher of TLS 1.3 with a key of 256 bits, which the provider has not; \
                       add one to its cipher suites";
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
    /// When the current one is to be the previous one, in seconds since 1970.
    until_s: u64,
}

impl Ticketer {
    /// The keys of now.
    fn keys(&self) -> Option<MutexGuard<'_, Keys>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let now_s = now_s().ok()?;
        if now_s >= keys.until_s {
            let old = std::mem::replace(&mut keys.current, new_key());
            let next_s = keys.until_s.saturating_add(ROTATION_S);
            // What nobody has asked for in time is not kept any longer for that.
            (keys.previous, keys.until_s) =
                if now_s < next_s { (Some(old), next_s) } else { (None, now_s.saturating_add(ROTATION_S)) };
        }
        Some(keys)
    }

    fn open(&self, key: [u8; KEY_LEN], nonce: [u8; NONCE_LEN], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = sealed.to_vec();
        let record = InboundOpaqueMessage::new(
            ContentType::ApplicationData,
            // So it stands in records of TLS 1.3.
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
        fill(&mut nonce, "seal a ticket of TLS");
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
    fill(&mut key, "make a key for the tickets of TLS");
    key
}

fn now_s() -> Result<u64, Error> {
    NodeClock.current_time().map(|now| now.as_secs()).ok_or(Error::FailedToGetCurrentTime)
}
