//! The passes of shrinking: each takes a failing candidate and gives one that fails in the same way and is no larger.
//!
//! Always true: what a pass returns has been run and has failed.

use super::commute::{Unknown, commuted};
use super::trial::{Candidate, Trial};
use crate::{Domain, Seed};

/// The quiet run itself, and calm randomness: whole domains at a time.
pub(super) fn calm(trial: &mut Trial<'_>, best: Candidate) -> Candidate {
    let baseline = |randomness| Candidate { randomness, deviations: Vec::new() };
    let calmer = Candidate { randomness: Seed(0), deviations: best.deviations.clone() };
    [baseline(Seed(0)), calmer]
        .into_iter()
        .chain([baseline(best.randomness)])
        .find(|candidate| candidate.size() < best.size() && trial.fails(candidate))
        .unwrap_or(best)
}

/// Leaves out what comes after the failure is bound to happen: the shortest failing beginning, by bisection.
pub(super) fn cut_tail(trial: &mut Trial<'_>, best: Candidate) -> Candidate {
    let start = |length: usize| best.with(best.deviations[..length].to_vec());
    let (mut passes, mut fails) = (0, best.deviations.len());
    while passes + 1 < fails {
        let middle = passes.midpoint(fails);
        if trial.fails(&start(middle)) {
            fails = middle;
        } else {
            passes = middle;
        }
    }
    start(fails)
}

/// Delta debugging: takes deviations away, many at a time and then fewer, until none can be taken alone.
pub(super) fn remove(trial: &mut Trial<'_>, mut best: Candidate) -> Candidate {
    let mut size = best.deviations.len();
    while size > 0 {
        let mut start = 0;
        let mut removed = false;
        while start < best.deviations.len() {
            let mut fewer = best.deviations.clone();
            fewer.drain(start..(start + size).min(fewer.len()));
            let candidate = best.with(fewer);
            if trial.fails(&candidate) {
                best = candidate;
                removed = true;
            } else {
                start += size;
            }
        }
        // At single deviations go on until a whole round takes none away.
        size = if size == 1 && removed { 1 } else { size / 2 };
    }
    best
}

/// Makes each value as small as it can be while the others stay.
pub(super) fn lower(trial: &mut Trial<'_>, mut best: Candidate) -> Candidate {
    for index in 0..best.deviations.len() {
        let mut with_value = |best: &Candidate, value| {
            let mut candidate = best.clone();
            candidate.deviations[index].value = value;
            trial.fails(&candidate).then_some(candidate)
        };
        let value = best.deviations[index].value;
        let domain = best.deviations[index].domain;
        if matches!(domain, Domain::Schedule | Domain::Operation | Domain::Network | Domain::Fault) {
            // Giving way for nobody is as good as not giving way.
            let least = u32::from(best.deviations[index].domain == Domain::Operation);
            let (mut passes, mut fails) = (least, value);
            // Going first is the simplest of all, or after one other step; try it before the middle.
            let mut middle = least + 1;
            while passes + 1 < fails {
                match with_value(&best, middle) {
                    Some(candidate) => {
                        best = candidate;
                        fails = middle;
                    }
                    None => passes = middle,
                }
                middle = passes.midpoint(fails);
            }
        } else if let Some(candidate) = (1..value.min(64)).find_map(|value| with_value(&best, value)) {
            best = candidate;
        }
    }
    best
}

/// Records the best run and rewrites it: two deviations that do the work of one become one. Then what nobody would notice
/// is brought nearer to first-in-first-out order.
pub(super) fn rewrite(trial: &mut Trial<'_>, mut best: Candidate) -> Candidate {
    let Some(record) = trial.record(&best) else { return best };
    let orders = [Unknown::Fixed, Unknown::Free].map(|unknown| move |record: &_| commuted(record, unknown));
    let commuted = orders.iter().filter_map(|commuted| Some(commuted(&record)?.deviations()));
    for deviations in std::iter::once(record.deviations()).chain(commuted) {
        let candidate = best.with(deviations);
        if candidate.size() < best.size() && trial.fails(&candidate) {
            best = candidate;
        }
    }
    best
}
