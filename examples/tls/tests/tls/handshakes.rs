//! Handshakes: both versions, client certificates, and reproducible bytes.

use std::io::ErrorKind;
use std::sync::Arc;

use timeloop::io::{AsyncReadExt, AsyncWriteExt};
use tls_store::client::Client;
use tls_store::store::Request;
use tls_store::tls::{self, BOTH, ONLY_12, ONLY_13, Versions, run_provider};
use tls_store::wire::Seen;
use tls_store::world::{ADDRESS, client};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::{AlertDescription, ProtocolVersion};

use crate::support::{
    anonymous_client, assert_alert, check, let_packets_arrive, request_and_close, run_of, store, store_of,
};

#[test]
fn both_versions_are_supported() {
    check("tls::handshakes::both", || async {
        let (_, endings, wire) = store_of(BOTH).await;
        for (versions, expected) in [
            (BOTH, ProtocolVersion::TLSv1_3),
            (ONLY_13, ProtocolVersion::TLSv1_3),
            (ONLY_12, ProtocolVersion::TLSv1_2),
        ] {
            let mut client = anonymous_client(versions, &wire);
            let mut connection = client.connect().await.unwrap();
            assert_eq!(connection.get_ref().1.protocol_version(), Some(expected));
            connection.shutdown().await.unwrap();
            assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
            request_and_close(&mut client).await.unwrap();
        }
        let_packets_arrive().await;
        assert_eq!(*endings.borrow(), [Ok(0), Ok(1), Ok(0), Ok(1), Ok(0), Ok(1)]);
    });
}

#[test]
fn a_handshake_without_a_common_version_fails() {
    check("tls::handshakes::neither", || async {
        let (_, endings, wire) = store_of(ONLY_13).await;
        let error = anonymous_client(ONLY_12, &wire).connect().await.expect_err("there is no common version");
        assert_alert(error, AlertDescription::ProtocolVersion);
        let_packets_arrive().await;
        assert_eq!(*endings.borrow(), [Err(ErrorKind::InvalidData)]);
    });
}

#[test]
fn client_certificates_are_verified() {
    check("tls::handshakes::clients", || async {
        let (_, endings, wire) =
            store(tls::Server { requires_client_certificate: true, ..tls::Server::default() }).await;
        for versions in [ONLY_13, ONLY_12] {
            for (identity, alert) in [
                (Some(tls::CLIENT), None),
                (Some(tls::INTRUDER), Some(AlertDescription::UnknownCA)),
                (None, Some(AlertDescription::CertificateRequired)),
            ] {
                let mut client = client(tls::Client { identity, versions }, ADDRESS, &wire);
                match (request_and_close(&mut client).await, alert) {
                    (answered, None) => answered.unwrap(),
                    (refused, Some(alert)) => assert_alert(refused.unwrap_err(), alert),
                }
            }
        }
        let_packets_arrive().await;
        let refused = endings.borrow().iter().filter(|ending| ending.is_err()).count();
        assert_eq!(refused, 4);
    });
}

/// Returns the bytes on the wire of a client with this provider that sends two requests.
fn recorded_bytes(seed: u64, versions: Versions, provider: fn() -> Arc<CryptoProvider>) -> Seen {
    let outcome = run_of(seed, || async {
        let (_, _, wire) = store_of(versions).await;
        let settings = tls::Client { identity: None, versions };
        let connector = TlsConnector::from(Arc::new(settings.config(provider()).unwrap()));
        let mut client = Client::new(connector, ADDRESS, wire.clone());
        for version in 0..2 {
            client.request_once(&Request::Put(1, version, vec![1; 20_000])).await.unwrap();
            client.close().await.unwrap();
        }
        assert_eq!((client.counters().full, client.counters().resumed), (1, 1));
        wire.seen()
    });
    outcome.result.unwrap()
}

#[test]
fn a_seed_always_gives_the_same_bytes() {
    for versions in [ONLY_13, ONLY_12] {
        let one = recorded_bytes(1, versions, run_provider);
        assert_eq!(recorded_bytes(1, versions, run_provider), one);
        assert_ne!(recorded_bytes(2, versions, run_provider).hash, one.hash);
        assert!(one.written > 80_000 && one.written == one.read, "{one:?}");
    }
}

/// Returns the run's provider with ring's key exchange, which draws its secrets itself.
fn key_exchange_of_ring() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: ring::default_provider().kx_groups, ..(*run_provider()).clone() })
}

/// Returns the run's provider with ring's random numbers.
fn random_numbers_of_ring() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        secure_random: ring::default_provider().secure_random,
        ..(*run_provider()).clone()
    })
}

#[test]
fn random_numbers_of_ring_change_the_bytes() {
    // This also shows that the run's key exchange works with ring's.
    for provider in [key_exchange_of_ring, random_numbers_of_ring] {
        for versions in [ONLY_13, ONLY_12] {
            assert_ne!(
                recorded_bytes(1, versions, provider).hash,
                recorded_bytes(1, versions, provider).hash
            );
        }
    }
}

/// The bytes are the same in debug and release builds and on all machines. They may change with the version of rustls.
#[test]
fn the_bytes_of_a_seed_are_pinned() {
    let hashes = [ONLY_13, ONLY_12].map(|versions| recorded_bytes(7, versions, run_provider).hash);
    assert_eq!(hashes, [4_011_951_476_181_018_083, 2_603_661_881_333_126_357]);
}
