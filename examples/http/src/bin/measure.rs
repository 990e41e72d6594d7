//! Measures how many requests and virtual seconds the simulation runs per second of real time.
//!
//! ```text
//! cargo run --release --bin measure
//! ```

use std::time::{Duration, Instant};

use http_depot::Protocol::{self, Http1, Http2};
use http_depot::client::{Client, Query};
use http_depot::depot::Depot;
use http_depot::repeat::each_twice;
use http_depot::scenario::depot_under_faults;
use http_depot::server::Server;
use timeloop::world::World;
use timeloop::{Limits, Seed, StrategySpec, run_from};
use tokio_util::sync::CancellationToken;

/// Runs a server and eight tasks that share a client. Each task sends that many requests in sequence.
async fn without_faults(protocol: Protocol, requests: u32) {
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
                    client.query(Query::get("/blob/1/100")).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "the program measures real time outside of runs")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    let limits = Limits { max_steps: 100_000_000, ..Limits::default() };
    for protocol in [Http1, Http2] {
        let begin = now();
        let outcome =
            run_from(StrategySpec::Random.source(Seed(0)), &limits, || without_faults(protocol, 10_000));
        outcome.result.expect("the run passes");
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{protocol:?}, without faults, 8 concurrent requests: {:.0} requests per second, {:.1} steps per request",
            80_000.0 / seconds,
            outcome.steps as f64 / 80_000.0
        );
    }
    for protocol in [Http1, Http2] {
        let begin = now();
        let runs = each_twice(0..200, &limits, || depot_under_faults(protocol));
        let seconds = begin.elapsed().as_secs_f64() / 2.0;
        let answers: u32 = runs.outputs.iter().map(|summary| summary.answers).sum();
        let attempts: u32 = runs.outputs.iter().map(|summary| summary.answers + summary.failed).sum();
        println!(
            "{protocol:?}, under faults: {:.0} answers ({:.0} attempts) and {:.0} virtual seconds per second, {:.0} runs per second",
            f64::from(answers) / seconds,
            f64::from(attempts) / seconds,
            runs.virtual_seconds / seconds,
            runs.outputs.len() as f64 / seconds
        );
    }
}
