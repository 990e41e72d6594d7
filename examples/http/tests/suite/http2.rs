//! HTTP/2: many streams on a connection, flow control, streams that are reset, pings, and the end.

use futures_util::future::join_all;
use http_body_util::BodyExt as _;
use http_depot::Protocol::Http2;
use http_depot::body::{bytes_of, in_pieces};
use http_depot::client::Ask;
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
                client.ask(Ask::get("/wait/1000")).await.unwrap();
                let answer = client.ask(Ask::get(format!("/blob/{seed}/{}", seed * 100))).await.unwrap();
                assert_eq!(answer.body, bytes_of(seed, seed as usize * 100));
            })
        });
        for asked in asked.collect::<Vec<_>>() {
            asked.await.unwrap();
        }
        assert!(begin.elapsed() >= Duration::from_secs(1));
        assert_eq!((client.connections(), depot.begun()), (1, 200));
    });
}

#[test]
fn a_stream_that_nobody_reads_holds_up_no_other() {
    explorer("http2::flow").runs(30).check(|| async {
        start(Server::new(Http2));
        let client = client_of(Http2).await;
        // More than the windows of one stream, less than those of the connection.
        let unread = client.send(get("/blob/1/300000")).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        for seed in 2..6 {
            let answer = client.ask(Ask::get(format!("/blob/{seed}/100000"))).await.unwrap();
            assert_eq!(answer.body, bytes_of(seed, 100_000));
        }
        assert_eq!(all(unread.into_body()).await, bytes_of(1, 300_000));
        assert_eq!(client.connections(), 1);
    });
}

#[test]
fn who_is_asked_in_vain_is_told() {
    explorer("http2::reset").check(|| async {
        let (_, depot, _) = start(Server::new(Http2));
        let client = client_of(Http2).await;
        let asked =
            join_all((0..3).map(|_| timeout(Duration::from_millis(500), client.ask(Ask::get("/wait/4000")))));
        assert!(asked.await.iter().all(Result::is_err));
        sleep(Duration::from_millis(100)).await;
        // Each stream was reset, and what was done for it dropped.
        assert_eq!((depot.begun(), depot.under_way()), (3, 0));
        // A body that is given up is no harm to the connection, nor to the window that it shares.
        for seed in 0..20 {
            let mut body = client.send(get(&format!("/blob/{seed}/60000"))).await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
        }
        let answer = client.ask(Ask::get("/blob/1/60000")).await.unwrap();
        assert_eq!(answer.body, bytes_of(1, 60_000));
        assert_eq!(client.connections(), 1);
    });
}

#[test]
fn bodies_go_both_ways_at_once() {
    explorer("http2::echo").runs(30).check(|| async {
        start(Server::new(Http2));
        let client = client_of(Http2).await;
        let echoes = (1..4).map(|seed| {
            let client = &client;
            async move {
                let sent = bytes_of(seed, 100_000);
                let body = in_pieces(sent.clone(), 7_000, Duration::from_millis(100 * seed));
                let request = Request::post("http://depot:80/echo").body(body).unwrap();
                let echo = client.send(request).await.unwrap();
                assert_eq!(all(echo.into_body()).await, sent);
            }
        });
        join_all(echoes).await;
    });
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    explorer("http2::silence").check(|| async {
        start(Server::new(Http2));
        let client = client_of(Http2).await;
        client.ask(Ask::get("/nothing")).await.unwrap();
        let cut = Network::current().partition(&[&["test"], &["depot"]]);
        let begin = Instant::now();
        client.ask(Ask::get("/nothing")).await.unwrap_err();
        // A ping after a second, and two seconds without an answer.
        let waited = begin.elapsed();
        assert!((Duration::from_secs(2)..=Duration::from_secs(4)).contains(&waited), "{waited:?}");
        cut.heal();
        // Who asks before the connection's task has seen its end is told that it is closed, and asks again.
        client.clone().patient(Duration::from_secs(5), 2).oneshot(Ask::get("/nothing")).await.unwrap();
        assert_eq!(client.connections(), 2);
    });
}

#[test]
fn told_to_stop_it_answers_what_was_asked() {
    explorer("http2::stop").check(|| async {
        let (_, depot, stop) = start(Server::new(Http2));
        let client = client_of(Http2).await;
        let asked: Vec<_> = (0..10)
            .map(|_| {
                let client = client.clone();
                timeloop::spawn(async move { client.ask(Ask::get("/wait/2000")).await })
            })
            .collect();
        while depot.begun() < 10 {
            sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        sleep(Duration::from_millis(10)).await;
        client.ask(Ask::get("/nothing")).await.unwrap_err();
        for asked in asked {
            assert_eq!(asked.await.unwrap().unwrap().status, StatusCode::OK);
        }
        assert_eq!(depot.begun(), 10);
    });
}

#[test]
fn a_slow_link_only_takes_longer() {
    explorer("http2::slow").runs(20).check(|| async {
        start(Server::new(Http2));
        Network::current().set_all(&LinkModel::flaky().bandwidth(100_000).latency(Duration::from_millis(20)));
        let client = client_of(Http2).await;
        let begin = Instant::now();
        let blobs = (0..5).map(|seed| client.ask(Ask::get(format!("/blob/{seed}/40000"))));
        for (seed, answer) in (0..5).zip(join_all(blobs).await) {
            assert_eq!(answer.unwrap().body, bytes_of(seed, 40_000));
        }
        assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    });
}
