//! Tests that runs without a bug pass, that each planted bug is found and shrunk, and that a seed always gives the same run.

use consensus::{Bug, scenario};
use timeloop::{Deviation, Domain, Explorer, Found, Limits, run_from};

fn explorer(name: &'static str) -> Explorer {
    Explorer::new(name).stalls(false).without_regressions().without_environment().silent()
}

/// Returns the number of faults in the deviations.
fn faults(deviations: &[Deviation]) -> usize {
    let mut faults: Vec<_> = deviations.iter().map(|deviation| (&deviation.task, deviation.resume)).collect();
    faults.dedup();
    faults.len()
}

#[test]
fn runs_without_a_bug_pass() {
    explorer("clean").runs(300).check(|| scenario::run(None));
}

#[test]
fn a_seed_always_gives_the_same_run() {
    let digest = |jobs| explorer("digest").runs(30).jobs(jobs).run(|| scenario::run(None)).digest;
    assert_eq!(digest(1), digest(2));
}

fn planted(bug: Bug) -> (u64, Box<Found>) {
    // A run of 18,000 steps whose reads and writes are split is not shrunk within the limit on steps.
    let exploration = explorer("planted").varied_io(false).run(move || scenario::run(Some(bug)));
    let report = exploration.report();
    let found = exploration.found.unwrap_or_else(|| panic!("{report}"));
    assert!(found.replayed && found.not_shrunk.is_none(), "{}", found.report);

    // The token reproduces the failure.
    let schedule = timeloop::StoredSchedule::from_token(&found.token, "planted").unwrap();
    let again = run_from(schedule.source(), &Limits::default(), move || scenario::run(Some(bug)));
    assert_eq!(again.trace_hash, found.trace_hash);
    assert_eq!(again.result.unwrap_err().message(), found.failure.message());
    // Without the bug, the same faults cause no failure.
    let without = run_from(schedule.source(), &Limits::default(), || scenario::run(None));
    assert_eq!(without.result.map_err(|failure| failure.message()), Ok(()));
    (exploration.runs, found)
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    let (runs, found) = planted(Bug::AcknowledgesBeforeSync);
    assert!(runs <= 1_000, "{runs}");
    let deviations = found.shrunk.deviations().unwrap();
    assert!(deviations.len() <= 5 && faults(deviations) <= 3, "{}", found.report);
    assert!(deviations.iter().all(|deviation| deviation.domain == Domain::Fault), "{}", found.report);

    let report = found.report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("crashes"), "{report}");
    assert!(report.contains("a committed entry is lost"), "{report}");
    assert!(report.contains("had lost its entr"), "{report}");
}

#[test]
fn a_stale_read_is_not_linearizable() {
    let (_, found) = planted(Bug::ReadsLocally);
    assert!(found.failure.message().contains("is not linearizable"), "{}", found.report);
    let deviations = found.shrunk.deviations().unwrap();
    assert!(deviations.len() <= 8 && faults(deviations) <= 3, "{}", found.report);
}
