//! Regression files for properties written with `proptest! { … }`.
//!
//! proptest stores only the seed of a failing case. After an edit of the strategy, the seed generates another input,
//! and proptest does not report that. timeloop's file also contains the shrunk input as text, the shrunk schedule, and
//! the unshrunk input, which shows whether the seed still generates it. To observe inputs, [`config`] replaces
//! proptest's result cache, which receives every input before it is tried.
//!
//! # Invariants
//! - Nothing is written if `CI` is set, or by a replay.
//! - A stored schedule is always tried, if necessary with other inputs.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use proptest::test_runner::{
    Config, FailurePersistence, PersistedSeed, ResultCache, ResultCacheKey, TestCaseError, TestCaseResult,
};
use timeloop_sim::{ExploreError, RegressionsIn, RunMode, Settings, exit_with, print_note};

use super::case_file::{CaseFile, CaseSeed, StoredCase, one_line};
use super::joint_shrinking::{Hint, forget_failures, last_failure};

/// The maximum number of stored schedules tried with each input: the latest.
pub(super) const HINTS_MAX: usize = 8;

thread_local! {
    /// The stored cases of the property that this thread tests.
    static ACTIVE: RefCell<Weak<Mutex<State>>> = const { RefCell::new(Weak::new()) };
}

/// Returns proptest's configuration with [`Regressions`] as the store of failing cases.
///
/// ```
/// use timeloop::proptest::prelude::*;
///
/// proptest! {
///     #![proptest_config(timeloop::proptest::config())]
///     # /*
///     #[test]
///     # */
///     fn passes(schedule in schedules()) {
///         schedule.run(|| async {})?;
///     }
/// }
/// # passes();
/// ```
#[must_use]
pub fn config() -> Config {
    Config {
        failure_persistence: Some(Box::new(Regressions::new())),
        result_cache: || Box::new(InputObserver::begin()),
        ..Config::default()
    }
}

/// Stores failing cases in `timeloop-regressions/<test>.proptest.txt` in the folder of the package under test. A case
/// contains the shrunk input as text and the shrunk schedule. Commit the file; its cases are tried first from then on.
///
/// If the strategy was edited and no longer generates a stored input, a note says so, and the case's schedule is tried
/// with other inputs. Nothing is written if `CI` is set.
///
/// The test's name is that of the thread, which the test harness sets.
///
/// [`config`] uses this type. To use another folder:
///
/// ```
/// use timeloop::proptest::{Regressions, config, prelude::*};
///
/// let config = ProptestConfig {
///     failure_persistence: Some(Box::new(Regressions::in_folder("tests/regressions"))),
///     ..config()
/// };
/// ```
#[derive(Clone, Default)]
pub struct Regressions {
    place: RegressionsIn,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    file: Option<CaseFile>,
    /// In the order in which proptest generates them.
    cases: Vec<Active>,
    /// Whether inputs are observed before they are tried.
    observes: bool,
    /// The number of inputs observed, up to the failing one.
    observed: usize,
    /// The last observed input.
    generated: Option<String>,
    failed: bool,
}

/// A stored case in use.
struct Active {
    case: StoredCase,
    hint: Option<Arc<Hint>>,
    /// Whether its input was generated again.
    reproduced: bool,
}

impl Regressions {
    /// Stores in the folder of the package under test.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores in `folder`.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { place: RegressionsIn::Folder(folder.into()), ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn file(&self, settings: &Settings) -> Option<CaseFile> {
        let thread = std::thread::current();
        let test = thread.name().filter(|name| *name != "main")?;
        Some(CaseFile::new(&self.place.folder(settings)?, test))
    }
}

/// Returns the stored schedules to try with the case that is being generated. For a stored case, that is its own
/// schedule. Otherwise, those of stored cases whose input is no longer generated.
pub(super) fn hints() -> Vec<Arc<Hint>> {
    let Some(state) = ACTIVE.with_borrow(Weak::upgrade) else { return Vec::new() };
    let state = lock(&state);
    if state.failed {
        return Vec::new();
    }
    let hints: Vec<_> = match state.cases.get(state.observed) {
        Some(own) if state.observes => own.hint.iter().cloned().collect(),
        _ => state
            .cases
            .iter()
            .filter(|active| !active.reproduced)
            .filter_map(|active| active.hint.clone())
            .collect(),
    };
    hints.into_iter().take(HINTS_MAX).collect()
}

/// Observes each input before it is tried, and whether it fails.
struct InputObserver;

impl InputObserver {
    fn begin() -> Self {
        if let Some(state) = ACTIVE.with_borrow(Weak::upgrade) {
            lock(&state).observes = true;
        }
        Self
    }
}

impl ResultCache for InputObserver {
    fn key(&self, key: &ResultCacheKey<'_>) -> u64 {
        let Some(state) = ACTIVE.with_borrow(Weak::upgrade) else { return 0 };
        let mut state = lock(&state);
        if !state.failed {
            let (observed, generated) = (state.observed, one_line(key.value_debug()));
            if let Some(active) = state.cases.get_mut(observed) {
                active.reproduced = active.case.generated.as_ref() == Some(&generated);
            }
            state.generated = Some(generated);
            state.observed += 1;
        }
        0
    }

    fn put(&mut self, _key: u64, result: &TestCaseResult) {
        if let (Err(TestCaseError::Fail(_)), Some(state)) = (result, ACTIVE.with_borrow(Weak::upgrade)) {
            lock(&state).failed = true;
        }
    }

    fn get(&self, _key: u64) -> Option<&TestCaseResult> {
        None
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FailurePersistence for Regressions {
    fn load_persisted_failures2(&self, _source_file: Option<&'static str>) -> Vec<PersistedSeed> {
        forget_failures();
        let settings =
            Settings::from_environment().unwrap_or_else(|error| exit_with(&format!("timeloop: {error}")));
        let Some(file) = self.file(&settings) else { return Vec::new() };
        let loaded = file.load();
        // proptest offers no way to return an error here.
        if !loaded.problems.is_empty() {
            exit_with(&format!(
                "timeloop: `{}`: {}",
                file.test(),
                ExploreError::Regressions(loaded.problems)
            ));
        }
        let cases: Vec<_> = loaded
            .stored
            .into_iter()
            .rev()
            .filter(|case| matches!(case.seed, CaseSeed::Proptest(_)))
            .map(|case| Active { hint: case.schedule.clone().map(Hint::new), case, reproduced: false })
            .collect();
        let seeds = cases.iter().filter_map(|active| match &active.case.seed {
            CaseSeed::Proptest(seed) => Some(seed.clone()),
            CaseSeed::Timeloop(_) => None,
        });
        // proptest starts with the last.
        let seeds = seeds.rev().collect();
        let mut state = State::default();
        (state.file, state.cases) = (Some(file), cases);
        *self.state() = state;
        ACTIVE.with_borrow_mut(|active| *active = Arc::downgrade(&self.state));
        seeds
    }

    fn save_persisted_failure2(
        &mut self,
        _source_file: Option<&'static str>,
        seed: PersistedSeed,
        shrunken_value: &dyn fmt::Debug,
    ) {
        self.state().failed = true;
        let settings = Settings::from_environment().unwrap_or_default();
        let Some(file) = self.file(&settings) else { return };
        // A replayed case was found before, and is stored with its input.
        if let Ok(RunMode::Replay(_)) = settings.run_mode(file.test()) {
            return;
        }
        let last = last_failure();
        let comment = last.as_ref().map_or("", |last| &last.comment);
        let case = StoredCase {
            line: 0,
            input: one_line(shrunken_value),
            seed: CaseSeed::Proptest(seed),
            path: None,
            generated: self.state().generated.take(),
            schedule: last.as_ref().map(|last| last.schedule.clone()),
        };
        if settings.ci {
            print_note(&format!(
                "the failing case is not stored, because `CI` is set; to keep it, add this to {}:{}",
                file.display_path().display(),
                file.block(&case, comment)
            ));
            return;
        }
        match file.append(&case, comment) {
            Ok(()) => print_note(&format!(
                "the failing case is stored in {}, replayed first from now on; commit it",
                file.display_path().display()
            )),
            Err(error) => print_note(&format!("the failing case is not stored: {error}")),
        }
    }

    fn box_clone(&self) -> Box<dyn FailurePersistence> {
        Box::new(self.clone())
    }

    fn eq(&self, other: &dyn FailurePersistence) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|other| self.place == other.place)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Prints notes on stored cases that passed, because the test is over.
impl Drop for State {
    fn drop(&mut self) {
        let failed = self.failed || std::thread::panicking();
        let Some(file) = self.file.take().filter(|_| !failed) else { return };
        // Cases that were not observed are unknown, as in a process that waits for a forked one.
        for Active { case, hint, reproduced } in self.cases.iter().take(self.observed) {
            let unapplied = hint.as_ref().map_or(0, |hint| hint.unapplied.load(Relaxed));
            let reproduced = *reproduced || case.generated.is_none();
            passed_note(&file, case, reproduced, unapplied).into_iter().for_each(|note| print_note(&note));
        }
    }
}

/// Returns a note on a stored case that passed, if there is something to report.
pub(super) fn passed_note(
    file: &CaseFile,
    case: &StoredCase,
    reproduced: bool,
    unapplied: usize,
) -> Option<String> {
    let place = format!("{}:{}", file.display_path().display(), case.line);
    if !reproduced {
        return Some(format!(
            "{place}: the proptest strategy no longer generates the stored input `{}`; timeloop tries the stored schedule \
             with other inputs. If the change was intended, delete the case",
            case.input
        ));
    }
    let reached = if unapplied == 1 { "was" } else { "were" };
    (unapplied > 0).then(|| {
        format!(
            "{place}: the schedule no longer applies: {unapplied} of its decisions {reached} not reached, and the test \
             passes with the stored input; delete the case if the code has changed permanently"
        )
    })
}

impl fmt::Debug for Regressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Regressions").field("place", &self.place).finish_non_exhaustive()
    }
}
