//! The rustls adapter. The package `examples/tls` tests handshakes with a cryptography library.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{Signer, SigningKey};
use rustls::time_provider::TimeProvider;
use rustls::{Error, NamedGroup, SignatureAlgorithm, SignatureScheme};
use timeloop::adapters::rustls::{NodeClock, provider, ticketer};
use timeloop::time::Duration;
use timeloop::world::World;

use crate::support::panic_text;

/// Stands in for a cryptography library.
#[derive(Debug)]
struct Library;

impl SecureRandom for Library {
    fn fill(&self, _: &mut [u8]) -> Result<(), GetRandomFailed> {
        panic!("the library's own random numbers are used");
    }
}

/// The first byte of a key selects its kind.
impl KeyProvider for Library {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Ok(Arc::new(Key(SignatureAlgorithm::from(key.secret_der()[0]))))
    }
}

#[derive(Debug)]
struct Key(SignatureAlgorithm);

impl SigningKey for Key {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        None
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0
    }
}

fn base() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: Vec::new(),
        kx_groups: Vec::new(),
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all: &[], mapping: &[] },
        secure_random: &Library,
        key_provider: &Library,
    }
}

/// Returns what two tasks draw for TLS, and their shared secrets.
fn drawn(seed: u64) -> [Vec<u8>; 4] {
    let drawn = timeloop::run(seed, || async {
        let tasks = [(); 2].map(|()| {
            timeloop::spawn(async {
                let provider = provider(base());
                let mut bytes = [0; 32];
                provider.secure_random.fill(&mut bytes).unwrap();
                (bytes, provider.kx_groups[0].start().unwrap())
            })
        });
        let [one, other] = tasks;
        let ((one_bytes, one), (other_bytes, other)) = (one.await.unwrap(), other.await.unwrap());
        assert_eq!((one.group(), other.group()), (NamedGroup::X25519, NamedGroup::X25519));
        let (one_public, other_public) = (one.pub_key().to_vec(), other.pub_key().to_vec());
        let (one, other) = (one.complete(&other_public).unwrap(), other.complete(&one_public).unwrap());
        assert_eq!(one.secret_bytes(), other.secret_bytes());
        assert_ne!(one_public, other_public);
        assert_ne!(one_bytes, other_bytes);
        [one_bytes.to_vec(), other_bytes.to_vec(), one_public, one.secret_bytes().to_vec()]
    });
    drawn.unwrap()
}

#[test]
fn random_numbers_and_secrets_are_the_runs() {
    let (one, again, other) = (drawn(1), drawn(1), drawn(2));
    assert_eq!(one, again);
    for (one, other) in one.iter().zip(&other) {
        assert_ne!(one, other);
    }
}

#[test]
fn an_invalid_public_value_is_rejected() {
    timeloop::run(1, || async {
        let group = provider(base()).kx_groups[0];
        for bad in [&[0; 32][..], &[9; 31], &[9; 33], &[]] {
            let refused = group.start().unwrap().complete(bad).err().expect("the value is rejected");
            assert_eq!(refused, rustls::PeerMisbehaved::InvalidKeyShare.into());
        }
    })
    .unwrap();
}

#[test]
fn the_time_is_the_clock_of_the_node() {
    timeloop::run(1, || async {
        let now = || async { NodeClock.current_time().map(|now| now.as_secs()) };
        let node = World::current().node("server").clock_ahead(Duration::from_secs(100)).build();
        assert_eq!(now().await, Some(1_767_225_600));
        assert_eq!(node.spawn(now()).await.unwrap(), Some(1_767_225_700));
        node.clock().jump_back(Duration::from_secs(100 * 365 * 86_400));
        assert_eq!(node.spawn(now()).await.unwrap(), None, "the node's clock is before 1970");
    })
    .unwrap();
}

#[test]
fn keys_with_random_signatures_are_rejected() {
    let load = |kind: u8| {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(vec![kind]));
        provider(base()).key_provider.load_private_key(key)
    };
    assert_eq!(load(7).unwrap().algorithm(), SignatureAlgorithm::ED25519);
    assert_eq!(
        load(3).unwrap_err(),
        Error::General(
            "signatures with an ECDSA key are not deterministic; use an Ed25519 key in a simulation"
                .to_owned()
        )
    );
    assert!(load(1).is_err(), "RSA");
    let other = provider(base());
    assert!(std::ptr::eq(provider(base()).key_provider, other.key_provider), "wrappers are reused");
}

#[test]
fn drawing_outside_of_a_run_panics() {
    let mut bytes = [0; 4];
    let inside = "outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, `timeloop::explore` or \
                  `Runtime::block_on`";
    let provider = provider(base());
    assert_eq!(
        panic_text(move || provider.secure_random.fill(&mut bytes).unwrap()),
        format!("can't draw random numbers for TLS {inside}")
    );
    let group = self::provider(base()).kx_groups[0];
    assert_eq!(panic_text(|| drop(group.start())), format!("can't draw a secret for TLS {inside}"));
    assert_eq!(
        panic_text(|| assert_eq!(NodeClock.current_time(), None)),
        format!("can't read the virtual wall clock {inside}")
    );
}

#[test]
fn tickets_need_a_cipher() {
    assert_eq!(
        ticketer(&base()).unwrap_err().to_string(),
        "unexpected error: session tickets need a TLS 1.3 cipher with a 256-bit key; add one to the cipher suites of \
         the provider"
    );
}
