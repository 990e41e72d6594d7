//! A demo: a client puts and gets documents while its server crashes and a link is cut.
//!
//! ```text
//! cargo run
//! ```
//!
//! The output is the same each time, because the seed decides everything.

use http_depot::Protocol;
use http_depot::body::bytes_of;
use http_depot::client::{Client, Query};
use http_depot::depot::Depot;
use http_depot::server::Server;
use timeloop::net::{LinkModel, Network};
use timeloop::time::{Duration, Instant, sleep};
use timeloop::world::World;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

async fn demo(protocol: Protocol) {
    let begin = Instant::now();
    let say = move |what: String| println!("{:>8.3} s  {what}", begin.elapsed().as_secs_f64());
    println!("\n{protocol:?}");
    Network::current().set_all(
        &LinkModel::new().latency_with_tail(Duration::from_millis(5), Duration::from_millis(100)).loss(0.01),
    );
    let (depot, stop) = (Depot::new(), CancellationToken::new());
    let (kept, until) = (depot.clone(), stop.clone());
    let node = World::current().node("depot").start(move || {
        say("depot    listens on port 80".to_owned());
        Server::new(protocol).run(kept.clone(), until.clone())
    });
    let client = Client::new(protocol, "depot:80");
    let with_retries = client.clone().with_retries(Duration::from_secs(2), 20);
    let work = timeloop::spawn(async move {
        for number in 1..=5_u32 {
            let (path, document) = (format!("/documents/{number}"), bytes_of(number.into(), 40_000));
            let put = with_retries
                .clone()
                .oneshot(Query::put(&path, document.clone()))
                .await
                .expect("the document is stored");
            let got =
                with_retries.clone().oneshot(Query::get(&path)).await.expect("the document is returned");
            let same = if got.body == document { "the same" } else { "different bytes" };
            let result = (put.status.as_u16(), got.status.as_u16(), got.body.len(), client.connections());
            say(format!(
                "client   document {number}: put {}, got {}, {} bytes, {same}; connections so far: {}",
                result.0, result.1, result.2, result.3
            ));
            sleep(Duration::from_secs(2)).await;
        }
    });
    sleep(Duration::from_millis(3_000)).await;
    say("test     depot crashes".to_owned());
    node.crash();
    sleep(Duration::from_millis(2_500)).await;
    say("test     depot restarts".to_owned());
    node.restart();
    sleep(Duration::from_millis(2_500)).await;
    say("test     the link between test and depot is cut".to_owned());
    let cut = Network::current().partition(&[&["test"], &["depot"]]);
    sleep(Duration::from_secs(4)).await;
    say("test     the link is healed".to_owned());
    cut.heal();
    work.await.expect("the client's task ends");
    stop.cancel();
    say(format!("test     depot stops after {} requests", depot.received()));
}

fn main() -> Result<(), timeloop::Failure> {
    timeloop::run(7, || demo(Protocol::Http1))?;
    timeloop::run(7, || demo(Protocol::Http2))
}
