//! The determinism check detects differences, and hyper's access to the real world causes none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use http_depot::repeat::each_twice;
use hyper::body::Incoming;
use hyper::header::DATE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use timeloop::adapters::hyper::{Executor, Io, Timer};
use timeloop::net::{TcpListener, TcpStream};
use timeloop::time::sleep;
use timeloop::{Limits, Seed, StrategySpec, run_from};

/// Returns the panic message of checking seeds 3 and 4 with `test`.
fn panic_of_check<Fut: Future<Output = u32>>(test: impl Fn() -> Fut) -> String {
    let result = catch_unwind(AssertUnwindSafe(|| each_twice(3..5, &Limits::default(), test)));
    *result.expect_err("the second run differs").downcast::<String>().expect("the panic has a message")
}

#[test]
fn a_run_that_differs_is_detected() {
    let runs = AtomicU32::new(0);
    let count = || runs.fetch_add(1, Ordering::Relaxed);
    let steps = panic_of_check(|| async {
        sleep(timeloop::time::Duration::from_nanos(count().into())).await;
        0
    });
    assert!(steps.contains("seed 3 takes different steps in the second run"), "{steps}");
    let outputs = panic_of_check(|| async { count() });
    assert!(outputs.contains("seed 3 has a different output in the second run"), "{outputs}");
}

/// Returns the date headers of an HTTP/1 and an HTTP/2 response.
async fn dates() -> [String; 2] {
    async fn answer(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
        Ok(Response::new(Full::from("here")))
    }
    let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
    timeloop::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(Timer::new()).serve_connection(Io::new(stream), service_fn(answer)).await.ok();
        let (stream, _) = listener.accept().await.unwrap();
        let mut builder = hyper::server::conn::http2::Builder::new(Executor::new());
        builder.timer(Timer::new()).serve_connection(Io::new(stream), service_fn(answer)).await.ok();
    });
    let request = || Request::get("http://test/").body(Full::<Bytes>::default()).unwrap();
    let connect = || async { Io::new(TcpStream::connect("127.0.0.1:80").await.unwrap()) };
    let one = {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(connect().await).await.unwrap();
        timeloop::spawn(connection);
        sender.send_request(request()).await.unwrap()
    };
    let two = {
        let builder = hyper::client::conn::http2::Builder::new(Executor::new());
        let (mut sender, connection) = builder.handshake(connect().await).await.unwrap();
        timeloop::spawn(connection);
        sender.send_request(request()).await.unwrap()
    };
    let mut dates = [String::new(), String::new()];
    for (date, response) in dates.iter_mut().zip([one, two]) {
        *date = response.headers()[DATE].to_str().unwrap().to_owned();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "here");
    }
    dates
}

#[test]
fn a_real_date_changes_no_step() {
    let [first, second] = [0, 1].map(|run| {
        // Waits until the date has changed.
        std::thread::sleep(Duration::from_millis(1_100 * run));
        run_from(StrategySpec::Random.source(Seed(7)), &Limits::default(), dates)
    });
    assert_eq!((first.trace_hash, first.steps), (second.trace_hash, second.steps));
    let (first, second) = (first.result.unwrap(), second.result.unwrap());
    assert!(first[0] != second[0] && first[1] != second[1], "{first:?} {second:?}");
}
