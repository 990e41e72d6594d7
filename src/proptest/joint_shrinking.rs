//! Shrinks the schedule jointly with a property's other inputs.
//!
//! proptest shrinks one input at a time, and checks after each step whether the test still fails. Under the schedule
//! that failed it often passes then, although it would fail under another one: a simpler input has fewer tasks or fewer
//! steps. Before a simpler input is given up, this module therefore tries it under other schedules. The schedule that
//! fails is shrunk again.
//!
//! # Invariants
//! - Once a case has failed, only failures of the same kind and location count, unless every schedule fails.
//! - The schedules tried depend only on the case's seed and on the code under test.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use timeloop_sim::{
    AnySource, Ended, Failure, FailureKind, Fingerprint, Found, Profile, Schedule as Stored, Scratch,
};

use super::Schedules;
use crate::{Config, Deviation, Domain, Seed, TaskPath};

/// The maximum number of runs for the first shrinking of a case, and for each later one, for a simpler input.
const SHRINK_RUNS_FIRST: u64 = 3_000;
const SHRINK_RUNS_AGAIN: u64 = 1_000;

thread_local! {
    /// The case that failed last on this thread.
    static FAILED: RefCell<Option<Failed>> = const { RefCell::new(None) };
}

/// A failed case.
struct Failed {
    /// Alive as long as the case's tree, while proptest shrinks it.
    tree: Weak<()>,
    memory: Arc<Mutex<Memory>>,
}

/// A schedule that failed at another time, to be tried first.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) schedule: Stored,
    /// The number of its decisions that a run under it did not reach.
    pub(crate) unapplied: AtomicUsize,
}

impl Hint {
    pub(crate) fn new(schedule: Stored) -> Arc<Self> {
        Arc::new(Self { schedule, unapplied: AtomicUsize::new(0) })
    }
}

/// Two hints are equal if their schedules are.
impl PartialEq for Hint {
    fn eq(&self, other: &Self) -> bool {
        self.schedule == other.schedule
    }
}

impl Eq for Hint {}

/// The schedules of one test case.
#[derive(Clone)]
pub(crate) struct Case {
    seed: Seed,
    settings: Schedules,
    memory: Arc<Mutex<Memory>>,
    tree: Weak<()>,
    /// The number of runs that the test has started with this input.
    calls: Arc<AtomicU32>,
}

/// What the runs of a case have found.
#[derive(Debug, Default)]
struct Memory {
    /// The failure that shrinking must preserve.
    target: Option<Target>,
    /// The smallest schedule under which the test's n-th run has failed, by n.
    known: BTreeMap<u32, Stored>,
    /// The last failure.
    last: Option<LastFailure>,
}

/// The last failure of a case.
#[derive(Clone, Debug)]
pub(crate) struct LastFailure {
    /// The smallest schedule, and its token.
    pub(crate) schedule: Stored,
    token: String,
    /// The failure in one line.
    pub(crate) comment: String,
}

/// Returns the last failure of the case that proptest is shrinking or has just shrunk on this thread.
pub(crate) fn last_failure() -> Option<LastFailure> {
    FAILED.with_borrow(|failed| lock(&failed.as_ref()?.memory).last.clone())
}

/// Forgets earlier failures, because a property begins on this thread.
pub(crate) fn forget_failures() {
    FAILED.set(None);
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Identifies equal failures of different inputs. An `Err` without a location could only be identified by its text,
/// which may contain a part of the input. Therefore all such errors are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Fingerprint(Fingerprint),
    AnyError,
}

impl Target {
    fn of(failure: &Failure) -> Self {
        match (failure.kind, &failure.site) {
            (FailureKind::Error, None) => Self::AnyError,
            _ => Self::Fingerprint(failure.lean_fingerprint()),
        }
    }
}

/// Makes one run.
pub(crate) type Attempt<'a> = &'a mut dyn FnMut(AnySource) -> Ended;
/// Shrinks a failing run and creates its report. The number is the maximum number of runs for shrinking.
pub(crate) type Investigate<'a> = &'a dyn Fn(&Stored, &Ended, u64) -> Box<Found>;

impl Case {
    /// Creates the case of `tree`.
    pub(crate) fn new(seed: Seed, settings: Schedules, tree: &Arc<()>) -> Self {
        // While a failure is being shrunk, `prop_flat_map` replaces trees. The new trees continue with the same memory.
        let shrinking = |failed: &&Failed| failed.tree.strong_count() > 0;
        let memory = FAILED
            .with_borrow(|failed| failed.as_ref().filter(shrinking).map(|failed| Arc::clone(&failed.memory)));
        let memory = memory.unwrap_or_default();
        Self { seed, settings, memory, tree: Arc::downgrade(tree), calls: Arc::default() }
    }

    /// Returns the same case for a test that starts again.
    pub(crate) fn restarted(&self) -> Self {
        Self { calls: Arc::default(), ..self.clone() }
    }

    /// Applies the case's settings to a run.
    pub(crate) fn configure(&self, config: &mut Config) {
        config.stalls = self.settings.stalls;
        config.limits.clone_from(&self.settings.limits);
    }

    /// Returns the schedule that failed last. If none has failed, returns that of the seed, without estimates.
    pub(crate) fn stored(&self) -> Stored {
        let last = self.memory().last.as_ref().map(|last| last.schedule.clone());
        last.unwrap_or_else(|| Stored::seeded(self.seed, self.settings.strategy))
    }

    /// Makes the runs of one [`Schedule::run`](crate::Schedule::run). Returns the failure, if there is one.
    pub(crate) fn search(&self, attempt: Attempt<'_>, investigate: Investigate<'_>) -> Option<Box<Found>> {
        let call = self.calls.fetch_add(1, Relaxed);
        let (target, known) = {
            let memory = self.memory();
            (memory.target, memory.known.get(&call).cloned())
        };
        // A run that has not failed with any input so far is searched from scratch.
        let target = target.filter(|_| known.is_some());
        let mut search = Search { attempt, target, otherwise: None, passed: false, unapplied: 0 };
        let (schedule, ended) = search.failing(known, self)?;
        let shrink_runs = if target.is_some() { SHRINK_RUNS_AGAIN } else { SHRINK_RUNS_FIRST };
        let found = investigate(&schedule, &ended, shrink_runs);
        self.remember(call, &found);
        Some(found)
    }

    /// Stores the failure of the test's n-th run, counted from 0.
    pub(crate) fn remember(&self, call: u32, found: &Found) {
        let mut memory = self.memory();
        // A nondeterministic failure gives nothing to preserve.
        let repeats = found.failure.kind != FailureKind::Nondeterminism;
        memory.target = repeats.then(|| Target::of(&found.failure));
        memory.known.insert(call, found.shrunk.clone());
        let (schedule, token) = (found.shrunk.clone(), found.token.clone());
        memory.last = Some(LastFailure { schedule, token, comment: found.headline() });
        FAILED.set(Some(Failed { tree: self.tree.clone(), memory: Arc::clone(&self.memory) }));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }
}

/// The search for a failing schedule with one input.
struct Search<'a> {
    attempt: Attempt<'a>,
    /// The failure to look for; any failure if `None`.
    target: Option<Target>,
    /// The first run with another failure.
    otherwise: Option<(Stored, Ended)>,
    passed: bool,
    /// The number of decisions that the last run did not reach.
    unapplied: usize,
}

impl Search<'_> {
    fn failing(&mut self, known: Option<Stored>, case: &Case) -> Option<(Stored, Ended)> {
        let Schedules { strategy, runs, retries, stalls, .. } = case.settings;
        let strategy = strategy.with_stalls(stalls.are_possible());
        for hint in &case.settings.hints {
            let schedule = &hint.schedule;
            if !stalls.are_possible() && schedule.stalls() {
                continue;
            }
            if let Some(failing) = self.fails(schedule.source(), || schedule.clone()) {
                return Some(failing);
            }
            hint.unapplied.fetch_max(self.unapplied, Relaxed);
        }
        for known in known.iter().flat_map(nearby) {
            if let Some(failing) = self.fails(known.source(), || known.clone()) {
                return Some(failing);
            }
        }
        let (baseline, watched) = Profile::watching();
        if let Some(failing) = self.fails(baseline, Stored::baseline) {
            return Some(failing);
        }
        let profile = watched.into_profile().with_stalls(stalls);
        // A known failure justifies more attempts.
        let tries = if self.target.is_some() || !case.settings.hints.is_empty() { retries } else { runs };
        let seeds = (0..u64::from(tries)).map(|index| case.seed.of_run(index));
        let scratch = Scratch::default();
        for seed in seeds {
            let failing =
                self.fails(profile.source_in(&scratch, strategy, seed), || profile.schedule(strategy, seed));
            if failing.is_some() {
                return failing;
            }
        }
        // If every schedule fails, another failure is all that can be reported of this input.
        self.otherwise.take().filter(|_| !self.passed)
    }

    fn fails(&mut self, source: AnySource, schedule: impl Fn() -> Stored) -> Option<(Stored, Ended)> {
        let ended = (self.attempt)(source);
        self.unapplied = ended.unapplied;
        let Some(failure) = &ended.failure else {
            self.passed = true;
            return None;
        };
        if self.target.is_none_or(|target| Target::of(failure) == target) {
            return Some((schedule(), ended));
        }
        self.otherwise.get_or_insert_with(|| (schedule(), ended));
        None
    }
}

/// Returns the schedule, and variants of it for a simpler input. If the simpler input lacks an operation, a wait or a
/// task, later ones have lower numbers.
fn nearby(known: &Stored) -> Vec<Stored> {
    /// A schedule with more deviations is tried only unchanged.
    const DEVIATIONS_MAX: usize = 8;
    let mut all = vec![known.clone()];
    let Stored::Deviations { randomness, deviations } = known else { return all };
    if deviations.len() > DEVIATIONS_MAX {
        return all;
    }
    let tasks: BTreeSet<&TaskPath> = deviations.iter().map(|deviation| &deviation.task).collect();
    for task in tasks {
        for lowered in [one_operation_less, one_wait_less, one_task_less] {
            let deviations: Vec<_> = deviations.iter().map(|deviation| lowered(deviation, task)).collect();
            let schedule = Stored::Deviations { randomness: *randomness, deviations };
            if !all.contains(&schedule) {
                all.push(schedule);
            }
        }
    }
    all
}

/// Adapts a deviation to one operation less of `task` before it, in the same resumption.
fn one_operation_less(deviation: &Deviation, task: &TaskPath) -> Deviation {
    let mut lower = deviation.clone();
    if deviation.task == *task && deviation.domain == Domain::Operation {
        lower.index = deviation.index.saturating_sub(1);
    }
    lower
}

/// Adapts a deviation to one wait less of `task` before it.
fn one_wait_less(deviation: &Deviation, task: &TaskPath) -> Deviation {
    let mut lower = deviation.clone();
    if deviation.task == *task {
        lower.resume = deviation.resume.saturating_sub(1);
    }
    lower
}

/// Adapts a deviation to one task less, spawned before `task` by the same parent.
fn one_task_less(deviation: &Deviation, task: &TaskPath) -> Deviation {
    let (removed, mut lower) = (task.indices(), deviation.task.indices());
    let Some((number, parents)) = removed.split_last() else { return deviation.clone() };
    if let (true, Some(own)) = (lower.starts_with(parents), lower.get_mut(parents.len()))
        && *own >= *number
        && *number > 1
    {
        *own -= 1;
    }
    Deviation { task: lower.into_iter().collect(), ..deviation.clone() }
}

/// Two cases are equal if they share what they have found.
impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.seed == other.seed && self.settings == other.settings && Arc::ptr_eq(&self.memory, &other.memory)
    }
}

impl Eq for Case {}

/// Formats the smallest failing schedule and its token. If no run has failed, formats the seed.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.memory().last {
            Some(last) => crate::schedule::describe(f, &last.schedule, &last.token),
            None => write!(f, "seed {}, strategy `{}`", self.seed, self.settings.strategy),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
