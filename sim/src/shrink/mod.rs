//! Shrinking: from a failing run to the few decisions that matter.
//!
//! Always true: the result fails with the fingerprint that was asked for, is no larger than the recorded run's own
//! deviations, and, unless the budget ended it, passes or fails otherwise when any one deviation is taken away.

mod commute;
mod critical;
mod passes;
mod search;
mod trial;

pub(crate) use critical::{Differs, Hinge, Pair, Sought};
pub use trial::Exhausted;
use trial::Trial;
pub(crate) use trial::{Budget, Candidate, tightened};

use crate::runner::Runner;
use crate::{Ended, Limits, Seed};

/// So many deviations are taken away one by one soon enough.
const FEW: usize = 8;

/// What came of shrinking.
#[derive(Debug)]
pub(crate) struct Shrunk {
    pub(crate) candidate: Candidate,
    /// Deviations of the run as it was found.
    pub(crate) deviations_before: usize,
    pub(crate) runs: u64,
    pub(crate) ended_by: Option<Exhausted>,
    pub(crate) critical: Sought,
}

/// Shrinks a failing run that was recorded; `None` when its deviations do not repeat it, which would be a defect.
pub(crate) fn shrink(
    runner: &Runner<'_>,
    failed: &Ended,
    randomness: Seed,
    budget: Budget,
    progress: &dyn Fn(u64),
) -> Option<Shrunk> {
    let (failure, record) = (failed.failure.as_ref()?, failed.record.as_ref()?);
    let rewritten = |deviations| Candidate { randomness, deviations };
    let limits: Limits = tightened(runner.limits, failed);
    let runner = Runner { limits: &limits, ..runner.clone() };
    let mut trial = Trial::new(runner, failure.fingerprint(), budget, progress);
    // A task that gives way where it need not may yet be polled once more than it would be, and mind.
    let whole =
        [record.deviations(), record.literal_deviations()].map(rewritten).into_iter().find(|whole| {
            trial
                .probe(whole)
                .is_some_and(|outcome| outcome.fails() && outcome.trace_hash == failed.trace_hash)
        })?;
    let deviations_before = whole.deviations.len();
    let mut best = passes::calm(&mut trial, whole);
    if best.deviations.len() > FEW {
        best = passes::rewrite(&mut trial, best);
    }
    best = passes::cut_tail(&mut trial, best);
    loop {
        best = reduce(&mut trial, best);
        match search::smaller(&mut trial, &best) {
            Some(smaller) => best = smaller,
            None => break,
        }
    }
    let (runs, ended_by) = (trial.runs(), trial.ended_by());
    let critical = critical::seek(&mut trial, &best);
    Some(Shrunk { candidate: best, deviations_before, runs, ended_by, critical })
}

/// Takes away and lowers until neither helps.
fn reduce(trial: &mut Trial<'_>, mut best: Candidate) -> Candidate {
    loop {
        let size = best.size();
        best = passes::calm(trial, best);
        best = passes::remove(trial, best);
        best = passes::lower(trial, best);
        best = passes::rewrite(trial, best);
        if best.size() >= size {
            return best;
        }
    }
}
