//! Tells a bad day of the store, sees that it is the same again, and says how fast handshakes are.

use std::time::Duration;

use timeloop::{Limits, StrategySpec, run_from};
use tls_store::store::Store;
use tls_store::tls::{self, BOTH, ONLY_12, ONLY_13, Versions};
use tls_store::wire::Wire;
use tls_store::world::{ADDRESS, bad_day, client, start_store};

fn main() {
    let seed: u64 = std::env::args().nth(1).map_or(2, |seed| seed.parse().expect("a seed is a number"));
    let [one, again] = [(); 2]
        .map(|()| run_from(StrategySpec::Random.source(seed.into()), &Limits::default(), || bad_day(BOTH)));
    let day = match one.result {
        Ok(day) => day,
        Err(failure) => panic!("{failure}"),
    };
    println!("Seed {seed}: a bad day of {:.1} s, in {} steps.", one.elapsed.as_secs_f64(), one.steps);
    println!("The store was started {} times.", day.incarnations);
    for (number, told) in (1..).zip(&day.told) {
        println!(
            "Client {number} was answered {} times, over {} full and {} resumed handshakes; {} attempts failed, of \
             which {} were cut off.",
            told.answered, told.full, told.resumed, told.failed, told.cut_off
        );
    }
    println!(
        "{} bytes were written, {} read; the hash of all of them is {:016x}.",
        day.wire.written, day.wire.read, day.wire.hash
    );
    assert_eq!((one.trace_hash, Some(day.wire)), (again.trace_hash, again.result.ok().map(|day| day.wire)));
    println!("The same seed again: the same steps, and the same bytes.\n");

    for (name, versions) in [("TLS 1.3", ONLY_13), ("TLS 1.2", ONLY_12)] {
        for (kind, resumes) in [("full", false), ("resumed", true)] {
            let rate = f64::from(HANDSHAKES) / handshakes(versions, resumes).as_secs_f64();
            println!("{name}, {kind}: {rate:.0} handshakes a second");
        }
    }
}

const HANDSHAKES: u32 = 1_000;

/// How long it takes to make connections, one after the other.
#[expect(clippy::disallowed_methods, reason = "a measurement, around the run")]
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
            client.ask_once(&request).await.expect("nothing fails");
            client.end().await.expect("nothing fails");
        }
        assert_eq!(same.told().resumed, if resumes { HANDSHAKES - 1 } else { 0 });
    })
    .unwrap_or_else(|failure| panic!("{failure}"));
    start.elapsed()
}
