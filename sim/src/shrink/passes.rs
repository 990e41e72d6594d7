//! The passes of shrinking. Each takes a failing candidate and returns one that fails in the same way and is no larger.
//!
//! # Invariants
//! The returned candidate has been run and has failed.

use super::commute::{Unknown, commuted};
use super::trial::{Candidate, Trial};
use crate::{Domain, Seed};

/// Tries the largest reductions: no deviations at all, and randomness 0.
pub(super) fn clear(trial: &mut Trial<'_>, best: Candidate) -> Candidate {
    let baseline = |randomness| Candidate { randomness, deviations: Vec::new() };
    let without_randomness = Candidate { randomness: Seed(0), deviations: best.deviations.clone() };
    [baseline(Seed(0)), without_randomness]
        .into_iter()
        .chain([baseline(best.randomness)])
        .find(|candidate| candidate.size() < best.size() && trial.fails(candidate))
        .unwrap_or(best)
}

/// Removes deviations from the end: finds a short failing prefix by bisection.
pub(super) fn truncate(trial: &mut Trial<'_>, best: Candidate) -> Candidate {
    let prefix = |length: usize| best.with(best.deviations[..length].to_vec());
    let (mut passes, mut fails) = (0, best.deviations.len());
    while passes + 1 < fails {
        let middle = passes.midpoint(fails);
        if trial.fails(&prefix(middle)) {
            fails = middle;
        } else {
            passes = middle;
        }
    }
    prefix(fails)
}

/// Delta debugging: removes deviations, many at a time and then fewer, until no single one can be removed.
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
        // Repeat the rounds of single deviations until one removes none.
        size = if size == 1 && removed { 1 } else { size / 2 };
    }
    best
}

/// Lowers the value of each deviation while the others stay.
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
            // A preemption of 0 other steps is no preemption.
            let least = u32::from(best.deviations[index].domain == Domain::Operation);
            let (mut passes, mut fails) = (least, value);
            // The least value is the simplest deviation, so try it before bisecting.
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

/// Records the best run and computes its deviations anew, which may be fewer. Then moves independent steps closer to FIFO
/// order.
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
