//! Handshakes: of both versions, with and without a client's certificate, and the same bytes each time.

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

use crate::support::{anyone, ask_and_end, check, is_alert, moment, run_of, store, store_of};

#[test]
fn both_versions_are_spoken() {
    check("tls::handshakes::both", || async {
        let (_, endings, wire) = store_of(BOTH).await;
        for (versions, spoken) in [
            (BOTH, ProtocolVersion::TLSv1_3),
            (ONLY_13, ProtocolVersion::TLSv1_3),
            (ONLY_12, ProtocolVersion::TLSv1_2),
        ] {
            let mut client = anyone(versions, &wire);
            let mut connection = client.connect().await.unwrap();
            assert_eq!(connection.get_ref().1.protocol_version(), Some(spoken));
            connection.shutdown().await.unwrap();
            assert_eq!(connection.read(&mut [0]).await.unwrap(), 0);
            ask_and_end(&mut client).await.unwrap();
        }
        moment().await;
        assert_eq!(*endings.borrow(), [Ok(0), Ok(1), Ok(0), Ok(1), Ok(0), Ok(1)]);
    });
}

#[test]
fn those_who_speak_different_versions_do_not_get_on() {
    check("tls::handshakes::neither", || async {
        let (_, endings, wire) = store_of(ONLY_13).await;
        let error = anyone(ONLY_12, &wire).connect().await.expect_err("they do not get on");
        is_alert(error, AlertDescription::ProtocolVersion);
        moment().await;
        assert_eq!(*endings.borrow(), [Err(ErrorKind::InvalidData)]);
    });
}

#[test]
fn clients_say_who_they_are() {
    check("tls::handshakes::clients", || async {
        let (_, endings, wire) = store(tls::Server { asks_clients: true, ..tls::Server::default() }).await;
        for versions in [ONLY_13, ONLY_12] {
            for (identity, alert) in [
                (Some(tls::CLIENT), None),
                (Some(tls::INTRUDER), Some(AlertDescription::UnknownCA)),
                (None, Some(AlertDescription::CertificateRequired)),
            ] {
                let mut client = client(tls::Client { identity, versions }, ADDRESS, &wire);
                match (ask_and_end(&mut client).await, alert) {
                    (answered, None) => answered.unwrap(),
                    (refused, Some(alert)) => is_alert(refused.unwrap_err(), alert),
                }
            }
        }
        moment().await;
        let refused = endings.borrow().iter().filter(|ending| ending.is_err()).count();
        assert_eq!(refused, 4);
    });
}

/// What is on the wire where a client with this provider asks twice.
fn on_the_wire(seed: u64, versions: Versions, provider: fn() -> Arc<CryptoProvider>) -> Seen {
    let outcome = run_of(seed, || async {
        let (_, _, wire) = store_of(versions).await;
        let how = tls::Client { identity: None, versions };
        let connector = TlsConnector::from(Arc::new(how.config(provider()).unwrap()));
        let mut client = Client::new(connector, ADDRESS, wire.clone());
        for version in 0..2 {
            client.ask_once(&Request::Put(1, version, vec![1; 20_000])).await.unwrap();
            client.end().await.unwrap();
        }
        assert_eq!((client.told().full, client.told().resumed), (1, 1));
        wire.seen()
    });
    outcome.result.unwrap()
}

#[test]
fn the_same_seed_has_the_same_bytes() {
    for versions in [ONLY_13, ONLY_12] {
        let one = on_the_wire(1, versions, run_provider);
        assert_eq!(on_the_wire(1, versions, run_provider), one);
        assert_ne!(on_the_wire(2, versions, run_provider).hash, one.hash);
        assert!(one.written > 80_000 && one.written == one.read, "{one:?}");
    }
}

/// ring's key exchange, with secrets that ring draws itself.
fn key_exchange_of_ring() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { kx_groups: ring::default_provider().kx_groups, ..(*run_provider()).clone() })
}

/// ring's random numbers.
fn random_numbers_of_ring() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        secure_random: ring::default_provider().secure_random,
        ..(*run_provider()).clone()
    })
}

#[test]
fn what_draws_elsewhere_has_not_the_same_bytes() {
    // Both also show that the run's key exchange gets on with ring's.
    for provider in [key_exchange_of_ring, random_numbers_of_ring] {
        for versions in [ONLY_13, ONLY_12] {
            assert_ne!(on_the_wire(1, versions, provider).hash, on_the_wire(1, versions, provider).hash);
        }
    }
}

/// In debug and release builds and on all machines; another version of rustls may send other bytes.
#[test]
fn the_bytes_of_a_seed_are_known() {
    let hashes = [ONLY_13, ONLY_12].map(|versions| on_the_wire(7, versions, run_provider).hash);
    assert_eq!(hashes, [4_011_951_476_181_018_083, 2_603_661_881_333_126_357]);
}
