//! rustls with random numbers and time from the run.
//!
//! rustls takes its random numbers, key exchange and time from its configuration, so it runs as published, for
//! example over [`net::TcpStream`](crate::net::TcpStream) with tokio-rustls. Three items make a configuration
//! deterministic: [`provider`], [`NodeClock`], and, for a server that issues tickets, [`ticketer`].
//!
//! # Invariants
//! The replaced parts of a provider draw only the random numbers of the calling task. The other parts (ciphers,
//! hashes, verification of signatures) draw none.
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
//! The same schedule then gives the same bytes on the wire. Create configurations within the run, preferably in the
//! closure that starts a node: they cache sessions and tickets, which must not leak into the next run, nor survive a
//! crash of the node.
//!
//! # Access to the real world
//!
//! This is every access of rustls 0.23 to something outside the run:
//!
//! | access | in a run |
//! |---|---|
//! | random bytes, session ids, nonces of tickets, the order of a client's extensions | drawn by [`provider`]'s `secure_random` |
//! | secrets of the key exchange, which ring and aws-lc-rs draw themselves | [`provider`] has only X25519, with a secret from the run |
//! | signatures | Ed25519 signatures are deterministic. ECDSA and RSA-PSS draw random numbers within ring and aws-lc-rs, so [`provider`] rejects such keys |
//! | the time, for certificates and tickets | [`NodeClock`], passed to `builder_with_details`; `builder` and `builder_with_provider` read the real clock |
//! | `Ticketer::new` of ring and aws-lc-rs, `TicketRotator` | use [`ticketer`] instead: they draw keys themselves and read the real clock |
//! | hash maps: sessions by server or id, certificates by name | only looked up, never iterated |
//! | `SSLKEYLOGFILE`, if `key_log` is `KeyLogFile` | affects no decision |
//! | encrypted client hello: the HPKE of aws-lc-rs draws its keys itself | not supported in a run |
//!
//! The keys drawn here are as predictable as a seed.

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

/// Returns `base` with its random numbers and its key exchange replaced by the run's. Its ciphers, hashes and
/// verification stay.
///
/// The only key exchange is X25519, so a client hello is smaller than with a post-quantum exchange. The provider
/// loads Ed25519 private keys only. If bytes may differ between runs (RSA signatures at least have a constant
/// length), restore `base`'s own `key_provider`.
///
/// # Panics
/// This function never panics. The provider panics if random numbers are drawn outside of a run.
///
/// # Errors
/// Loading a private key of another kind returns a [`rustls::Error::General`].
#[must_use]
pub fn provider(base: CryptoProvider) -> CryptoProvider {
    CryptoProvider {
        kx_groups: vec![&X25519],
        secure_random: &RunRandom,
        key_provider: repeatable(base.key_provider),
        ..base
    }
}

/// The wall clock of the calling task's node, with its drift and jumps; see [`Clock`](crate::world::Clock). Before
/// 1970 it has no time, and rustls reports that it failed to get it.
///
/// # Panics
/// When it is read outside of a run.
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

/// X25519 key exchange (RFC 7748) with secrets from the run.
#[derive(Debug)]
struct X25519;

struct Exchange {
    secret: [u8; 32],
    public: [u8; 32],
}

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; 32];
        fill(&mut secret, "draw a secret for TLS");
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
        // A peer's point of small order gives zero for any secret.
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

/// Loads keys whose signatures are deterministic.
struct Repeatable {
    base: &'static dyn KeyProvider,
}

impl KeyProvider for Repeatable {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let key = self.base.load_private_key(key)?;
        match key.algorithm() {
            SignatureAlgorithm::ED25519 => Ok(key),
            other => Err(Error::General(format!(
                "signatures with an {other:?} key are not deterministic; \
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

/// Returns a `'static` wrapper of a key provider. There is one for each key provider, and it is leaked.
fn repeatable(base: &'static dyn KeyProvider) -> &'static dyn KeyProvider {
    static KNOWN: Mutex<Vec<&'static Repeatable>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // Comparing addresses affects no decision: a provider that is taken for a new one gets an equal wrapper.
    if let Some(repeatable) = known.iter().find(|one| std::ptr::eq(one.base, base)) {
        return *repeatable;
    }
    let repeatable: &'static Repeatable = Box::leak(Box::new(Repeatable { base }));
    known.push(repeatable);
    repeatable
}
