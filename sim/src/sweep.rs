//! Runs seeds on all cores until one fails ([`sweep`]), and counts how often the test fails ([`frequency`]).
//!
//! # Invariants
//! The result is the same for any number of workers. Each run depends only on its index. The failing run with the lowest
//! index wins: all runs below it have been made, and runs above it are not counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::coverage::Covered;
use crate::profile::SeedContext;
use crate::runner::{Runner, Worker};
use crate::sorting::sort_by_number;
use crate::{Detail, Ended, Failure, FailureKind, Fingerprint, Seed};

/// The runs to make.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) base: Seed,
    pub(crate) context: SeedContext,
    /// The index of the first run.
    pub(crate) first: u64,
    /// The number of runs.
    pub(crate) runs: u64,
    pub(crate) jobs: usize,
    /// Of how many runs one is recorded, for [`Coverage`](crate::Coverage); `None` if none is.
    pub(crate) record_one_of: Option<u64>,
}

/// The first failing run.
#[derive(Debug)]
pub(crate) struct FirstFailure {
    pub(crate) index: u64,
    pub(crate) seed: Seed,
    pub(crate) failure: Box<Failure>,
    pub(crate) trace_hash: u64,
    pub(crate) steps: u64,
}

/// The result of a sweep.
#[derive(Debug)]
pub(crate) struct Swept {
    /// The number of runs up to and including the first failing one; all of them if none fails.
    pub(crate) runs: u64,
    /// The number of steps of those runs.
    pub(crate) steps: u64,
    /// A digest of the trace hashes of those runs.
    pub(crate) digest: u64,
    /// The seed and the trace hash of the first run, if it passed.
    pub(crate) opening: Option<(Seed, u64)>,
    /// What those runs covered.
    pub(crate) covered: Covered,
    pub(crate) failure: Option<FirstFailure>,
}

/// The runs that a worker takes at a time, and their results.
#[derive(Debug, Default)]
struct Chunk {
    start: u64,
    steps: u64,
    digest: u64,
    opening: Option<(Seed, u64)>,
    covered: Covered,
    failure: Option<FirstFailure>,
}

/// The number of runs that are made before more threads are started: a short sweep, or one that fails at once, needs none.
const SINGLE_THREADED_RUNS: u64 = 32;

/// Makes the runs of the plan until the first failure. Calls `progress`, on the calling thread, with the number of runs made.
pub(crate) fn sweep(runner: &Runner<'_>, plan: &Plan, progress: &dyn Fn(u64)) -> Swept {
    let size = (plan.runs / 4_096).clamp(8, 1_024);
    let next = AtomicU64::new(0);
    let lowest_failing = AtomicU64::new(u64::MAX);
    let made = AtomicU64::new(0);
    let work = |until: u64, progress: Option<&dyn Fn(u64)>| {
        let worker = runner.worker(&plan.context);
        let mut chunks = Vec::new();
        loop {
            let start = next.load(Relaxed);
            if start >= until || start > lowest_failing.load(Relaxed) {
                return chunks;
            }
            if next.compare_exchange(start, start + size, Relaxed, Relaxed).is_err() {
                continue;
            }
            let chunk = run_chunk(&worker, plan, start, size, &lowest_failing);
            let made = made.fetch_add(size, Relaxed) + size;
            if let Some(progress) = progress {
                progress(made.min(plan.runs));
            }
            chunks.push(chunk);
        }
    };
    let mut chunks = work(plan.runs.min(SINGLE_THREADED_RUNS), Some(progress));
    let jobs = plan.jobs.min(
        usize::try_from(plan.runs.saturating_sub(SINGLE_THREADED_RUNS).div_ceil(size)).unwrap_or(plan.jobs),
    );
    if lowest_failing.load(Relaxed) == u64::MAX {
        chunks.extend(fan_out(jobs, || work(plan.runs, None), || work(plan.runs, Some(progress))));
    }
    sort_by_number(&mut chunks, |chunk| chunk.start.into());
    let covered = Covered::default();
    let mut swept = Swept { runs: plan.runs, steps: 0, digest: 0, opening: None, covered, failure: None };
    for chunk in chunks {
        swept.steps += chunk.steps;
        swept.opening = swept.opening.or(chunk.opening);
        swept.digest = swept.digest.wrapping_add(chunk.digest);
        swept.covered.merge(chunk.covered);
        if let Some(failure) = chunk.failure {
            swept.runs = failure.index - plan.first + 1;
            swept.failure = Some(failure);
            break;
        }
    }
    swept
}

fn run_chunk(worker: &Worker<'_>, plan: &Plan, start: u64, size: u64, lowest_failing: &AtomicU64) -> Chunk {
    let mut chunk = Chunk { start, ..Chunk::default() };
    for offset in start..(start + size).min(plan.runs) {
        if offset > lowest_failing.load(Relaxed) {
            // A run below this one has failed, so this one and all above do not count.
            break;
        }
        let index = plan.first + offset;
        let seed = plan.base.of_run(index);
        let is_recorded = plan.record_one_of.is_some_and(|runs| offset.is_multiple_of(runs));
        let ended = worker.run(seed, if is_recorded { Detail::Record } else { Detail::Lean });
        chunk.steps += ended.steps;
        chunk.digest = chunk.digest.wrapping_add(digest(index, &ended));
        // The baseline run comes first.
        chunk.covered.add(offset + 1, &ended);
        if offset == 0 && ended.failure.is_none() {
            chunk.opening = Some((seed, ended.trace_hash));
        }
        if let Some(failure) = ended.failure {
            lowest_failing.fetch_min(offset, Relaxed);
            let Ended { trace_hash, steps, .. } = ended;
            chunk.failure = Some(FirstFailure { index, seed, failure, trace_hash, steps });
            break;
        }
    }
    chunk
}

/// Returns a run's term of the digest. The digest is a sum, so that the order in which workers add does not matter.
fn digest(index: u64, ended: &Ended) -> u64 {
    let mut z = ended.trace_hash ^ index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    z ^ (z >> 32)
}

/// Calls `own` on the calling thread, and `work` on `jobs - 1` others. Returns all results.
fn fan_out<R: Send>(jobs: usize, work: impl Fn() -> Vec<R> + Sync, own: impl FnOnce() -> Vec<R>) -> Vec<R> {
    std::thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..jobs)
            .filter_map(|number| {
                let name = format!("timeloop worker {number}");
                // If the thread can't be started, the others do its work.
                std::thread::Builder::new().name(name).spawn_scoped(scope, work).ok()
            })
            .collect();
        let mut results = own();
        for other in others {
            // A panic here is a defect of the harness or the engine, never a failing test. The caller gets it.
            results.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    })
}

/// How often the test fails. It is counted by further runs after the first failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frequency {
    /// The number of schedules tried, including those before the first failure.
    pub tried: u64,
    /// The number of those that fail in any way.
    pub failing: u64,
    /// The failures other than the reported one, without duplicates.
    pub others: Vec<OtherFailure>,
}

impl Frequency {
    /// Returns whether more than half of the schedules fail as reported.
    pub(crate) fn is_usual(&self) -> bool {
        let others: u64 = self.others.iter().map(|other| other.count).sum();
        self.failing.saturating_sub(others) > self.tried / 2
    }
}

/// A failure other than the reported one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherFailure {
    /// The kind of the failure.
    pub kind: FailureKind,
    /// The fingerprint of the failure.
    pub fingerprint: Fingerprint,
    /// The first seed that fails in this way.
    pub seed: Seed,
    /// The number of schedules that fail in this way.
    pub count: u64,
}

const FREQUENCY_RUNS: u64 = 200;
const FREQUENCY_STEPS_MAX: u64 = 1_000_000;

/// Makes [`FREQUENCY_RUNS`] runs from `plan.first` on, to count how often the test fails. It makes fewer if the bound on
/// steps is reached.
pub(crate) fn frequency(runner: &Runner<'_>, plan: &Plan, failure: &Failure) -> Frequency {
    let reported = failure.fingerprint();
    let steps_max = if failure.kind.is_limit() { FREQUENCY_STEPS_MAX / 4 } else { FREQUENCY_STEPS_MAX };
    let next = AtomicU64::new(0);
    let work = || {
        let worker = runner.worker(&plan.context);
        let mut results = Vec::new();
        let mut steps = 0;
        loop {
            let offset = next.fetch_add(1, Relaxed);
            // If this worker alone has used up all steps, its next runs are beyond those that count.
            if offset >= FREQUENCY_RUNS || steps > steps_max {
                return results;
            }
            let seed = plan.base.of_run(plan.first + offset);
            let ended = worker.run(seed, Detail::Lean);
            let cost = ended.cost();
            steps += cost;
            let fingerprint = worker.compare(seed, &ended, failure);
            let failure = ended.failure.map(|failure| failure.kind).zip(fingerprint);
            results.push((offset, cost, failure));
        }
    };
    // Offset, cost, failure.
    type Run = (u64, u64, Option<(FailureKind, Fingerprint)>);
    let mut results: Vec<Run> = fan_out(plan.jobs, work, work);
    sort_by_number(&mut results, |(offset, ..)| (*offset).into());
    let mut frequency = Frequency::default();
    let mut steps_total = 0;
    for (number, (offset, steps, failure)) in (0..).zip(results) {
        // Only consecutive runs up to the bound on steps count, so that the result is the same for any number of workers.
        if number != offset || steps_total > steps_max {
            break;
        }
        steps_total += steps;
        frequency.tried += 1;
        let Some((kind, fingerprint)) = failure else { continue };
        frequency.failing += 1;
        if fingerprint == reported {
            continue;
        }
        let seed = plan.base.of_run(plan.first + offset);
        match frequency.others.iter_mut().find(|other| other.fingerprint == fingerprint) {
            Some(other) => other.count += 1,
            None => frequency.others.push(OtherFailure { kind, fingerprint, seed, count: 1 }),
        }
    }
    frequency
}
