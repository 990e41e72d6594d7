//! The configurations of rustls: who is who, and that all random numbers and times are the run's.
//!
//! Always true: whoever calls these functions does so within a run, on the node whose configuration it is.

use std::sync::Arc;

use timeloop::adapters::rustls::{NodeClock, provider, ticketer};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// A certificate with its key, as they lie in `certificates`.
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

/// The store's.
pub const STORE: Identity = identity!("store");
/// The store's too, but good only until 2026-01-08: for a week from the start of a run.
pub const BRIEF: Identity = identity!("brief");
/// The clients'.
pub const CLIENT: Identity = identity!("client");
/// One that says that it is a client's, by an authority that nobody knows.
pub const INTRUDER: Identity = identity!("intruder");

/// The name on the store's certificates.
pub const STORE_NAME: &str = "store.test";

/// The versions of TLS that one speaks.
pub type Versions = &'static [&'static SupportedProtocolVersion];
/// TLS 1.3 alone.
pub const ONLY_13: Versions = &[&TLS13];
/// TLS 1.2 alone.
pub const ONLY_12: Versions = &[&TLS12];
/// Both.
pub const BOTH: Versions = &[&TLS13, &TLS12];

/// ring, with the run's random numbers.
#[must_use]
pub fn run_provider() -> Arc<CryptoProvider> {
    Arc::new(provider(ring::default_provider()))
}

/// The name on the store's certificates, as rustls takes it.
#[must_use]
pub fn store_name() -> ServerName<'static> {
    ServerName::try_from(STORE_NAME).expect("it is a name")
}

fn authority() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let authority = include_bytes!("../certificates/authority.pem");
    roots.add(CertificateDer::from_pem_slice(authority).expect("it is a certificate")).expect("it is good");
    Arc::new(roots)
}

fn parts(identity: Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_slice(identity.certificate).expect("it is a certificate");
    (vec![certificate], PrivateKeyDer::from_pem_slice(identity.key).expect("it is a key"))
}

/// How a server is to be.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    /// Who it is.
    pub identity: Identity,
    /// What it speaks.
    pub versions: Versions,
    /// Whether clients have to say who they are.
    pub asks_clients: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self { identity: STORE, versions: BOTH, asks_clients: false }
    }
}

impl Server {
    /// Its configuration; it gives tickets.
    ///
    /// # Errors
    /// Those of rustls.
    pub fn config(self, provider: Arc<CryptoProvider>) -> Result<ServerConfig, Error> {
        let builder = ServerConfig::builder_with_details(provider.clone(), Arc::new(NodeClock))
            .with_protocol_versions(self.versions)?;
        let builder = if self.asks_clients {
            let verifier = WebPkiClientVerifier::builder_with_provider(authority(), provider.clone());
            builder.with_client_cert_verifier(verifier.build().expect("the authority is good"))
        } else {
            builder.with_no_client_auth()
        };
        let (chain, key) = parts(self.identity);
        let mut config = builder.with_single_cert(chain, key)?;
        config.ticketer = ticketer(&provider)?;
        Ok(config)
    }
}

/// How a client is to be.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Who it is, if it says.
    pub identity: Option<Identity>,
    /// What it speaks.
    pub versions: Versions,
}

impl Default for Client {
    fn default() -> Self {
        Self { identity: None, versions: BOTH }
    }
}

impl Client {
    /// Its configuration; it remembers sessions.
    ///
    /// # Errors
    /// Those of rustls.
    pub fn config(self, provider: Arc<CryptoProvider>) -> Result<ClientConfig, Error> {
        let verifier = WebPkiServerVerifier::builder_with_provider(authority(), provider.clone());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(NodeClock))
            .with_protocol_versions(self.versions)?
            .with_webpki_verifier(verifier.build().expect("the authority is good"));
        match self.identity {
            Some(identity) => {
                let (chain, key) = parts(identity);
                builder.with_client_auth_cert(chain, key)
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }
}
