//! rustls in a run: TLS whose every random byte and every time of day is the run's.
//!
//! Always true: what this module puts into a provider draws from the random numbers of the task that uses it, and from
//! nothing else; what it leaves as it is (ciphers, hashes, verification of signatures) draws from nothing.
//!
//! rustls takes its random numbers, its key exchange and the time from where its configuration says, so it runs here as it
//! is published, over [`net::TcpStream`](crate::net::TcpStream) by way of tokio-rustls, for instance. Three things make a
//! configuration the run's: [`provider`], [`NodeClock`], and, for a server that gives tickets, [`ticketer`].
//!
//! ```
//! use std::sync::Arc;
//! use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::CryptoProvider};
//! use rustls::pki_types::{CertificateDer, PrivateKeyDer};
//! use timeloop::adapters::rustls::{NodeClock, provider, ticketer};
//!
//! /// `base` is `rustls::crypto::ring::default_provider()`, or that of aws-lc-rs.
//! fn client(base: CryptoProvider, roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
//!     let provider = Arc::new(provider(base));
//!     Ok(ClientConfig::builder_with_details(provider, Arc::new(NodeClock))
//!         .with_safe_default_protocol_versions()?
//!         .with_root_certificates(roots)
//!         .with_no_client_auth())
//! }
//!
//! fn server(
//!     base: CryptoProvider,
//!     chain: Vec<CertificateDer<'static>>,
//!     ed25519: PrivateKeyDer<'static>,
//! ) -> Result<ServerConfig, rustls::Error> {
//!     let provider = Arc::new(provider(base));
//!     let mut config = ServerConfig::builder_with_details(provider.clone(), Arc::new(NodeClock))
//!         .with_safe_default_protocol_versions()?
//!         .with_no_client_auth()
//!         .with_single_cert(chain, ed25519)?;
//!     config.ticketer = ticketer(&provider)?;
//!     Ok(config)
//! }
//! ```
//!
//! The same schedule then gives the same bytes on the wire. Make configurations within the run, best in the closure that
//! starts a node: they remember sessions and tickets, which one run may not leave to the next, nor a node to itself
//! after a crash.
//!
//! # Where rustls meets the real world
//!
//! All places of rustls 0.23, and what becomes of them:
//!
//! | | |
//! |---|---|
//! | randoms, session ids, nonces of tickets, the order of a client's extensions | drawn by [`provider`]'s `secure_random` |
//! | secrets of the key exchange, which ring and aws-lc-rs draw themselves | [`provider`] has X25519 alone, with a secret of the run's |
//! | signatures | Ed25519 is the same each time; ECDSA and RSA-PSS draw random numbers within ring and aws-lc-rs, so [`provider`] refuses their keys |
//! | the time, for certificates and tickets | [`NodeClock`], if `builder_with_details` is given it: `builder` and `builder_with_provider` read the real clock |
//! | `Ticketer::new` of ring and aws-lc-rs, `TicketRotator` | [`ticketer`] instead: theirs draw keys themselves, and read the real clock |
//! | hash maps: sessions by server or id, certificates by name | are only looked up, never iterated |
//! | `SSLKEYLOGFILE`, for who sets `key_log` to `KeyLogFile` | decides nothing |
//! | encrypted client hello: the HPKE of aws-lc-rs draws its keys itself | don't use it in a run |
//!
//! The keys that are drawn here are as predictable as a seed is.

mod ticketer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ::rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SharedSecret,
    SupportedKxGroup,
};
use ::rustls::pki_types::{PrivateKeyDer, UnixTime};
use ::rustls::sign::SigningKey;
use ::rustls::time_provider::TimeProvider;
use ::rustls::{Error, NamedGroup, PeerMisbehaved, SignatureAlgorithm};
use curve25519_dalek::MontgomeryPoint;

pub use ticketer::ticketer;

use crate::rng::fill;
use crate::time::{SystemTime, UNIX_EPOCH};

/// The provider with its random numbers and its key exchange replaced by the run's: what `base` has of ciphers, hashes and
/// verification stays as it is.
///
/// There is one key exchange, X25519; so a hello has not the size that one for a post-quantum exchange has. The private keys
/// that it loads are Ed25519 keys. Whoever can do with bytes that differ from run to run (the signatures of RSA at least
/// have always the same length) puts `base`'s own `key_provider` back.
///
/// # Panics
/// This never does, but the provider does where random numbers are drawn outside of a run.
///
/// # Errors
/// To load a private key of another kind is a [`rustls::Error::General`].
#[must_use]
pub fn provider(base: CryptoProvider) -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![&X25519],
        secure_random: &RunRandom,
        key_provider: repeatable(base.key_provider),
        ..base
    }
}

/// The wall clock of the node whose task asks, drift and jumps included: see [`Clock`](crate::world::Clock). Before 1970 rustls
/// knows no time; it says that it failed to get it.
///
/// # Panics
/// Where it is read outside of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeClock;

impl TimeProvider for NodeClock {
    fn current_time(&self) -> Option<UnixTime> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

/// The random numbers of the current task.
#[derive(Debug)]
struct RunRandom;

impl SecureRandom for RunRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        fill(bytes, "draw random numbers for TLS");
        Ok(())
    }
}

/// Diffie and Hellman's exchange on Curve25519 (RFC 7748), with secrets of the run's.
#[derive(Debug)]
struct X25519;

struct Exchange {
    secret: [u8; 32],
    public: [u8; 32],
}

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; 32];
        fill(&mut secret, "make a secret for TLS");
        let public = MontgomeryPoint::mul_base_clamped(secret).to_bytes();
        Ok(Box::new(Exchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer: [u8; 32] = peer.try_into().map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = MontgomeryPoint(peer).mul_clamped(self.secret).to_bytes();
        // What a point of small order gives, whatever the secret.
        if shared == [0; 32] {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(&shared[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// Loads the keys whose signatures are the same each time.
struct Repeatable {
    base: &'static dyn KeyProvider,
}

impl KeyProvider for Repeatable {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let key = self.base.load_private_key(key)?;
        match key.algorithm() {
            SignatureAlgorithm::ED25519 => Ok(key),
            other => Err(Error::General(format!(
                "a private key for {other:?} signs with random numbers that aren't the run's; \
                 use an Ed25519 key in a simulation"
            ))),
        }
    }
}

impl fmt::Debug for Repeatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repeatable").field(&self.base).finish()
    }
}

/// One for each provider of keys there is: what a provider refers to lives for ever.
fn repeatable(base: &'static dyn KeyProvider) -> &'static dyn KeyProvider {
    static KNOWN: Mutex<Vec<&'static Repeatable>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // Addresses, which decide nothing: one that is taken for new does what the one before did.
    if let Some(repeatable) = known.iter().find(|one| std::ptr::eq(one.base, base)) {
        return *repeatable;
    }
    let repeatable: &'static Repeatable = Box::leak(Box::new(Repeatable { base }));
    known.push(repeatable);
    repeatable
}
