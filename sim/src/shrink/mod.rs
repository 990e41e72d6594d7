//! Shrinks a failing run to the few deviations that matter ([`shrink`]), and then searches for the critical pair.
//!
//! # Invariants
//! The result fails with the fingerprint of the original failure, and has no more deviations than the recorded run. If any
//! one deviation is removed, it passes or fails differently, unless the budget ended shrinking.

mod commute;
mod critical_pair;
mod passes;
mod smaller;
mod trial;

pub(crate) use critical_pair::{CriticalPair, Differs, Pair, PairSearch};
use trial::Outcome;
pub use trial::StopReason;
use trial::Trial;
pub(crate) use trial::{Budget, Candidate, tightened};

use crate::runner::Runner;
use crate::{Ended, Limits, Seed};

/// Schedules with no more deviations than this are not rewritten before the first reduction.
const FEW: usize = 8;

/// The result of shrinking.
#[derive(Debug)]
pub(crate) struct Shrunk {
    pub(crate) candidate: Candidate,
    /// The number of deviations of the run as it was found.
    pub(crate) deviations_before: usize,
    pub(crate) runs: u64,
    pub(crate) ended_by: Option<StopReason>,
    pub(crate) critical: PairSearch,
}

/// Why a run was not shrunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotShrunk {
    /// The budget allows no run.
    NoBudget,
    /// The run, rewritten as deviations, is another one.
    Differs,
}

/// Shrinks a recorded failing run.
///
/// # Panics
/// If the run has not failed, or has no record.
pub(crate) fn shrink(
    runner: &Runner<'_>,
    failed: &Ended,
    randomness: Seed,
    budget: Budget,
    progress: &dyn Fn(u64),
) -> Result<Shrunk, NotShrunk> {
    let failure = failed.failure.as_ref().expect("only failing runs are shrunk");
    let record = failed.record.as_ref().expect("only recorded runs are shrunk");
    let rewritten = |deviations| Candidate { randomness, deviations };
    let limits: Limits = tightened(runner.limits, failed);
    let runner = Runner { limits: &limits, ..runner.clone() };
    let mut trial = Trial::new(runner, failure.fingerprint(), budget, progress);
    // `deviations` drops preemptions without an effect on the order. A task may notice the missing poll, so try the literal
    // deviations too.
    let repeats = |outcome: Outcome| outcome.fails() && outcome.trace_hash == failed.trace_hash;
    let mut whole = rewritten(record.deviations());
    if !trial.probe(&whole).is_some_and(repeats) {
        whole = rewritten(record.literal_deviations());
        match trial.probe(&whole) {
            Some(outcome) if repeats(outcome) => {}
            Some(_) => return Err(NotShrunk::Differs),
            None => return Err(NotShrunk::NoBudget),
        }
    }
    let deviations_before = whole.deviations.len();
    let mut best = passes::clear(&mut trial, whole);
    if best.deviations.len() > FEW {
        best = passes::rewrite(&mut trial, best);
    }
    best = passes::truncate(&mut trial, best);
    loop {
        best = reduce(&mut trial, best);
        match smaller::find_smaller(&mut trial, &best) {
            Some(smaller) => best = smaller,
            None => break,
        }
    }
    let (runs, ended_by) = (trial.runs(), trial.ended_by());
    let critical = critical_pair::find(&mut trial, &best, failure.kind);
    Ok(Shrunk { candidate: best, deviations_before, runs, ended_by, critical })
}

/// Applies all passes until none makes the candidate smaller.
fn reduce(trial: &mut Trial<'_>, mut best: Candidate) -> Candidate {
    loop {
        let size = best.size();
        best = passes::clear(trial, best);
        best = passes::remove(trial, best);
        best = passes::lower(trial, best);
        best = passes::rewrite(trial, best);
        if best.size() >= size {
            return best;
        }
    }
}
