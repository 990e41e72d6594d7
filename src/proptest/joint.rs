//! Shrinking the schedule jointly with a property's other inputs.
//!
//! proptest shrinks one input at a time, and asks after each step whether the test still fails. With the schedule that has
//! failed it often does not, though with some other it would: a simpler input has fewer tasks, or fewer steps. So here a run
//! that would pass is made under other schedules too, before the simpler input is given up; and the one that fails is
//! shrunk anew.
//!
//! Always true: once a case has failed, only failures of the same kind and place count, as long as there is a schedule that
//! passes; what is tried is a function of the case's seed and of the code under test.

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

/// Runs that the first shrinking of a case may take, and each one after that, for a simpler input.
const SHRINK_RUNS_FIRST: u64 = 3_000;
const SHRINK_RUNS_AGAIN: u64 = 1_000;

thread_local! {
    /// The case that failed last on this thread.
    static FAILED: RefCell<Option<Failed>> = const { RefCell::new(None) };
}

/// A case that has failed.
struct Failed {
    /// There for as long as its tree is: while proptest shrinks it.
    tree: Weak<()>,
    memory: Arc<Mutex<Memory>>,
}

/// A schedule that has failed at some other time, and is tried first.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) schedule: Stored,
    /// How many of its decisions a run under it did not come to.
    pub(crate) unapplied: AtomicUsize,
}

impl Hint {
    pub(crate) fn new(schedule: Stored) -> Arc<Self> {
        Arc::new(Self { schedule, unapplied: AtomicUsize::new(0) })
    }
}

/// Two are the same if their schedules are.
impl PartialEq for Hint {
    fn eq(&self, other: &Self) -> bool {
        self.schedule == other.schedule
    }
}

impl Eq for Hint {}

/// How the runs of one test case decide.
#[derive(Clone)]
pub(crate) struct Case {
    seed: Seed,
    settings: Schedules,
    memory: Arc<Mutex<Memory>>,
    tree: Weak<()>,
    /// How many runs the test has begun with this input.
    calls: Arc<AtomicU32>,
}

/// What the runs of a case have found.
#[derive(Debug, Default)]
struct Memory {
    /// What shrinking keeps.
    target: Option<Target>,
    /// The smallest schedule under which the test's how-many-th run has failed.
    known: BTreeMap<u32, Stored>,
    /// The one that failed last.
    last: Option<Last>,
}

/// What has failed last.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    /// The smallest schedule, and its token.
    pub(crate) schedule: Stored,
    token: String,
    /// What fails, in a line.
    pub(crate) comment: String,
}

/// What the case that proptest is shrinking on this thread, or has just shrunk, has failed with last.
pub(crate) fn failed_last() -> Option<Last> {
    FAILED.with_borrow(|failed| lock(&failed.as_ref()?.memory).last.clone())
}

/// A property begins on this thread.
pub(crate) fn forget_failures() {
    FAILED.set(None);
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What makes the failures of two inputs the same. An `Err` without a place is told by its text, in which there may be
/// something of the input: there any `Err` is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Fingerprint(Fingerprint),
    AnyError,
}

impl Target {
    fn of(failure: &Failure) -> Self {
        match (failure.kind, &failure.site) {
            (FailureKind::Error, None) => Self::AnyError,
            _ => Self::Fingerprint(failure.fingerprint()),
        }
    }
}

/// Makes one run.
pub(crate) type Attempt<'a> = &'a mut dyn FnMut(AnySource) -> Ended;
/// From a failing run to a report; shrinking takes so many runs at most.
pub(crate) type Investigate<'a> = &'a dyn Fn(&Stored, &Ended, u64) -> Box<Found>;

impl Case {
    /// The case of `tree`.
    pub(crate) fn new(seed: Seed, settings: Schedules, tree: &Arc<()>) -> Self {
        // While a failure is being shrunk, `prop_flat_map` makes new trees in place of old ones: they go on from there.
        let shrinking = |failed: &&Failed| failed.tree.strong_count() > 0;
        let memory = FAILED
            .with_borrow(|failed| failed.as_ref().filter(shrinking).map(|failed| Arc::clone(&failed.memory)));
        let memory = memory.unwrap_or_default();
        Self { seed, settings, memory, tree: Arc::downgrade(tree), calls: Arc::default() }
    }

    /// The same for a test that begins anew.
    pub(crate) fn begun(&self) -> Self {
        Self { calls: Arc::default(), ..self.clone() }
    }

    /// Sets what the case says of each run.
    pub(crate) fn configure(&self, config: &mut Config) {
        config.stalls = self.settings.stalls;
        config.limits.clone_from(&self.settings.limits);
    }

    /// The schedule that has failed last; where none has, that of the seed, told nothing.
    pub(crate) fn stored(&self) -> Stored {
        let last = self.memory().last.as_ref().map(|last| last.schedule.clone());
        last.unwrap_or_else(|| Stored::seeded(self.seed, self.settings.strategy))
    }

    /// Makes the runs of one [`Schedule::run`](crate::Schedule::run): what was found, if one fails.
    pub(crate) fn search(&self, attempt: Attempt<'_>, investigate: Investigate<'_>) -> Option<Box<Found>> {
        let call = self.calls.fetch_add(1, Relaxed);
        let (target, known) = {
            let memory = self.memory();
            (memory.target, memory.known.get(&call).cloned())
        };
        // A run that has not failed yet with any input is made as if nothing were known.
        let target = target.filter(|_| known.is_some());
        let mut search = Search { attempt, target, otherwise: None, passed: false, unapplied: 0 };
        let (schedule, ended) = search.failing(known, self)?;
        let shrink_runs = if target.is_some() { SHRINK_RUNS_AGAIN } else { SHRINK_RUNS_FIRST };
        let found = investigate(&schedule, &ended, shrink_runs);
        self.remember(call, &found);
        Some(found)
    }

    /// What the test's how-many-th run has failed with.
    pub(crate) fn remember(&self, call: u32, found: &Found) {
        let mut memory = self.memory();
        // Where runs differ by themselves, there is nothing to go by.
        let repeats = found.failure.kind != FailureKind::Nondeterminism;
        memory.target = repeats.then(|| Target::of(&found.failure));
        memory.known.insert(call, found.shrunk.clone());
        let (schedule, token) = (found.shrunk.clone(), found.token.clone());
        memory.last = Some(Last { schedule, token, comment: found.headline() });
        FAILED.set(Some(Failed { tree: self.tree.clone(), memory: Arc::clone(&self.memory) }));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }
}

/// The search for a schedule that fails, with one input.
struct Search<'a> {
    attempt: Attempt<'a>,
    /// What a run has to fail with; anything if it is none.
    target: Option<Target>,
    /// The first run that failed with something else.
    otherwise: Option<(Stored, Ended)>,
    passed: bool,
    /// How many decisions the last run has not come to.
    unapplied: usize,
}

impl Search<'_> {
    fn failing(&mut self, known: Option<Stored>, case: &Case) -> Option<(Stored, Ended)> {
        let Schedules { strategy, runs, retries, stalls, .. } = case.settings;
        let strategy = strategy.with_stalls(stalls);
        for hint in &case.settings.hints {
            let schedule = &hint.schedule;
            if !stalls && schedule.stalls() {
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
        let profile = watched.into_profile();
        let profile = if stalls { profile } else { profile.without_stalls() };
        // What has failed once deserves more than one look.
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
        // Nothing else can be said of an input with which every schedule fails.
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

/// The schedule, and what it may have become with a simpler input: where that takes an operation, a wait or a task away, what
/// comes after has a lower number.
fn nearby(known: &Stored) -> Vec<Stored> {
    /// Of a schedule with more deviations than this, only itself is tried.
    const DEVIATIONS_MAX: usize = 8;
    let mut all = vec![known.clone()];
    let Stored::Deviations { randomness, deviations } = known else { return all };
    if deviations.len() > DEVIATIONS_MAX {
        return all;
    }
    let tasks: BTreeSet<&TaskPath> = deviations.iter().map(|deviation| &deviation.task).collect();
    for task in tasks {
        for lowered in [an_operation_less, a_wait_less, a_task_less] {
            let deviations: Vec<_> = deviations.iter().map(|deviation| lowered(deviation, task)).collect();
            let schedule = Stored::Deviations { randomness: *randomness, deviations };
            if !all.contains(&schedule) {
                all.push(schedule);
            }
        }
    }
    all
}

/// Before it, within its resumption, `task` does one operation less.
fn an_operation_less(deviation: &Deviation, task: &TaskPath) -> Deviation {
    let mut lower = deviation.clone();
    if deviation.task == *task && deviation.domain == Domain::Operation {
        lower.index = deviation.index.saturating_sub(1);
    }
    lower
}

/// Before it `task` waits once less.
fn a_wait_less(deviation: &Deviation, task: &TaskPath) -> Deviation {
    let mut lower = deviation.clone();
    if deviation.task == *task {
        lower.resume = deviation.resume.saturating_sub(1);
    }
    lower
}

/// One task less is spawned before `task` by the one that spawns it.
fn a_task_less(deviation: &Deviation, task: &TaskPath) -> Deviation {
    let Some((number, parents)) = task.indices().split_last() else { return deviation.clone() };
    let indices = deviation.task.indices();
    let mut lower: Vec<_> = indices.to_vec();
    if let (true, Some(own)) = (indices.starts_with(parents), lower.get_mut(parents.len()))
        && *own >= *number
        && *number > 1
    {
        *own -= 1;
    }
    let task = lower.into_iter().fold(TaskPath::root(), |path, index| path.child(index));
    Deviation { task, ..deviation.clone() }
}

/// Two cases are the same if they share what they find.
impl PartialEq for Case {
    fn eq(&self, other: &Self) -> bool {
        self.seed == other.seed && self.settings == other.settings && Arc::ptr_eq(&self.memory, &other.memory)
    }
}

impl Eq for Case {}

/// Where no run has failed, the seed; else the smallest schedule that has, and its token.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.memory().last {
            Some(last) => crate::schedule::tell(f, &last.schedule, &last.token),
            None => write!(f, "seed {}, strategy `{}`", self.seed, self.settings.strategy),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
