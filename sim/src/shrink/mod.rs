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
pub(crate) use trial::{Candidate, tightened};

use crate::runner::Runner;
use crate::sorting::sort_by_number;
use crate::{Deviation, Domain, Ended, Limits, Performed, Record, ResourceKey, Schedule};

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

/// Shrinks a recorded failing run of `schedule`, with decisions that its strategy can make. The runs of the critical pair may
/// hold ready tasks back for longer, for less than `held_ns`. `stored` are the deviations of a schedule that has been shrunk
/// before, perhaps for other code.
///
/// # Panics
/// If the run has not failed, or has no record.
pub(crate) fn shrink(
    runner: &Runner<'_>,
    failed: &Ended,
    schedule: &Schedule,
    held_ns: u64,
    stored: Option<&[Deviation]>,
    runs_max: u64,
    progress: &dyn Fn(u64),
) -> Result<Shrunk, NotShrunk> {
    let failure = failed.failure.as_ref().expect("only failing runs are shrunk");
    let record = failed.record.as_ref().expect("only recorded runs are shrunk");
    let (randomness, reach) = (schedule.randomness(), schedule.reach());
    let rewritten = |deviations| Candidate { randomness, deviations };
    let limits: Limits = tightened(runner.limits, failed);
    let runner = Runner { limits: &limits, ..runner.clone() };
    let mut trial = Trial::new(runner, failure, runs_max, progress);
    // `deviations` drops preemptions without an effect on the order. A task may notice the missing poll, so try the literal
    // deviations too.
    let repeats = |outcome: Outcome| outcome.fails() && outcome.trace_hash == failed.trace_hash;
    let recorded = [record.deviations(), record.literal_deviations()];
    let mut wholes = stored.map(<[_]>::to_vec).into_iter().chain(recorded).map(rewritten);
    let mut probed = 0;
    let whole = wholes.find(|whole| {
        let outcome = trial.probe(whole);
        probed += u32::from(outcome.is_some());
        outcome.is_some_and(repeats)
    });
    let Some(whole) = whole else {
        return Err(if probed == 0 { NotShrunk::NoBudget } else { NotShrunk::Differs });
    };
    let deviations_before = whole.deviations.len();
    let is_stall = |deviation: &&Deviation| deviation.domain == Domain::Stall;
    let allowed = Allowed {
        stalls: whole.deviations.iter().filter(is_stall).cloned().collect(),
        preempted: (!reach.preempts).then(|| resources_of_preemptions(record)),
        reorders: reach.reorders,
        varied_io: reach.varied_io,
    };
    let held_ns_before = trial.probe(&whole).map_or(0, |outcome| outcome.held_ns);
    trial.held_ns_max = reach.held_ns.max(held_ns_before + 1);
    let mut best = passes::clear(&mut trial, whole);
    if best.deviations.len() > FEW {
        best = passes::rewrite(&mut trial, best);
    }
    best = passes::truncate(&mut trial, best);
    loop {
        best = reduce(&mut trial, best);
        // It was searched for a smaller one before it was stored.
        if stored.is_some_and(|stored| best.deviations == stored) {
            break;
        }
        match smaller::find_smaller(&mut trial, &best, &allowed) {
            Some(smaller) => best = smaller,
            None => break,
        }
    }
    let (runs, ended_by) = (trial.runs(), trial.ended_by());
    trial.held_ns_max = trial.held_ns_max.max(held_ns);
    let critical = critical_pair::find(&mut trial, &best, failure.kind, held_ns > 0);
    Ok(Shrunk { candidate: best, deviations_before, runs, ended_by, critical })
}

/// Searches for the critical pair of a failing run whose schedule has been shrunk before. The runs of the pair hold ready tasks
/// back for less than `held_ns`, or for as long as the failing run.
///
/// # Panics
/// If the run has not failed.
pub(crate) fn find_pair(
    runner: &Runner<'_>,
    failed: &Ended,
    candidate: &Candidate,
    held_ns: u64,
) -> PairSearch {
    let failure = failed.failure.as_ref().expect("only failing runs have a critical pair");
    let limits = tightened(runner.limits, failed);
    let runner = Runner { limits: &limits, ..runner.clone() };
    let mut trial = Trial::new(runner, failure, 0, &|_| {});
    trial.held_ns_max = held_ns.max(failed.held_ns + 1);
    critical_pair::find(&mut trial, candidate, failure.kind, held_ns > 0)
}

/// The decisions that shrinking may add.
#[derive(Debug)]
struct Allowed {
    /// The stalls of the run as it was found. No other task is held back, and none for longer.
    stalls: Vec<Deviation>,
    /// The resources before whose accesses tasks may be preempted; `None` if those are all.
    preempted: Option<Vec<ResourceKey>>,
    /// Whether tasks may run out of FIFO order.
    reorders: bool,
    /// Whether a read or a write may move a part of its bytes.
    varied_io: bool,
}

/// Returns the resources before whose accesses a task was preempted.
fn resources_of_preemptions(record: &Record) -> Vec<ResourceKey> {
    let is_preempted = |performed: &&Performed| {
        let step = &record.steps[performed.step as usize];
        performed.index.is_some() && record.arrival_of(step).operation == performed.index
    };
    let mut resources: Vec<_> =
        record.operations.iter().filter(is_preempted).map(|performed| performed.operation.resource).collect();
    sort_by_number(&mut resources, |resource| resource.0.into());
    resources.dedup();
    resources
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
