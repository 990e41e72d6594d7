//! Under loss, partitions, clogs, crashes and pauses nothing hangs, no byte is wrong, and a seed's bytes on the wire are
//! the same each time.

use std::sync::Mutex;
use std::thread;

use tls_store::tls::{BOTH, ONLY_12, Versions};
use tls_store::world::{Day, bad_day};

use crate::support::run_of;

/// 1,000 bad days, each of them twice, on two threads.
fn bad_days(versions: Versions) -> Vec<Day> {
    let days: Mutex<Vec<(u64, Day)>> = Mutex::default();
    thread::scope(|scope| {
        for first in 0..2 {
            let days = &days;
            scope.spawn(move || {
                for seed in (first..1_000).step_by(2) {
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

#[test]
fn a_thousand_bad_days() {
    let days = bad_days(BOTH);
    dbg!(&days[..5]);
}
