//! How many requests and virtual seconds the simulation makes in a second of real time.
//!
//! ```text
//! cargo run --release --bin measure
//! ```

use std::time::{Duration, Instant};

use http_depot::Protocol::{self, Http1, Http2};
use http_depot::client::{Ask, Client};
use http_depot::depot::Depot;
use http_depot::scenario::depot_under_faults;
use http_depot::server::Server;
use http_depot::twice::each_twice;
use timeloop::world::World;
use timeloop::{Limits, Seed, StrategySpec, run_from};
use tokio_util::sync::CancellationToken;

/// A server and eight tasks with a client each, or one for all: so many requests from each, one after the other.
async fn calm(protocol: Protocol, requests: u32) {
    World::current()
        .node("depot")
        .start(move || Server::new(protocol).run(Depot::new(), CancellationToken::new()));
    timeloop::time::sleep(Duration::from_millis(1)).await;
    let shared = Client::new(protocol, "depot:80");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let client = shared.clone();
            timeloop::spawn(async move {
                for _ in 0..requests {
                    client.ask(Ask::get("/blob/1/100")).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures real time, outside of any run")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    let limits = Limits { max_steps: 100_000_000, ..Limits::default() };
    for protocol in [Http1, Http2] {
        let begin = now();
        let outcome = run_from(StrategySpec::Random.source(Seed(0)), &limits, || calm(protocol, 10_000));
        outcome.result.expect("all is calm");
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{protocol:?}, calm, 8 at a time: {:.0} requests a second, {:.1} steps a request",
            80_000.0 / seconds,
            outcome.steps as f64 / 80_000.0
        );
    }
    for protocol in [Http1, Http2] {
        let begin = now();
        let made = each_twice(0..200, &limits, || depot_under_faults(protocol));
        let seconds = begin.elapsed().as_secs_f64() / 2.0;
        let answers: u32 = made.outputs.iter().map(|told| told.answers).sum();
        let attempts: u32 = made.outputs.iter().map(|told| told.answers + told.failed).sum();
        println!(
            "{protocol:?}, under faults: {:.0} answers ({:.0} attempts) and {:.0} virtual seconds a second, {:.0} runs a second",
            f64::from(answers) / seconds,
            f64::from(attempts) / seconds,
            made.virtual_seconds / seconds,
            made.outputs.len() as f64 / seconds
        );
    }
}
