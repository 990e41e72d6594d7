//! Loss, partitions, crashes, pauses, under a thousand seeds for each protocol, and under all strategies.

use http_depot::Protocol::{self, Http1, Http2};
use http_depot::scenario::{Told, depot_under_faults};
use http_depot::twice::each_twice;
use timeloop::time::Duration;
use timeloop::{Limits, Settings};

use crate::support::explorer;

/// The same run twice for each of 1,000 seeds.
fn a_thousand_seeds(protocol: Protocol) {
    let limits = Limits { max_virtual_time: Duration::from_secs(600), ..Limits::default() };
    let made = each_twice(0..1_000, &limits, || depot_under_faults(protocol));
    let sum = |of: fn(&Told) -> u32| made.outputs.iter().map(of).sum::<u32>();
    let counts = [sum(|told| told.answers), sum(|told| told.failed), sum(|told| told.crashes)];
    // It is not for want of faults that all is well.
    assert!(counts[0] > 50_000 && counts[1] > 1_000 && counts[2] > 300, "{counts:?}");
    let undisturbed = made.outputs.iter().filter(|told| told.failed == 0).count();
    assert!((10..900).contains(&undisturbed), "{undisturbed}");
}

#[test]
fn http1_over_a_thousand_seeds_the_same_twice() {
    a_thousand_seeds(Http1);
}

#[test]
fn http2_over_a_thousand_seeds_the_same_twice() {
    a_thousand_seeds(Http2);
}

/// The strategies, time that passes while tasks are ready included; each run twice as well.
#[test]
fn whichever_strategy_orders_the_tasks() {
    for protocol in [Http1, Http2] {
        let settings = Settings { check: Some(100), ..Settings::default() };
        explorer("faults::strategies").stalls(true).environment(settings).check(|| async move {
            depot_under_faults(protocol).await;
        });
    }
}
