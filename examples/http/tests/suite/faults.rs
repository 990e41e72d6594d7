//! Loss, partitions, crashes and pauses, with a thousand seeds for each protocol, and with all strategies.

use http_depot::Protocol::{self, Http1, Http2};
use http_depot::repeat::each_twice;
use http_depot::scenario::{Summary, depot_under_faults};
use timeloop::time::Duration;
use timeloop::{Limits, Settings};

use crate::support::explorer;

/// Runs each of 1,000 seeds twice.
fn a_thousand_seeds(protocol: Protocol) {
    let limits = Limits { max_virtual_time: Duration::from_secs(600), ..Limits::default() };
    let runs = each_twice(0..1_000, &limits, || depot_under_faults(protocol));
    let sum = |of: fn(&Summary) -> u32| runs.outputs.iter().map(of).sum::<u32>();
    let counts =
        [sum(|summary| summary.answers), sum(|summary| summary.failed), sum(|summary| summary.crashes)];
    // There are enough faults.
    assert!(counts[0] > 50_000 && counts[1] > 1_000 && counts[2] > 300, "{counts:?}");
    let without_failure = runs.outputs.iter().filter(|summary| summary.failed == 0).count();
    assert!((10..900).contains(&without_failure), "{without_failure}");
}

#[test]
fn http1_with_a_thousand_seeds() {
    a_thousand_seeds(Http1);
}

#[test]
fn http2_with_a_thousand_seeds() {
    a_thousand_seeds(Http2);
}

/// All strategies, with time passing while tasks are ready. Each run is repeated.
#[test]
fn all_strategies() {
    for protocol in [Http1, Http2] {
        let settings = Settings { check: Some(100), ..Settings::default() };
        // The work must end within a minute, so no stall may take as long.
        let stalls = Duration::from_secs(1);
        explorer("faults::strategies").stalls(stalls).environment(settings).check(|| async move {
            depot_under_faults(protocol).await;
        });
    }
}
