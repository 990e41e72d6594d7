//! Runs a scenario with faults twice, compares the runs, and measures handshakes.

use std::time::Duration;

use timeloop::{Limits, StrategySpec, run_from};
use tls_store::store::Store;
use tls_store::tls::{self, BOTH, ONLY_12, ONLY_13, Versions};
use tls_store::wire::Wire;
use tls_store::world::{ADDRESS, client, start_store, store_under_faults};

fn main() {
    let seed: u64 = std::env::args().nth(1).map_or(2, |seed| seed.parse().expect("a seed is a number"));
    let [one, again] = [(); 2].map(|()| {
        run_from(StrategySpec::Random.source(seed.into()), &Limits::default(), || store_under_faults(BOTH))
    });
    let summary = match one.result {
        Ok(summary) => summary,
        Err(failure) => panic!("{failure}"),
    };
    println!("Seed {seed}: {:.1} s of virtual time, {} steps.", one.elapsed.as_secs_f64(), one.steps);
    println!("The store started {} times.", summary.incarnations);
    for (number, counters) in (1..).zip(&summary.counters) {
        println!(
            "Client {number}: {} successful requests, {} full and {} resumed handshakes; {} attempts failed, {} of \
             them without `close_notify`.",
            counters.answered, counters.full, counters.resumed, counters.failed, counters.truncated
        );
    }
    println!(
        "{} bytes were written and {} read; their hash is {:016x}.",
        summary.wire.written, summary.wire.read, summary.wire.hash
    );
    assert_eq!(
        (one.trace_hash, Some(summary.wire)),
        (again.trace_hash, again.result.ok().map(|summary| summary.wire))
    );
    println!("The second run of the seed has the same steps and the same bytes.\n");

    for (name, versions) in [("TLS 1.3", ONLY_13), ("TLS 1.2", ONLY_12)] {
        for (kind, resumes) in [("full", false), ("resumed", true)] {
            let rate = f64::from(HANDSHAKES) / handshakes(versions, resumes).as_secs_f64();
            println!("{name}, {kind}: {rate:.0} handshakes per second");
        }
    }
}

const HANDSHAKES: u32 = 1_000;

/// Measures the real time of sequential handshakes.
#[expect(clippy::disallowed_methods, reason = "the program measures real time outside of the run")]
fn handshakes(versions: Versions, resumes: bool) -> Duration {
    let start = std::time::Instant::now();
    timeloop::run(1, || async {
        let wire = Wire::default();
        start_store(tls::Server { versions, ..tls::Server::default() }, Store::default(), wire.clone());
        timeloop::time::sleep(Duration::from_secs(1)).await;
        let fresh = || client(tls::Client { identity: None, versions }, ADDRESS, &wire);
        let mut same = fresh();
        for _ in 0..HANDSHAKES {
            let mut other = fresh();
            let client = if resumes { &mut same } else { &mut other };
            let request = tls_store::store::Request::Get(1);
            client.request_once(&request).await.expect("there are no faults");
            client.close().await.expect("there are no faults");
        }
        assert_eq!(same.counters().resumed, if resumes { HANDSHAKES - 1 } else { 0 });
    })
    .unwrap_or_else(|failure| panic!("{failure}"));
    start.elapsed()
}
