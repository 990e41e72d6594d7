//! Every exhibit as a test: its bug does not show in FIFO order, is found by exploring, shrinks to a few deviations, is
//! reported with its critical order or choice, and is replayed by its token. `reports/` contains the reports; `BLESS=1
//! cargo test` rewrites them.
//!
//! `apart/` tests its own exhibit. `fixed/` and `apart-fixed/` test that the fixed versions pass.

use std::sync::{LazyLock, OnceLock};

use museum::exhibit_set::{ExhibitSet, Finding};
use museum::{EXHIBIT_SET, EXHIBITS};

#[path = "../../../sim/tests/suite/redact.rs"]
mod redact;
use redact::redacted;

/// The findings, each exhibit once.
fn finding(exhibit: &str) -> &'static Finding {
    static FINDINGS: LazyLock<Vec<OnceLock<Finding>>> =
        LazyLock::new(|| EXHIBIT_SET.exhibits.iter().map(|_| OnceLock::new()).collect());
    let index =
        EXHIBIT_SET.exhibits.iter().position(|(name, _)| *name == exhibit).expect("it is in the list");
    // Finding a bug includes that it passes in FIFO order.
    FINDINGS[index]
        .get_or_init(|| EXHIBIT_SET.find(exhibit, |_| {}).unwrap_or_else(|problem| panic!("{problem}")))
}

fn check(exhibit: &str) {
    let finding = finding(exhibit);
    assert!(finding.deviations_after <= 6, "{finding:?}");
    assert!(finding.deviations_after <= finding.deviations_before, "{finding:?}");
    assert!(finding.critical.is_some(), "{finding:?}");
    assert_eq!(EXHIBIT_SET.replay(exhibit, &finding.token), Ok(finding.replay), "{finding:?}");
    let path = format!("tests/reports/{exhibit}.txt");
    let report = redacted(&finding.report);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &report).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    assert!(report == stored, "{path} differs from\n{report}");
}

macro_rules! exhibits {
    ($($test:ident: $name:literal,)*) => {
        const NAMES: &[&str] = &[$($name),*];
        $(
            #[test]
            fn $test() {
                check($name);
            }
        )*
    };
}

exhibits! {
    async_broadcast: "async-broadcast",
    async_channel: "async-channel",
    async_singleflight: "async-singleflight",
    async_unsync: "async-unsync",
    deadpool: "deadpool",
    embassy_channel: "embassy-channel",
    embassy_signal: "embassy-signal",
    event_listener_1: "event-listener-1",
    flume: "flume",
    futures_intrusive: "futures-intrusive",
    futures_locks_0_4: "futures-locks-0.4",
    futures_locks_0_7: "futures-locks-0.7",
    h2: "h2",
    loole: "loole",
    mea_acquire: "mea-acquire",
    mea_try_acquire: "mea-try-acquire",
    moka: "moka",
    postage: "postage",
    tokio_mutex: "tokio-mutex",
    tower: "tower",
    yamux: "yamux",
}

#[test]
fn the_median_is_two_deviations_at_most() {
    let mut deviations: Vec<_> = NAMES.iter().map(|name| finding(name).deviations_after).collect();
    deviations.sort_unstable();
    assert!(deviations[deviations.len() / 2] <= 2, "{deviations:?}");
}

#[test]
fn every_scenario_is_tested_and_every_exhibit_has_one() {
    let mut scenarios: Vec<_> = EXHIBIT_SET.exhibits.iter().map(|(name, _)| *name).collect();
    scenarios.sort_unstable();
    assert_eq!(NAMES, scenarios);
    scenarios.push("event-listener-2");
    scenarios.sort_unstable();
    let mut exhibits: Vec<_> = EXHIBITS.iter().map(|exhibit| exhibit.name).collect();
    exhibits.sort_unstable();
    assert_eq!(exhibits, scenarios);
}

#[test]
fn unknown_exhibits_and_passing_scenarios_are_errors() {
    assert_eq!(EXHIBIT_SET.find("flum", |_| {}), Err("`flum` is not an exhibit of this package".to_owned()));
    let few = ExhibitSet { runs: 1, ..EXHIBIT_SET };
    // The bug of flume does not show with seed 0.
    assert_eq!(few.find("flume", |_| {}), Err("the bug does not show in 1 schedules".to_owned()));
    let damaged = EXHIBIT_SET.replay("flume", "TL1NOTATOKEN").unwrap_err();
    assert!(damaged.contains("TIMELOOP_REPLAY"), "{damaged}");
    let other = EXHIBIT_SET.replay("loole", &finding("flume").token).unwrap_err();
    assert!(other.contains("the token is not one of `museum::loole`"), "{other}");
}

#[test]
fn an_answer_is_read_as_it_was_written() {
    let finding = finding("flume");
    let read = |finding: &Finding| {
        let read = finding.to_string().parse::<Finding>()?;
        // The time is transferred in microseconds.
        Ok::<_, String>(Finding { took: finding.took, report: finding.report.clone(), ..read })
    };
    let without = Finding { critical: None, ..finding.clone() };
    for finding in [finding, &without] {
        assert_eq!(read(finding).as_ref(), Ok(finding));
    }
    assert_eq!(finding.replay.to_string().parse(), Ok(finding.replay));
    assert!("clean".parse::<Finding>().is_err());
}

/// `search` prints more exact numbers.
#[test]
fn the_portfolio_keeps_up_with_random() {
    for name in NAMES {
        let [random, portfolio] = ["random", "portfolio"]
            .map(|strategy| EXHIBIT_SET.search(name, strategy.parse().unwrap(), 100).unwrap());
        let ratio = portfolio.mean / random.mean;
        // The relative errors of both means.
        let error = (random.error / random.mean).hypot(portfolio.error / portfolio.mean);
        assert!(ratio * (1.0 - 1.96 * error) <= 1.5, "{name}: {portfolio:?}, and {random:?} of random");
    }
}
