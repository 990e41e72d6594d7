//! Tower: what the layers around the service and around the client do.

use futures_util::future::join_all;
use http_depot::Protocol::{Http1, Http2};
use http_depot::client::Ask;
use http_depot::layers::TooLate;
use http_depot::server::Server;
use hyper::StatusCode;
use timeloop::time::{Duration, Instant};
use timeloop::world::World;
use tower::{Service as _, ServiceExt as _};

use crate::support::{client_of, explorer, start};

#[test]
fn an_answer_that_takes_too_long_is_none() {
    explorer("stack::late").check(|| async {
        for protocol in [Http1, Http2] {
            let server = Server { limit: Duration::from_secs(2), ..Server::new(protocol) };
            let (node, _, stop) = start_as(if protocol == Http1 { "one" } else { "two" }, server);
            timeloop::time::sleep(Duration::from_millis(1)).await;
            let client = http_depot::client::Client::new(protocol, format!("{node}:80"));
            let begin = Instant::now();
            let answer = client.ask(Ask::get("/wait/3000")).await.unwrap();
            assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
            assert_eq!(answer.body, "there was no answer in time");
            assert!((2_000..2_010).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
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
fn who_comes_while_all_are_busy_is_turned_away() {
    explorer("stack::shed").check(|| async {
        let (_, depot, _) = start(Server { at_a_time: 3, ..Server::new(Http2) });
        let client = client_of(Http2).await;
        let asked = join_all((0..5).map(|_| client.ask(Ask::get("/wait/1000")))).await;
        let mut statuses =
            asked.into_iter().map(|answer| answer.unwrap().status.as_u16()).collect::<Vec<_>>();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 503, 503]);
        assert_eq!(depot.begun(), 3);
        // Whoever asks again is answered.
        let patient = client.patient(Duration::from_secs(10), 30);
        let asked = join_all((0..5).map(|_| patient.clone().oneshot(Ask::get("/wait/1000")))).await;
        assert!(asked.into_iter().all(|answer| answer.unwrap().status == StatusCode::OK));
    });
}

#[test]
fn a_client_asks_again_until_it_has_had_enough() {
    explorer("stack::retry").check(|| async {
        let (node, depot, _) = start(Server::new(Http1));
        let client = client_of(Http1).await;
        node.crash();
        let mut patient = client.clone().patient(Duration::from_secs(1), 4);
        let begin = Instant::now();
        let error = patient.ready().await.unwrap().call(Ask::get("/nothing")).await.unwrap_err();
        assert!(error.is::<TooLate>(), "{error}");
        assert_eq!(client.connections(), 4);
        // Four attempts, and waits of up to 50, 100 and 200 ms.
        let waited = begin.elapsed().as_millis();
        assert!((4_175..=4_350).contains(&waited), "{waited}");
        timeloop::spawn(async move {
            timeloop::time::sleep(Duration::from_secs(3)).await;
            node.restart();
        });
        let mut patient = client.patient(Duration::from_secs(1), 10);
        let answer = patient.ready().await.unwrap().call(Ask::get("/nothing")).await.unwrap();
        assert_eq!((answer.status, depot.begun()), (StatusCode::NOT_FOUND, 1));
    });
}
