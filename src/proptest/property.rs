//! [`Property`]: generates inputs, runs the test with each under several schedules, and stores failures.
//!
//! Unlike `proptest! { … }`, it creates the generator itself. It therefore knows the path from a seed to the shrunk
//! input, and can store it.
//!
//! # Invariants
//! - With the defaults and an empty environment, the cases are the same each time.
//! - A stored case whose input can be generated again is run with it first.

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use timeloop_sim::{
    ExploreError, Found, FoundBy, RegressionsIn, Schedule as Stored, Settings, TestName, exit_with,
    fail_with, print_note, render_report, stored_text,
};

use super::case_file::{CaseFile, CaseSeed, StoredCase, one_line};
use super::joint_shrinking::Hint;
use super::persistence::{HINTS_MAX, passed_note};
use super::shrink_path::{RecordedTree, ShrinkPath};
use super::{Schedules, schedules};
use crate::explorer::current_test_name;
use crate::harness::{TestResult, assert_no_loop};
use crate::schedule::{FailureReason, replayed, verdict};
use crate::{Schedule, Seed};

/// Runs a test with many inputs, each under several schedules. On a failure shrinks both, and reports.
///
/// This is `proptest! { … }` with [`schedules`] as a function, for one strategy of inputs. It stores more about a
/// failure (see [`Property`]), and its cases are the same each time, like those of a `#[timeloop::test]`. The test's
/// name is that of the thread.
///
/// The test may use `prop_assert!` and similar macros. `prop_assume!` rejects an input.
///
/// # Panics
/// If a run fails. The panic's message is the report.
///
/// ```
/// use timeloop::proptest::{check, prelude::*};
///
/// # /*
/// #[test]
/// # */
/// fn sums() {
///     check(prop::collection::vec(0..100_u32, 0..5), |numbers| async move {
///         let expected: u32 = numbers.iter().sum();
///         let mut sum = 0;
///         for number in numbers {
///             sum += timeloop::spawn(async move { number }).await.unwrap();
///         }
///         prop_assert_eq!(sum, expected);
///         Ok(())
///     });
/// }
/// # sums();
/// ```
#[track_caller]
pub fn check<S, F, Fut>(strategy: S, test: F)
where
    S: Strategy,
    S::Value: Clone + Sync,
    F: Fn(S::Value) -> Fut + Sync,
    Fut: Future,
    Fut::Output: TestResult,
{
    Property::at(Location::caller()).check(strategy, test);
}

/// A property with its settings. [`check`] uses the defaults.
///
/// A failing case is stored in `timeloop-regressions/<test>.proptest.txt` in the folder of the package under test. The
/// file contains the seed, the path from the generated input to the shrunk one, the shrunk input as text, and the
/// shrunk schedule. Commit the file. From then on that input is run under that schedule first. If an edit of the
/// strategy changes the input, a note shows the stored one, and the schedule is tried with all other inputs. Nothing is
/// written if `CI` is set.
///
/// `TIMELOOP_SEED`, `TIMELOOP_REPLAY` and proptest's variables, such as `PROPTEST_CASES`, apply. Cases run in this
/// process: `fork` and `timeout` are for `proptest! { … }`.
#[derive(Clone, Debug)]
#[must_use = "a property does nothing until it is checked"]
pub struct Property {
    /// The test, its base seed, the store of its cases, and its environment variables.
    exploration: timeloop_sim::Config,
    config: Config,
    schedules: Schedules,
}

impl Property {
    /// Creates the property `name`: the test's path with the crate first (`bank::tests::transfers`), or any other text.
    /// Tokens and stored cases belong to the name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self::of(TestName::new(name))
    }

    #[track_caller]
    fn at(location: &'static Location<'static>) -> Self {
        assert_no_loop(&|| format!("the property at {location}"));
        Self::of(current_test_name(location))
    }

    fn of(test: TestName) -> Self {
        Self {
            exploration: timeloop_sim::Config::of(test),
            config: Config::default(),
            schedules: Schedules { reads_environment: false, ..schedules() },
        }
    }

    /// Sets the number of inputs. Default 256.
    ///
    /// # Panics
    /// If `cases` is 0.
    #[track_caller]
    pub fn cases(mut self, cases: u32) -> Self {
        assert!(cases > 0, "a property of 0 cases would test nothing; give 1 or more");
        self.config.cases = cases;
        self
    }

    /// Sets proptest's own configuration. Its random generator and its regression files are not used.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the schedules under which each input is run. Default [`schedules()`](schedules).
    pub fn schedules(mut self, schedules: Schedules) -> Self {
        // The property reads the environment itself.
        self.schedules = Schedules { reads_environment: false, ..schedules };
        self
    }

    /// Sets the seed of the first case. The seeds of later cases count up from it. Default 0.
    pub fn seed(mut self, seed: impl Into<Seed>) -> Self {
        self.exploration.seed = seed.into();
        self
    }

    /// Sets the folder in which failing cases are stored. Default `timeloop-regressions` in the package's folder.
    pub fn regressions(mut self, folder: impl Into<PathBuf>) -> Self {
        self.exploration.regressions = RegressionsIn::Folder(folder.into());
        self
    }

    /// Stores no failing cases and tries no stored ones.
    pub fn without_regressions(mut self) -> Self {
        self.exploration.regressions = RegressionsIn::Nowhere;
        self
    }

    /// Ignores the environment variables `TIMELOOP_*`. proptest's variables still apply.
    pub fn without_environment(mut self) -> Self {
        self.exploration.environment = Some(Settings::default());
        self
    }

    /// Checks the property. If a case fails, prints the report and panics with it.
    ///
    /// If the property can't be checked and no case fails (the environment or the stored cases are invalid, or too many
    /// inputs are rejected), it prints the error and ends the process with exit code 2. A panic would make a test pass that
    /// expects one (`#[should_panic]`).
    ///
    /// # Panics
    /// If a case fails.
    #[track_caller]
    pub fn check<S, F, Fut>(&self, strategy: S, test: F)
    where
        S: Strategy,
        S::Value: Clone + Sync,
        F: Fn(S::Value) -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        let checked = self.run(strategy, test);
        checked.notes.iter().for_each(|note| print_note(note));
        match (checked.failed, checked.error) {
            (None, None) => {}
            (Some(failed), error) => {
                let error_line = error.map_or_else(String::new, |error| self.error_line(&error));
                fail_with(failed.found.report.clone() + &error_line)
            }
            (None, Some(error)) => exit_with(&self.error_line(&error)),
        }
    }

    fn error_line(&self, error: &str) -> String {
        format!("timeloop: `{}`: {error}\n", self.exploration.test)
    }

    /// Checks the property, and returns the result. A failing case does not panic here.
    ///
    /// # Panics
    /// Inside a run, because a thread runs one loop at a time.
    #[must_use]
    #[track_caller]
    pub fn run<S, F, Fut>(&self, strategy: S, test: F) -> Checked<S::Value>
    where
        S: Strategy,
        S::Value: Clone + Sync,
        F: Fn(S::Value) -> Fut + Sync,
        Fut: Future,
        Fut::Output: TestResult,
    {
        let location = Location::caller();
        assert_no_loop(&|| format!("the property at {location}"));
        let mut checked = Checked { cases: 0, notes: Vec::new(), failed: None, error: None };
        let settings = match self.exploration.settings() {
            Ok(settings) => settings,
            Err(error) => {
                checked.error = Some(error.to_string());
                return checked;
            }
        };
        checked.notes.clone_from(&settings.warnings);
        let folder = self.exploration.regressions.folder(&settings);
        let config = timeloop_sim::Config { environment: Some(settings), ..self.exploration.clone() };
        let file = folder.map(|folder| CaseFile::new(&folder, config.test.as_str()));
        let mut checking = Checking {
            property: self,
            config,
            strategy: &strategy,
            test: &test,
            file,
            hints: Vec::new(),
            checked,
        };
        if let Err(error) = checking.try_all() {
            checking.checked.error = Some(error);
        }
        checking.checked
    }
}

/// The result of checking a property.
#[derive(Debug)]
#[non_exhaustive]
pub struct Checked<V> {
    /// The number of inputs generated and tried, up to and including the first that failed. Stored inputs do not count.
    pub cases: u64,
    /// Notes for the user, one sentence each.
    pub notes: Vec<String>,
    /// The failure, if there is one.
    pub failed: Option<FailedCase<V>>,
    /// The reason why the property was not checked, or not completely.
    pub error: Option<String>,
}

/// An input and a schedule with which a property fails, both shrunk.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedCase<V> {
    /// The input.
    pub input: V,
    /// Everything found about the failing run. Its report contains the input.
    pub found: Box<Found>,
}

/// The state of checking a property.
struct Checking<'a, S: Strategy, F> {
    property: &'a Property,
    /// The configuration, with the environment variables that apply.
    config: timeloop_sim::Config,
    strategy: &'a S,
    test: &'a F,
    file: Option<CaseFile>,
    /// The schedules of stored cases whose input is no longer generated.
    hints: Vec<Arc<Hint>>,
    checked: Checked<S::Value>,
}

/// The outcome of a case.
enum CaseOutcome<V> {
    Passed,
    Rejected,
    Failed(V, Box<Found>),
}

impl<S, F, Fut> Checking<'_, S, F>
where
    S: Strategy,
    S::Value: Clone + Sync,
    F: Fn(S::Value) -> Fut + Sync,
    Fut: Future,
    Fut::Output: TestResult,
{
    fn settings(&self) -> &Settings {
        self.config.environment.as_ref().expect("set when the property began")
    }

    fn try_all(&mut self) -> Result<(), String> {
        let requested = replayed(&self.config).map_err(|error| error.to_string())?;
        if self.try_stored(requested.as_deref())? || requested.is_some() {
            return Ok(());
        }
        let base = self.settings().base_seed(self.config.seed);
        let (mut index, mut rejected) = (0, 0);
        while self.checked.cases < u64::from(self.property.config.cases) {
            let (case, seed) = (index, base.of_run(index));
            index += 1;
            let path = Rc::default();
            let tree = self.generate(seed, self.hints.clone(), &path)?;
            match self.try_case(tree)? {
                CaseOutcome::Passed => self.checked.cases += 1,
                CaseOutcome::Rejected => {
                    rejected += 1;
                    let max = self.property.config.max_global_rejects;
                    if rejected > max {
                        return Err(format!(
                            "too many rejected inputs: {rejected} (limit {max}) after {} accepted; generate fewer of \
                             them, or raise `max_global_rejects` of proptest's `Config`",
                            self.checked.cases
                        ));
                    }
                }
                CaseOutcome::Failed(input, found) => {
                    self.checked.cases += 1;
                    self.record_failure(FoundBy::Case { index: case, seed }, input, found, Some(path.take()));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tries the stored cases, or only those with a requested schedule. Returns whether one fails.
    fn try_stored(&mut self, requested: Option<&[Stored]>) -> Result<bool, String> {
        let not_stored = |place: &str| {
            format!(
                "TIMELOOP_REPLAY: no case with this schedule is stored{place}, and a schedule does not contain the \
                 input; to find both again, set `TIMELOOP_SEED` to the seed in the report's `found by` line"
            )
        };
        let Some(file) = self.file.clone() else {
            return if requested.is_some() { Err(not_stored("")) } else { Ok(false) };
        };
        let loaded = file.load();
        if !loaded.problems.is_empty() {
            self.checked.error = Some(ExploreError::Regressions(loaded.problems).to_string());
        }
        let wanted = |case: &&StoredCase| {
            requested.is_none_or(|asked| case.schedule.as_ref().is_some_and(|own| asked.contains(own)))
        };
        let cases: Vec<_> = loaded.stored.iter().rev().filter(wanted).collect();
        if requested.is_some() && cases.is_empty() {
            return Err(not_stored(&format!(" in {}", file.display_path().display())));
        }
        let mut stale = Vec::new();
        for case in cases {
            let CaseSeed::Timeloop(seed) = case.seed else { continue };
            let hint = case.schedule.clone().map(Hint::new);
            let generate = || self.generate(seed, hint.iter().cloned().collect(), &Rc::default());
            let Ok(mut tree) = generate() else { continue };
            let mut reproduced = false;
            if let Some(path) = &case.path {
                path.repeat(&mut tree);
                reproduced = one_line(&tree.current().0) == case.input;
            }
            if !reproduced {
                stale.extend(hint.clone().map(|hint| (hint, case)));
                let Ok(whole) = generate() else { continue };
                tree = whole;
            }
            if let Ok(CaseOutcome::Failed(input, found)) = self.try_case(tree) {
                if !reproduced {
                    self.checked.notes.extend(passed_note(&file, case, false, 0));
                }
                let by = FoundBy::Regression { path: file.display_path(), line: case.line };
                self.record_failure(by, input, found, None);
                return Ok(true);
            }
            if reproduced {
                let unapplied = hint.map_or(0, |hint| hint.unapplied.load(Relaxed));
                self.checked.notes.extend(passed_note(&file, case, true, unapplied));
            }
        }
        for (_, case) in &stale {
            self.checked.notes.extend(passed_note(&file, case, false, 0));
        }
        self.hints = stale.into_iter().map(|(hint, _)| hint).take(HINTS_MAX).collect();
        Ok(false)
    }

    /// Returns the tree of the case with this seed.
    fn generate(
        &self,
        seed: Seed,
        hints: Vec<Arc<Hint>>,
        path: &Rc<RefCell<ShrinkPath>>,
    ) -> Result<RecordedTree<<(&S, Schedules) as Strategy>::Tree>, String> {
        let mut key = *b"a property's case               ";
        key[24..].copy_from_slice(&seed.0.to_le_bytes());
        let config = Config { failure_persistence: None, ..self.property.config.clone() };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &key);
        let schedules = Schedules { hints, ..self.property.schedules.clone() };
        let tree = (self.strategy, schedules).new_tree(&mut TestRunner::new_with_rng(config, rng));
        let tree = tree.map_err(|why| format!("no input can be generated: {}", why.message()))?;
        Ok(RecordedTree { tree, path: Rc::clone(path) })
    }

    /// Runs the test with the input of `tree`, and if it fails, with simpler ones.
    fn try_case(
        &self,
        tree: RecordedTree<<(&S, Schedules) as Strategy>::Tree>,
    ) -> Result<CaseOutcome<S::Value>, String> {
        let config = Config { failure_persistence: None, ..self.property.config.clone() };
        let last = RefCell::new(None);
        let outcome = TestRunner::new(config).run_one(tree, |(input, schedule): (S::Value, Schedule)| {
            let made =
                schedule.run_configured(self.config.clone(), None, || (self.test)(input.clone()), verdict);
            made.map_err(|failed| match failed.reason {
                FailureReason::Failed(found) => {
                    *last.borrow_mut() = Some(found);
                    TestCaseError::fail("")
                }
                FailureReason::Rejected(why) => TestCaseError::reject(why),
            })
        });
        match (outcome, last.into_inner()) {
            (Ok(true), _) => Ok(CaseOutcome::Passed),
            (Ok(false), _) => Ok(CaseOutcome::Rejected),
            (Err(TestError::Fail(_, (input, _))), Some(found)) => Ok(CaseOutcome::Failed(input, found)),
            (Err(TestError::Fail(why, _) | TestError::Abort(why)), _) => Err(why.message().to_owned()),
        }
    }

    /// Stores the failure, and writes the report.
    fn record_failure(
        &mut self,
        by: FoundBy,
        input: S::Value,
        mut found: Box<Found>,
        path: Option<ShrinkPath>,
    ) {
        if let (Some(file), FoundBy::Case { seed, .. }, false) = (&self.file, &by, self.settings().ci) {
            let case = StoredCase {
                line: 0,
                input: one_line(&input),
                seed: CaseSeed::Timeloop(*seed),
                path,
                generated: None,
                schedule: Some(found.shrunk.clone()),
            };
            let stored = file.append(&case, &found.headline());
            found.stored = Some(stored_text(&file.display_path(), &stored));
        }
        found.by = by;
        found.input = Some(format_input(&input));
        found.report = render_report(&self.config, &found);
        self.checked.failed = Some(FailedCase { input, found });
    }
}

/// Formats an input for the report: on one line if that is short enough to read.
fn format_input(input: &dyn fmt::Debug) -> String {
    const CHARACTERS_MAX: usize = 100;
    let short = format!("{input:?}");
    if short.chars().count() <= CHARACTERS_MAX { short } else { format!("{input:#?}") }
}
