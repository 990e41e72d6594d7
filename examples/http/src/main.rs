//! A minute in the life of a depot: a client puts documents and gets them back, while its server crashes and a link is cut.
//!
//! ```text
//! cargo run
//! ```
//!
//! It says the same each time, because the world in which it happens obeys a seed.

use http_depot::Protocol;
use http_depot::body::bytes_of;
use http_depot::client::{Ask, Client};
use http_depot::depot::Depot;
use http_depot::server::Server;
use timeloop::net::{LinkModel, Network};
use timeloop::time::{Duration, Instant, sleep};
use timeloop::world::World;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

async fn story(protocol: Protocol) {
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
    let patient = client.clone().patient(Duration::from_secs(2), 20);
    let work = timeloop::spawn(async move {
        for number in 1..=5_u32 {
            let (path, document) = (format!("/documents/{number}"), bytes_of(number.into(), 40_000));
            let put =
                patient.clone().oneshot(Ask::put(&path, document.clone())).await.expect("kept in the end");
            let got = patient.clone().oneshot(Ask::get(&path)).await.expect("given in the end");
            let same = if got.body == document { "the same" } else { "something else" };
            let told = (put.status.as_u16(), got.status.as_u16(), got.body.len(), client.connections());
            say(format!(
                "client   document {number}: put {}, got {}, {} bytes, {same}; connections so far: {}",
                told.0, told.1, told.2, told.3
            ));
            sleep(Duration::from_secs(2)).await;
        }
    });
    sleep(Duration::from_millis(3_000)).await;
    say("test     depot crashes".to_owned());
    node.crash();
    sleep(Duration::from_millis(2_500)).await;
    say("test     depot is started again".to_owned());
    node.restart();
    sleep(Duration::from_millis(2_500)).await;
    say("test     the link between test and depot is cut".to_owned());
    let cut = Network::current().partition(&[&["test"], &["depot"]]);
    sleep(Duration::from_secs(4)).await;
    say("test     the link is whole again".to_owned());
    cut.heal();
    work.await.expect("the client's task ends");
    stop.cancel();
    say(format!("test     depot is told to stop; it has had {} requests", depot.begun()));
}

fn main() -> Result<(), timeloop::Failure> {
    timeloop::run(7, || story(Protocol::Http1))?;
    timeloop::run(7, || story(Protocol::Http2))
}
