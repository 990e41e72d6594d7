//! HTTP/2: concurrent streams, flow control, stream resets, pings and shutdown.

use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use http_depot::Protocol::Http2;
use http_depot::body::{bytes_of, in_chunks};
use http_depot::client::Query;
use http_depot::server::Server;
use hyper::{Request, StatusCode};
use timeloop::net::{LinkModel, Network};
use timeloop::time::{Duration, Instant, sleep, timeout};
use tower::ServiceExt as _;

use crate::support::{all, client_of, explorer, get, start};

#[test]
fn a_hundred_streams_share_a_connection() {
    explorer("http2::hundred").runs(30).check(|| async {
        let (_, depot, _) = start(Server::new(Http2));
        let client = client_of(Http2).await;
        let begin = Instant::now();
        let asked = (0..100_u64).map(|seed| {
            let client = client.clone();
            timeloop::spawn(async move {
                client.query(Query::get("/wait/1000")).await.unwrap();
                let answer = client.query(Query::get(format!("/blob/{seed}/{}", seed * 100))).await.unwrap();
                assert_eq!(answer.body, bytes_of(seed, seed as usize * 100));
            })
        });
        for asked in asked.collect::<Vec<_>>() {
            asked.await.unwrap();
        }
        assert!(begin.elapsed() >= Duration::from_secs(1));
        assert_eq!((client.connections(), depot.received()), (1, 200));
    });
}

#[test]
fn an_unread_stream_does_not_block_others() {
    explorer("http2::flow").runs(30).check(|| async {
        start(Server::new(Http2));
        let client = client_of(Http2).await;
        // More than the windows of one stream, and less than those of the connection.
        let unread = client.send(get("/blob/1/300000")).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        for seed in 2..6 {
            let answer = client.query(Query::get(format!("/blob/{seed}/100000"))).await.unwrap();
            assert_eq!(answer.body, bytes_of(seed, 100_000));
        }
        assert_eq!(all(unread.into_body()).await, bytes_of(1, 300_000));
        assert_eq!(client.connections(), 1);
    });
}

#[test]
fn cancelled_requests_reset_their_streams() {
    explorer("http2::reset").check(|| async {
        let (_, depot, _) = start(Server::new(Http2));
        let client = client_of(Http2).await;
        let asked = join_all(
            (0..3).map(|_| timeout(Duration::from_millis(500), client.query(Query::get("/wait/4000")))),
        );
        assert!(asked.await.iter().all(Result::is_err));
        sleep(Duration::from_millis(100)).await;
        // Each stream was reset, and its handler was dropped.
        assert_eq!((depot.received(), depot.active()), (3, 0));
        // Dropping a body does not block the connection or its shared window.
        for seed in 0..20 {
            let mut body = client.send(get(&format!("/blob/{seed}/60000"))).await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
        }
        let answer = client.query(Query::get("/blob/1/60000")).await.unwrap();
        assert_eq!(answer.body, bytes_of(1, 60_000));
        assert_eq!(client.connections(), 1);
    });
}

#[test]
fn bodies_are_sent_in_both_directions() {
    explorer("http2::echo").runs(30).check(|| async {
        start(Server::new(Http2));
        let client = client_of(Http2).await;
        let echoes = (1..4).map(|seed| {
            let client = &client;
            async move {
                let sent = bytes_of(seed, 100_000);
                let body = in_chunks(sent.clone(), 7_000, Duration::from_millis(100 * seed));
                let request = Request::post("http://depot:80/echo").body(body).unwrap();
                let echo = client.send(request).await.unwrap();
                assert_eq!(all(echo.into_body()).await, sent);
            }
        });
        join_all(echoes).await;
    });
}

#[test]
fn a_silent_server_times_out() {
    explorer("http2::silence").check(|| async {
        start(Server::new(Http2));
        let client = client_of(Http2).await;
        client.query(Query::get("/nothing")).await.unwrap();
        let cut = Network::current().partition(&[&["test"], &["depot"]]);
        let begin = Instant::now();
        client.query(Query::get("/nothing")).await.unwrap_err();
        // A ping after one second, and two seconds without an answer.
        let waited = begin.elapsed();
        assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&waited), "{waited:?}");
        cut.heal();
        // A request before the connection's task has seen its end fails and is retried.
        client.clone().with_retries(Duration::from_secs(5), 2).oneshot(Query::get("/nothing")).await.unwrap();
        assert_eq!(client.connections(), 2);
    });
}

#[test]
fn shutdown_answers_pending_requests() {
    explorer("http2::stop").check(|| async {
        let (_, depot, stop) = start(Server::new(Http2));
        let client = client_of(Http2).await;
        let asked: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                timeloop::spawn(async move { client.query(Query::get("/wait/2000")).await })
            })
            .collect();
        while depot.received() < 10 {
            sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        sleep(Duration::from_millis(10)).await;
        client.query(Query::get("/nothing")).await.unwrap_err();
        for asked in asked {
            assert_eq!(asked.await.unwrap().unwrap().status, StatusCode::OK);
        }
        assert_eq!(depot.received(), 10);
    });
}

#[test]
fn a_slow_link_delays_responses() {
    explorer("http2::slow").runs(20).check(|| async {
        start(Server::new(Http2));
        Network::current().set_all(&LinkModel::flaky().bandwidth(100_000).latency(Duration::from_millis(20)));
        let client = client_of(Http2).await;
        let begin = Instant::now();
        let blobs = (0..5).map(|seed| client.query(Query::get(format!("/blob/{seed}/40000"))));
        for (seed, answer) in (0..5).zip(join_all(blobs).await) {
            assert_eq!(answer.unwrap().body, bytes_of(seed, 40_000));
        }
        assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    });
}
