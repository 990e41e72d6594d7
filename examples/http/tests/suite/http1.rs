//! HTTP/1: keep-alive, pipelining, chunked bodies, incomplete heads, upgrades and shutdown.

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use http_depot::Protocol::Http1;
use http_depot::body::{bytes_of, in_chunks};
use http_depot::client::Query;
use http_depot::server::Server;
use hyper::{Request, StatusCode};
use timeloop::adapters::hyper::Io;
use timeloop::io::{AsyncReadExt as _, AsyncWriteExt as _};
use timeloop::net::TcpStream;
use timeloop::time::{Duration, Instant, sleep};
use tokio_util::codec::{Framed, LinesCodec};

use crate::support::{all, client_of, explorer, get, start};

#[test]
fn a_connection_is_kept_alive() {
    explorer("http1::kept").check(|| async {
        let (_, depot, _) = start(Server::new(Http1));
        let client = client_of(Http1).await;
        for number in 0..5 {
            let document = bytes_of(number, 3_000);
            let path = format!("/documents/{number}");
            let kept = client.query(Query::put(&path, document.clone())).await.unwrap();
            assert_eq!(kept.status, StatusCode::CREATED);
            let got = client.query(Query::get(&path)).await.unwrap();
            assert_eq!((got.status, got.body), (StatusCode::OK, document));
        }
        assert_eq!((client.connections(), depot.received()), (1, 10));
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    explorer("http1::pipelined").check(|| async {
        start(Server::new(Http1));
        client_of(Http1).await;
        let mut stream = TcpStream::connect("depot:80").await.unwrap();
        let request = |path, more| format!("GET {path} HTTP/1.1\r\nhost: depot\r\n{more}\r\n");
        let asked =
            [request("/wait/50", ""), request("/blob/1/3", ""), request("/nowhere", "connection: close\r\n")];
        stream.write_all(asked.concat().as_bytes()).await.unwrap();
        let mut answered = Vec::new();
        stream.read_to_end(&mut answered).await.unwrap();
        let answered: Vec<u8> = answered.into_iter().filter(u8::is_ascii).collect();
        let text = String::from_utf8(answered).unwrap();
        let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("HTTP/1.1 ")).collect();
        assert_eq!(heads, ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"], "{text}");
        assert!(text.contains("transfer-encoding: chunked\r\n"), "{text}");
        assert!(!text.contains("date: "), "{text}");
    });
}

#[test]
fn a_body_is_echoed_while_it_is_sent() {
    explorer("http1::echo").check(|| async {
        start(Server::new(Http1));
        let client = client_of(Http1).await;
        let sent = bytes_of(7, 50_000);
        let body = in_chunks(sent.clone(), 10_000, Duration::from_secs(1));
        let request = Request::post("/echo").header("host", "depot").body(body).unwrap();
        let mut echo = client.send(request).await.unwrap().into_body();
        let mut back = Vec::new();
        let begin = Instant::now();
        while let Some(frame) = echo.frame().await {
            back.extend_from_slice(&frame.unwrap().into_data().unwrap());
            // The fifth chunk is sent 4 s after the first. The earlier ones have been echoed by then.
            assert!(begin.elapsed() > Duration::from_secs(3) || back.len() <= 40_000);
        }
        assert_eq!(back, sent);
    });
}

#[test]
fn a_body_of_a_megabyte_arrives_complete() {
    explorer("http1::megabyte").runs(20).check(|| async {
        start(Server::new(Http1));
        let client = client_of(Http1).await;
        let answer = client.query(Query::get("/blob/3/1000000")).await.unwrap();
        assert_eq!(answer.body, bytes_of(3, 1_000_000));
        let put = client.query(Query::put("/documents/1", answer.body)).await.unwrap();
        assert_eq!(put.status, StatusCode::CREATED);
    });
}

#[test]
fn an_incomplete_head_times_out() {
    explorer("http1::head").check(|| async {
        start(Server { head_limit: Duration::from_secs(7), ..Server::new(Http1) });
        client_of(Http1).await;
        let mut stream = TcpStream::connect("depot:80").await.unwrap();
        let begin = Instant::now();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: de").await.unwrap();
        let mut answered = Vec::new();
        let _ = stream.read_to_end(&mut answered).await;
        let waited = begin.elapsed();
        let seconds = Duration::from_secs(7)..Duration::from_millis(7_100);
        assert!(seconds.contains(&waited), "{waited:?}");
    });
}

#[test]
fn a_connection_is_upgraded_to_lines() {
    explorer("http1::tunnel").check(|| async {
        start(Server::new(Http1));
        let client = client_of(Http1).await;
        let mut request = get("/tunnel");
        for (name, value) in [("connection", "upgrade"), ("upgrade", "lines")] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = client.send(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let mut lines = Framed::new(Io::new(upgraded), LinesCodec::new());
        for (asked, answer) in [("ping", "pong"), ("sum 1 2 39", "42")] {
            lines.send(asked).await.unwrap();
            assert_eq!(lines.next().await.unwrap().unwrap(), answer);
        }
        lines.send("bye").await.unwrap();
        assert!(lines.next().await.is_none());
    });
}

#[test]
fn shutdown_answers_pending_requests() {
    explorer("http1::stop").check(|| async {
        let (node, depot, stop) = start(Server::new(Http1));
        let client = client_of(Http1).await;
        client.query(Query::get("/nothing")).await.unwrap();
        let asked = timeloop::spawn({
            let client = client.clone();
            async move { client.query(Query::get("/wait/2000")).await }
        });
        while depot.received() < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        sleep(Duration::from_millis(10)).await;
        // New connections are refused.
        let refused = TcpStream::connect("depot:80").await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(asked.await.unwrap().unwrap().status, StatusCode::OK);
        client.query(Query::get("/nothing")).await.unwrap_err();
        assert!(node.is_up());
    });
}

/// A partial body is never taken for a complete one.
#[test]
fn an_incomplete_body_is_an_error() {
    explorer("http1::broken").check(|| async {
        let (node, depot, _) = start(Server::new(Http1));
        let client = client_of(Http1).await;
        client.query(Query::put("/documents/1", bytes_of(1, 50_000))).await.unwrap();
        let mut body = client.send(get("/documents/1")).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        node.restart();
        // The restarted host resets the old connection.
        sleep(Duration::from_millis(1)).await;
        let rest = timeloop::time::timeout(Duration::from_secs(1), body.collect()).await;
        assert!(!matches!(rest, Ok(Ok(_))), "the body is incomplete");
        let again = client.query(Query::get("/documents/1")).await.unwrap();
        assert_eq!(again.body, depot.document(1).unwrap());
    });
}

#[test]
fn a_slow_reader_gets_the_complete_response() {
    explorer("http1::slow_reader").runs(20).check(|| async {
        start(Server::new(Http1));
        let client = client_of(Http1).await;
        let response = client.send(get("/blob/9/3000000")).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(all(response.into_body()).await, bytes_of(9, 3_000_000));
    });
}
