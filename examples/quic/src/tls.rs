//! TLS configurations with the committed certificate, which is valid until the year 9999.
//!
//! The key is an Ed25519 key, because its signatures have a constant length.

use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::TLS13;
use timeloop::adapters::rustls::{NodeClock, provider};

/// The name in the certificate.
pub const NAME: &str = "server";

const CERTIFICATE: &[u8] = include_bytes!("../certificate/server.der");
const KEY: &[u8] = include_bytes!("../certificate/server.key.der");

/// Returns ring's provider with the random numbers of the run.
fn crypto() -> Arc<CryptoProvider> {
    Arc::new(provider(rustls::crypto::ring::default_provider()))
}

/// Returns the server's configuration.
pub fn server() -> Arc<QuicServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    let mut config = rustls::ServerConfig::builder_with_details(crypto(), Arc::new(NodeClock))
        .with_protocol_versions(&[&TLS13])
        .expect("ring supports TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(CERTIFICATE)], key)
        .expect("the key matches the certificate");
    config.max_early_data_size = u32::MAX;
    Arc::new(config.try_into().expect("ring has the initial cipher suite of QUIC"))
}

/// Returns a client's configuration, which trusts this server only.
pub fn client() -> Arc<QuicClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(CERTIFICATE)).expect("the certificate is valid");
    let mut config = rustls::ClientConfig::builder_with_details(crypto(), Arc::new(NodeClock))
        .with_protocol_versions(&[&TLS13])
        .expect("ring supports TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_early_data = true;
    Arc::new(config.try_into().expect("ring has the initial cipher suite of QUIC"))
}
