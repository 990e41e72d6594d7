//! What several tests use.

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

/// An explorer that leaves nothing behind. Time does not pass while a task is ready: these tests count on a server that
/// listens after a millisecond, and on deadlines that are kept.
pub(crate) fn explorer(name: &'static str) -> Explorer {
    Explorer::new(name)
        .without_regressions()
        .max_virtual_time(Duration::from_secs(3_600))
        .runs(100)
        .stalls(false)
}

/// A node `depot` with a server, and what the server keeps.
pub(crate) fn start(server: Server) -> (Node, Depot, CancellationToken) {
    let (depot, stop) = (Depot::new(), CancellationToken::new());
    let (kept, until) = (depot.clone(), stop.clone());
    let node = World::current().node("depot").start(move || server.run(kept.clone(), until.clone()));
    (node, depot, stop)
}

/// A client of that server, once it listens.
pub(crate) async fn client_of(protocol: Protocol) -> Client {
    timeloop::time::sleep(Duration::from_millis(1)).await;
    Client::new(protocol, "depot:80")
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Request<Content> {
    let uri = format!("http://depot:80{path}");
    Request::get(uri).header("host", "depot:80").body(whole("")).unwrap()
}

/// All of a body.
pub(crate) async fn all(body: Incoming) -> Bytes {
    Limited::new(body, 100_000_000).collect().await.unwrap().to_bytes()
}
