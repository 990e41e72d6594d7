//! Regression files for those who write `proptest! { … }`.
//!
//! proptest stores the seed that a failing case was generated from, and no more. So after an edit of the strategy it generates
//! something else from it, fails or passes, and does not say so. Here the file has the shrunk input in words, and the shrunk
//! schedule; and what the seed gave before that, which tells whether it still does. To see that, [`config`] stands where
//! proptest would keep results: there every input is shown before it is tried.
//!
//! Always true: nothing is written where `CI` is set, nor by a replay; a stored schedule is tried, be it with other inputs.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use proptest::test_runner::{
    Config, FailurePersistence, PersistedSeed, ResultCache, ResultCacheKey, TestCaseError, TestCaseResult,
};
use timeloop_sim::{ExploreError, RegressionsIn, RunMode, Settings, fail_with, print_note};

use super::joint::{Hint, failed_last, forget_failures};
use super::stored::{CaseFile, CaseSeed, StoredCase, one_line};

/// At most so many stored schedules are tried with each input: the latest.
pub(super) const HINTS_MAX: usize = 8;

thread_local! {
    /// The stored cases of the property that this thread tests.
    static ACTIVE: RefCell<Weak<Mutex<State>>> = const { RefCell::new(Weak::new()) };
}

/// proptest's configuration, but that failing cases are kept in [`Regressions`].
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
        result_cache: || Box::new(Watch::begin()),
        ..Config::default()
    }
}

/// Keeps failing cases in `timeloop-regressions/<test>.proptest.txt`, in the folder of the package under test: with the shrunk
/// input in words, and the shrunk schedule. Commit the file; its cases are tried first from then on.
///
/// A case of which the strategy no longer generates the input, since it has been edited, is told apart from one that passes:
/// its schedule is tried with other inputs, and a note says so. Nothing is written where `CI` is set.
///
/// The test's name is that of the thread, which the test harness names after the test.
///
/// [`config`] has it in its place. For another folder:
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
    /// In the order in which proptest makes them.
    cases: Vec<Active>,
    /// Whether inputs are shown before they are tried.
    watched: bool,
    /// How many inputs have been, up to the one that fails.
    shown: usize,
    /// The last of them.
    generated: Option<String>,
    failed: bool,
}

/// A stored case in use.
struct Active {
    case: StoredCase,
    hint: Option<Arc<Hint>>,
    /// Whether its input has been generated again.
    met: bool,
}

impl Regressions {
    /// In the folder of the package under test.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// In `folder`.
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

/// The stored schedules that are to be tried with the case that is being generated: its own, if it is a stored one, else
/// those of cases whose input is not generated any more.
pub(super) fn hints() -> Vec<Arc<Hint>> {
    let Some(state) = ACTIVE.with_borrow(Weak::upgrade) else { return Vec::new() };
    let state = lock(&state);
    if state.failed {
        return Vec::new();
    }
    let hints: Vec<_> = match state.cases.get(state.shown) {
        Some(own) if state.watched => own.hint.iter().cloned().collect(),
        _ => {
            state.cases.iter().filter(|active| !active.met).filter_map(|active| active.hint.clone()).collect()
        }
    };
    hints.into_iter().take(HINTS_MAX).collect()
}

/// Sees each input before it is tried, and whether it fails.
struct Watch;

impl Watch {
    fn begin() -> Self {
        if let Some(state) = ACTIVE.with_borrow(Weak::upgrade) {
            lock(&state).watched = true;
        }
        Self
    }
}

impl ResultCache for Watch {
    fn key(&self, key: &ResultCacheKey<'_>) -> u64 {
        let Some(state) = ACTIVE.with_borrow(Weak::upgrade) else { return 0 };
        let mut state = lock(&state);
        if !state.failed {
            let (shown, generated) = (state.shown, one_line(key.value_debug()));
            if let Some(active) = state.cases.get_mut(shown) {
                active.met = active.case.generated.as_ref() == Some(&generated);
            }
            state.generated = Some(generated);
            state.shown += 1;
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
        let settings = Settings::from_environment().unwrap_or_else(|error| panic!("{error}"));
        let Some(file) = self.file(&settings) else { return Vec::new() };
        let loaded = file.load();
        // proptest has no way to hear of an error here.
        if !loaded.problems.is_empty() {
            fail_with(format!(
                "timeloop: `{}`: {}\n",
                file.test(),
                ExploreError::Regressions(loaded.problems)
            ));
        }
        let cases: Vec<_> = loaded
            .stored
            .into_iter()
            .rev()
            .filter(|case| matches!(case.seed, CaseSeed::Theirs(_)))
            .map(|case| Active { hint: case.schedule.clone().map(Hint::new), case, met: false })
            .collect();
        let seeds = cases.iter().filter_map(|active| match &active.case.seed {
            CaseSeed::Theirs(seed) => Some(seed.clone()),
            CaseSeed::Ours(_) => None,
        });
        // It begins with the last.
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
        // What is replayed has been found before, and is stored with the input that it was found with.
        if let Ok(RunMode::Replay(_)) = settings.run_mode(file.test()) {
            return;
        }
        let last = failed_last();
        let comment = last.as_ref().map_or("", |last| &last.comment);
        let case = StoredCase {
            line: 0,
            input: one_line(shrunken_value),
            seed: CaseSeed::Theirs(seed),
            way: None,
            generated: self.state().generated.take(),
            schedule: last.as_ref().map(|last| last.schedule.clone()),
        };
        if settings.ci {
            print_note(&format!(
                "the failing case is stored nowhere, since `CI` is set; to keep it, put this into {}:{}",
                file.shown().display(),
                file.block(&case, comment)
            ));
            return;
        }
        match file.append(&case, comment) {
            Ok(()) => print_note(&format!(
                "the failing case is stored in {}, and tried first next time: commit it",
                file.shown().display()
            )),
            Err(error) => print_note(&format!("the failing case is stored nowhere: {error}")),
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

/// The test is over: what is to be said of stored cases that passed.
impl Drop for State {
    fn drop(&mut self) {
        let failed = self.failed || std::thread::panicking();
        let Some(file) = self.file.take().filter(|_| !failed) else { return };
        // Of what was not shown, as in a process that waits for another, nothing is known.
        for Active { case, hint, met } in self.cases.iter().take(self.shown) {
            let unapplied = hint.as_ref().map_or(0, |hint| hint.unapplied.load(Relaxed));
            let met = *met || case.generated.is_none();
            say_of(&file, case, met, unapplied).into_iter().for_each(|note| print_note(&note));
        }
    }
}

/// What is to be said of a stored case that passed, if anything is.
pub(super) fn say_of(file: &CaseFile, case: &StoredCase, met: bool, unapplied: usize) -> Option<String> {
    let place = format!("{}:{}", file.shown().display(), case.line);
    if !met {
        return Some(format!(
            "{place}: the stored input is no longer generated: the strategy has been edited. It was `{}`. Its schedule was \
             tried with other inputs, and the test passes; delete the case if the edit is to stay",
            case.input
        ));
    }
    let reached = if unapplied == 1 { "is" } else { "are" };
    (unapplied > 0).then(|| {
        format!(
            "{place}: the schedule no longer applies: {unapplied} of its decisions {reached} not reached any more, and the \
             test passes with the stored input; delete the case if the code has changed for good"
        )
    })
}

impl fmt::Debug for Regressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Regressions").field("place", &self.place).finish_non_exhaustive()
    }
}
