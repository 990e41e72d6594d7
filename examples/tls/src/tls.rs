//! The rustls configurations, with certificates, and with random numbers and time from the run.
//!
//! Call these functions within a run, on the node that uses the configuration.

use std::sync::Arc;

use timeloop::adapters::rustls::{NodeClock, provider, ticketer};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A certificate and its key from the folder `certificates`.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    certificate: &'static [u8],
    key: &'static [u8],
}

macro_rules! identity {
    ($name:literal) => {
        Identity {
            certificate: include_bytes!(concat!("../certificates/", $name, ".pem")),
            key: include_bytes!(concat!("../certificates/", $name, ".key")),
        }
    };
}

/// The identity of the store.
pub const STORE: Identity = identity!("store");
/// Another identity of the store. Its certificate is valid until 2026-01-08, for a week from the start of a run.
pub const BRIEF: Identity = identity!("brief");
/// The identity of the clients.
pub const CLIENT: Identity = identity!("client");
/// The identity of a client, signed by an unknown authority.
pub const INTRUDER: Identity = identity!("intruder");

/// The name in the store's certificates.
pub const STORE_NAME: &str = "store.test";

/// A set of TLS versions.
pub type Versions = &'static [&'static SupportedProtocolVersion];
/// Only TLS 1.3.
pub const ONLY_13: Versions = &[&TLS13];
/// Only TLS 1.2.
pub const ONLY_12: Versions = &[&TLS12];
/// Both versions.
pub const BOTH: Versions = &[&TLS13, &TLS12];

/// Returns ring's provider with the run's random numbers.
#[must_use]
pub fn run_provider() -> Arc<CryptoProvider> {
    Arc::new(provider(ring::default_provider()))
}

/// Returns the name in the store's certificates, in rustls' type.
#[must_use]
pub fn store_name() -> ServerName<'static> {
    ServerName::try_from(STORE_NAME).expect("the name is valid")
}

fn authority() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let authority = include_bytes!("../certificates/authority.pem");
    roots
        .add(CertificateDer::from_pem_slice(authority).expect("the certificate is valid"))
        .expect("the authority is valid");
    Arc::new(roots)
}

fn parts(identity: Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_slice(identity.certificate).expect("the certificate is valid");
    (vec![certificate], PrivateKeyDer::from_pem_slice(identity.key).expect("the key is valid"))
}

/// The settings of a server.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Its identity.
    pub identity: Identity,
    /// Its TLS versions.
    pub versions: Versions,
    /// Whether clients need a certificate.
    pub requires_client_certificate: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self { identity: STORE, versions: BOTH, requires_client_certificate: false }
    }
}

impl Server {
    /// Creates the configuration, which issues tickets.
    ///
    /// # Errors
    /// Returns errors of rustls.
    pub fn config(self, provider: Arc<CryptoProvider>) -> Result<ServerConfig, Error> {
        let builder = ServerConfig::builder_with_details(provider.clone(), Arc::new(NodeClock))
            .with_protocol_versions(self.versions)?;
        let builder = if self.requires_client_certificate {
            let verifier = WebPkiClientVerifier::builder_with_provider(authority(), provider.clone());
            builder.with_client_cert_verifier(verifier.build().expect("the authority is valid"))
        } else {
            builder.with_no_client_auth()
        };
        let (chain, key) = parts(self.identity);
        let mut config = builder.with_single_cert(chain, key)?;
        config.ticketer = ticketer(&provider)?;
        Ok(config)
    }
}

/// The settings of a client.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its identity, if it presents a certificate.
    pub identity: Option<Identity>,
    /// Its TLS versions.
    pub versions: Versions,
}

impl Default for Client {
    fn default() -> Self {
        Self { identity: None, versions: BOTH }
    }
}

impl Client {
    /// Creates the configuration, which caches sessions.
    ///
    /// # Errors
    /// Returns errors of rustls.
    pub fn config(self, provider: Arc<CryptoProvider>) -> Result<ClientConfig, Error> {
        let verifier = WebPkiServerVerifier::builder_with_provider(authority(), provider.clone());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(NodeClock))
            .with_protocol_versions(self.versions)?
            .with_webpki_verifier(verifier.build().expect("the authority is valid"));
        match self.identity {
            Some(identity) => {
                let (chain, key) = parts(identity);
                builder.with_client_auth_cert(chain, key)
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }
}
