//! Helpers that several tests share.

use std::io;

use timeloop::world::Node;
use timeloop::{Explorer, Limits, Outcome, StrategySpec, run_from};
use tls_store::client::Client;
use tls_store::store::{Request, Store};
use tls_store::tls::{self, Versions};
use tls_store::wire::Wire;
use tls_store::world::{ADDRESS, Endings, client, start_store};
use tokio_rustls::rustls::{self, AlertDescription};

/// Explores a test without storing regressions. Time does not pass while a task is ready, so nodes start within a second.
pub(crate) fn check<F: Future<Output = ()>>(name: &str, test: impl Fn() -> F + Sync) {
    Explorer::new(name).without_regressions().without_environment().stalls(false).runs(30).check(test);
}

/// Runs a seed.
pub(crate) fn run_of<F: Future>(seed: u64, make: impl Fn() -> F) -> Outcome<F::Output> {
    run_from(StrategySpec::Random.source(seed.into()), &Limits::default(), make)
}

/// Waits until all packets in flight have arrived.
pub(crate) async fn let_packets_arrive() {
    timeloop::time::sleep(std::time::Duration::from_secs(1)).await;
}

/// Starts a store, and waits until it listens.
pub(crate) async fn store(settings: tls::Server) -> (Node, Endings, Wire) {
    let (store, wire) = (Store::default(), Wire::default());
    let (node, endings) = start_store(settings, store, wire.clone());
    let_packets_arrive().await;
    (node, endings, wire)
}

/// Starts a store with these TLS versions.
pub(crate) async fn store_of(versions: Versions) -> (Node, Endings, Wire) {
    store(tls::Server { versions, ..tls::Server::default() }).await
}

/// Creates a client without a certificate.
pub(crate) fn anonymous_client(versions: Versions, wire: &Wire) -> Client {
    client(tls::Client { identity: None, versions }, ADDRESS, wire)
}

/// Requests a missing value over a new connection, and closes it.
pub(crate) async fn request_and_close(client: &mut Client) -> io::Result<()> {
    assert!(client.request_once(&Request::Get(1)).await?.is_empty());
    client.close().await
}

/// Asserts that the error is this alert or the end of the stream: tokio-rustls tries to send an alert only once, and drops it
/// if the socket is not ready.
pub(crate) fn assert_alert(error: io::Error, alert: AlertDescription) {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    if !matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof) {
        assert_eq!(rustls_error(error), rustls::Error::AlertReceived(alert));
    }
}

/// Returns the error of rustls.
pub(crate) fn rustls_error(error: io::Error) -> rustls::Error {
    let text = error.to_string();
    let error = error.into_inner().unwrap_or_else(|| panic!("not an error of rustls:  {text}"));
    *error.downcast().unwrap_or_else(|_| panic!("not an error of rustls:  {text}"))
}
