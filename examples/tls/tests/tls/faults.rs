//! Loss, partitions, clogs, crashes and pauses: no task hangs, no byte is wrong, and a seed always gives the same bytes on
//! the wire.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::thread;

use timeloop::Explorer;
use tls_store::tls::{BOTH, ONLY_12, Versions};
use tls_store::world::{Summary, store_under_faults};

use crate::support::run_of;

/// Runs that many seeds twice each, on two threads.
fn run_twice(versions: Versions, count: u64) -> Vec<Summary> {
    let summaries: Mutex<Vec<(u64, Summary)>> = Mutex::default();
    thread::scope(|scope| {
        for first in 0..2 {
            let summaries = &summaries;
            scope.spawn(move || {
                for seed in (first..count).step_by(2) {
                    let [one, again] = [(); 2].map(|()| run_of(seed, || store_under_faults(versions)));
                    let summary = match one.result {
                        Ok(summary) => summary,
                        Err(failure) => panic!("seed {seed}: {failure}"),
                    };
                    assert_eq!(
                        one.trace_hash, again.trace_hash,
                        "seed {seed} takes different steps in the second run"
                    );
                    assert_eq!(
                        summary,
                        again.result.unwrap(),
                        "seed {seed} has different bytes on the wire in the second run"
                    );
                    summaries.lock().unwrap().push((seed, summary));
                }
            });
        }
    });
    let mut summaries = summaries.into_inner().unwrap();
    summaries.sort_by_key(|(seed, _)| *seed);
    summaries.into_iter().map(|(_, summary)| summary).collect()
}

/// Checks that enough faults have happened.
fn check_faults(summaries: &[Summary]) {
    let wires: BTreeSet<_> = summaries.iter().map(|summary| summary.wire).collect();
    assert_eq!(wires.len(), summaries.len(), "two seeds have the same bytes");
    let counters = || summaries.iter().flat_map(|summary| &summary.counters);
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let crashed = share(summaries.iter().filter(|summary| summary.incarnations > 1).count(), summaries.len());
    assert!(crashed > 0.2, "the store crashes too rarely: {crashed}");
    let failed = counters().map(|counters| counters.failed).sum::<u32>() as usize;
    assert!(failed > summaries.len(), "too few failed attempts: {failed}");
    let resumed = counters().map(|counters| counters.resumed).sum::<u32>() as usize;
    assert!(resumed > summaries.len() / 2, "too few resumed sessions: {resumed}");
    let full = counters().map(|counters| counters.full).sum::<u32>() as usize;
    let endings = || summaries.iter().flat_map(|summary| &summary.endings);
    let ended = |kind| endings().filter(|ending| **ending == Err(kind)).count();
    assert!(endings().any(Result::is_ok), "no connection ends properly");
    let (truncated, reset) = (ended(ErrorKind::UnexpectedEof), ended(ErrorKind::ConnectionReset));
    assert!(truncated > 0 && reset > 0, "truncated {truncated}, reset {reset}");
    assert_eq!(ended(ErrorKind::InvalidData), 0, "a byte is wrong");
    println!(
        "{} runs: {full} full and {resumed} resumed handshakes, {failed} failed attempts; of the store's connections, \
         {truncated} were truncated and {reset} reset",
        summaries.len()
    );
}

#[test]
fn a_thousand_seeds() {
    check_faults(&run_twice(BOTH, 1_000));
}

#[test]
fn two_hundred_seeds_with_tls_12() {
    check_faults(&run_twice(ONLY_12, 200));
}

#[test]
fn all_strategies() {
    let explorer = Explorer::new("tls::faults::strategies").without_regressions().without_environment();
    // Without stalls: a starved client does not finish in time.
    explorer.stalls(false).runs(100).check(|| async {
        store_under_faults(BOTH).await;
    });
}
