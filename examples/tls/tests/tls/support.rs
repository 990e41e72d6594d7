//! What several tests use.

use std::io;

use timeloop::world::Node;
use timeloop::{Explorer, Limits, Outcome, StrategySpec, run_from};
use tls_store::client::Client;
use tls_store::store::{Request, Store};
use tls_store::tls::{self, Versions};
use tls_store::wire::Wire;
use tls_store::world::{ADDRESS, Endings, client, start_store};
use tokio_rustls::rustls::{self, AlertDescription};

/// Explores a test that counts on what is up within a second, and keeps nothing.
pub(crate) fn check<F: Future<Output = ()>>(name: &str, test: impl Fn() -> F + Sync) {
    Explorer::new(name).without_regressions().without_environment().stalls(false).runs(30).check(test);
}

/// One run of a seed.
pub(crate) fn run_of<F: Future>(seed: u64, make: impl Fn() -> F) -> Outcome<F::Output> {
    run_from(StrategySpec::Random.source(seed.into()), &Limits::default(), make)
}

/// Until all that is under way has come.
pub(crate) async fn moment() {
    timeloop::time::sleep(std::time::Duration::from_secs(1)).await;
}

/// A store that is up.
pub(crate) async fn store(how: tls::Server) -> (Node, Endings, Wire) {
    let (store, wire) = (Store::default(), Wire::default());
    let (node, endings) = start_store(how, store, wire.clone());
    moment().await;
    (node, endings, wire)
}

/// A store that speaks these versions.
pub(crate) async fn store_of(versions: Versions) -> (Node, Endings, Wire) {
    store(tls::Server { versions, ..tls::Server::default() }).await
}

/// A client that does not say who it is.
pub(crate) fn anyone(versions: Versions, wire: &Wire) -> Client {
    client(tls::Client { identity: None, versions }, ADDRESS, wire)
}

/// Asks for what is not there, by a connection of its own.
pub(crate) async fn ask_and_end(client: &mut Client) -> io::Result<()> {
    assert!(client.ask_once(&Request::Get(1)).await?.is_empty());
    client.end().await
}

/// That it is this alert; or the end of the stream, for tokio-rustls tries only once to send one, and a socket may not be
/// ready then.
pub(crate) fn is_alert(error: io::Error, alert: AlertDescription) {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    if !matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof) {
        assert_eq!(by_rustls(error), rustls::Error::AlertReceived(alert));
    }
}

/// What rustls says of it.
pub(crate) fn by_rustls(error: io::Error) -> rustls::Error {
    let text = error.to_string();
    let error = error.into_inner().unwrap_or_else(|| panic!("not by rustls: {text}"));
    *error.downcast().unwrap_or_else(|_| panic!("not by rustls: {text}"))
}
