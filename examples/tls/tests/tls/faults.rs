//! Under loss, partitions, clogs, crashes and pauses nothing hangs, no byte is wrong, and a seed's bytes on the wire are
//! the same each time.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::thread;

use timeloop::Explorer;
use tls_store::tls::{BOTH, ONLY_12, Versions};
use tls_store::world::{Day, bad_day};

use crate::support::run_of;

/// So many bad days, each of them twice, on two threads.
fn bad_days(versions: Versions, count: u64) -> Vec<Day> {
    let days: Mutex<Vec<(u64, Day)>> = Mutex::default();
    thread::scope(|scope| {
        for first in 0..2 {
            let days = &days;
            scope.spawn(move || {
                for seed in (first..count).step_by(2) {
                    let [one, again] = [(); 2].map(|()| run_of(seed, || bad_day(versions)));
                    let day = match one.result {
                        Ok(day) => day,
                        Err(failure) => panic!("seed {seed}: {failure}"),
                    };
                    assert_eq!(one.trace_hash, again.trace_hash, "seed {seed} takes the same steps again");
                    assert_eq!(
                        day,
                        again.result.unwrap(),
                        "seed {seed} has the same bytes on the wire again"
                    );
                    days.lock().unwrap().push((seed, day));
                }
            });
        }
    });
    let mut days = days.into_inner().unwrap();
    days.sort_by_key(|(seed, _)| *seed);
    days.into_iter().map(|(_, day)| day).collect()
}

/// That things do go wrong on bad days.
fn judge(days: &[Day]) {
    let wires: BTreeSet<_> = days.iter().map(|day| day.wire).collect();
    assert_eq!(wires.len(), days.len(), "no two days have the same bytes");
    let told = || days.iter().flat_map(|day| &day.told);
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let crashed = share(days.iter().filter(|day| day.incarnations > 1).count(), days.len());
    assert!(crashed > 0.2, "the store crashes on some days: {crashed}");
    let failed = told().map(|told| told.failed).sum::<u32>() as usize;
    assert!(failed > days.len(), "attempts fail: {failed}");
    let resumed = told().map(|told| told.resumed).sum::<u32>() as usize;
    assert!(resumed > days.len() / 2, "sessions are resumed: {resumed}");
    let full = told().map(|told| told.full).sum::<u32>() as usize;
    let endings = || days.iter().flat_map(|day| &day.endings);
    let ended = |kind| endings().filter(|ending| **ending == Err(kind)).count();
    assert!(endings().any(Result::is_ok), "some connections end as they are to");
    let (cut_off, reset) = (ended(ErrorKind::UnexpectedEof), ended(ErrorKind::ConnectionReset));
    assert!(cut_off > 0 && reset > 0, "cut off {cut_off}, reset {reset}");
    assert_eq!(ended(ErrorKind::InvalidData), 0, "no byte is wrong");
    println!(
        "{} days: {full} full handshakes, {resumed} resumed, {failed} attempts failed; of the store's connections \
         {cut_off} were cut off and {reset} reset",
        days.len()
    );
}

#[test]
fn a_thousand_bad_days() {
    judge(&bad_days(BOTH, 1_000));
}

#[test]
fn two_hundred_bad_days_of_tls_12() {
    judge(&bad_days(ONLY_12, 200));
}

#[test]
fn bad_days_under_every_strategy() {
    // What the strategies do to it: tasks that starve, and time that passes while they could run.
    let explorer = Explorer::new("tls::faults::strategies").without_regressions().without_environment();
    // A client that starves is not done in time.
    explorer.stalls(false).runs(100).check(|| async {
        bad_day(BOTH).await;
    });
}
