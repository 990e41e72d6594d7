//! Tower layers of the service and of the client.

use futures_util::future::join_all;
use http_depot::Protocol::{Http1, Http2};
use http_depot::client::Query;
use http_depot::layers::TimedOut;
use http_depot::server::Server;
use hyper::StatusCode;
use timeloop::time::{Duration, Instant};
use timeloop::world::World;
use tower::{Service as _, ServiceExt as _};

use crate::support::{client_of, explorer, start};

#[test]
fn a_slow_response_times_out() {
    explorer("stack::late").check(|| async {
        for protocol in [Http1, Http2] {
            let server = Server { limit: Duration::from_secs(2), ..Server::new(protocol) };
            let (node, _, stop) = start_as(if protocol == Http1 { "one" } else { "two" }, server);
            timeloop::time::sleep(Duration::from_millis(1)).await;
            let client = http_depot::client::Client::new(protocol, format!("{node}:80"));
            let begin = Instant::now();
            let answer = client.query(Query::get("/wait/3000")).await.unwrap();
            assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
            assert_eq!(answer.body, "no response within the time limit");
            // The lookup of the node's name may take 100 ms.
            assert!((2_000..2_110).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
            stop.cancel();
        }
    });
}

fn start_as(
    name: &str,
    server: Server,
) -> (timeloop::world::Node, http_depot::depot::Depot, tokio_util::sync::CancellationToken) {
    let (depot, stop) = (http_depot::depot::Depot::new(), tokio_util::sync::CancellationToken::new());
    let (kept, until) = (depot.clone(), stop.clone());
    let node = World::current().node(name).start(move || server.run(kept.clone(), until.clone()));
    (node, depot, stop)
}

#[test]
fn requests_beyond_the_limit_are_rejected() {
    explorer("stack::shed").check(|| async {
        let (_, depot, _) = start(Server { concurrency: 3, ..Server::new(Http2) });
        let client = client_of(Http2).await;
        let asked = join_all((0..5).map(|_| client.query(Query::get("/wait/1000")))).await;
        let mut statuses =
            asked.into_iter().map(|answer| answer.unwrap().status.as_u16()).collect::<Vec<_>>();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 503, 503]);
        assert_eq!(depot.received(), 3);
        // Retries succeed.
        let retrying = client.with_retries(Duration::from_secs(10), 30);
        let asked = join_all((0..5).map(|_| retrying.clone().oneshot(Query::get("/wait/1000")))).await;
        assert!(asked.into_iter().all(|answer| answer.unwrap().status == StatusCode::OK));
    });
}

#[test]
fn a_client_retries_a_limited_number_of_times() {
    explorer("stack::retry").check(|| async {
        let (node, depot, _) = start(Server::new(Http1));
        let client = client_of(Http1).await;
        node.crash();
        let mut retrying = client.clone().with_retries(Duration::from_secs(1), 4);
        let begin = Instant::now();
        let error = retrying.ready().await.unwrap().call(Query::get("/nothing")).await.unwrap_err();
        assert!(error.is::<TimedOut>(), "{error}");
        assert_eq!(client.connections(), 4);
        // Four attempts, and delays of at most 50, 100 and 200 ms.
        let waited = begin.elapsed().as_millis();
        assert!((4_175..=4_350).contains(&waited), "{waited}");
        timeloop::spawn(async move {
            timeloop::time::sleep(Duration::from_secs(3)).await;
            node.restart();
        });
        let mut retrying = client.with_retries(Duration::from_secs(1), 10);
        let answer = retrying.ready().await.unwrap().call(Query::get("/nothing")).await.unwrap();
        assert_eq!((answer.status, depot.received()), (StatusCode::NOT_FOUND, 1));
    });
}
