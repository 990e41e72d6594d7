//! Helpers that several tests share.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use http_depot::Protocol;
use http_depot::body::{Content, whole};
use http_depot::client::Client;
use http_depot::depot::Depot;
use http_depot::server::Server;
use hyper::Request;
use hyper::body::Incoming;
use timeloop::Explorer;
use timeloop::time::Duration;
use timeloop::world::{Node, World};
use tokio_util::sync::CancellationToken;

/// Returns an explorer that stores no regressions. Time does not pass while a task is ready, because these tests rely on a
/// server that listens after a millisecond, and on exact deadlines.
pub(crate) fn explorer(name: &'static str) -> Explorer {
    Explorer::new(name)
        .without_regressions()
        .max_virtual_time(Duration::from_secs(3_600))
        .runs(100)
        .stalls(false)
}

/// Starts a node `depot` with a server; returns the node, the depot and the stop token.
pub(crate) fn start(server: Server) -> (Node, Depot, CancellationToken) {
    let (depot, stop) = (Depot::new(), CancellationToken::new());
    let (kept, until) = (depot.clone(), stop.clone());
    let node = World::current().node("depot").start(move || server.run(kept.clone(), until.clone()));
    (node, depot, stop)
}

/// Returns a client of that server, once it listens.
pub(crate) async fn client_of(protocol: Protocol) -> Client {
    timeloop::time::sleep(Duration::from_millis(1)).await;
    Client::new(protocol, "depot:80")
}

/// Creates a request without a body.
pub(crate) fn get(path: &str) -> Request<Content> {
    let uri = format!("http://depot:80{path}");
    Request::get(uri).header("host", "depot:80").body(whole("")).unwrap()
}

/// Returns the complete body.
pub(crate) async fn all(body: Incoming) -> Bytes {
    Limited::new(body, 100_000_000).collect().await.unwrap().to_bytes()
}
